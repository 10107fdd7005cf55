// SPDX-License-Identifier: Apache-2.0
// See proc(5): /proc/locks, /proc/PID/fdinfo, /proc/PID/status.
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/os.hpp"
#include "ipc/reader_list.hpp"

namespace strata::ipc {

namespace {

// "00:1a:4711", as the kernel's lists of locks name a file.
std::string list_name(const os::FileStatus& status) {
    char text[64];
    std::snprintf(text, sizeof(text), "%02x:%02x:%llu", gnu_dev_major(status.device),
                  gnu_dev_minor(status.device), static_cast<unsigned long long>(status.inode));
    return text;
}

// One line: `1: OFDLCK  ADVISORY  READ -1 00:1a:4711 8 8`. Not the lines of those who wait for a
// lock, which have an arrow.
std::optional<ListedLock> parse_lock(const std::string& line, const std::string& file) {
    if (line.find("OFDLCK") == std::string::npos || line.find(file) == std::string::npos) {
        return std::nullopt;  // nearly all lines of a busy machine
    }
    std::istringstream words(line);
    std::string number;
    std::string kind;
    std::string advisory;
    std::string mode;
    std::string pid;
    std::string name;
    ListedLock lock;
    words >> number >> kind >> advisory >> mode >> pid >> name >> lock.start;
    if (!words || kind != "OFDLCK" || name != file) {
        return std::nullopt;
    }
    lock.exclusive = mode == "WRITE";
    return lock;
}

std::optional<ReaderInfo> reader_of(const ListedLock& lock) {
    if (lock.exclusive || lock.start >= waiter_lock_base) {  // the producer's probe; a waiter
        return std::nullopt;
    }
    return ReaderInfo{.pid = static_cast<std::int64_t>(lock.start & (pid_span - 1)),
                      .epoch = lock.start >> pin_pid_bits};
}

std::optional<std::int64_t> number_of(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    return whole ? std::optional(value) : std::nullopt;
}

// The number of a process in the innermost pid namespace that it is in: its own idea of it.
std::optional<std::int64_t> own_number(const std::filesystem::path& process) {
    std::ifstream status(process / "status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("NSpid:")) {
            return number_of(std::string_view(line).substr(line.find_last_of("\t ") + 1));
        }
    }
    return std::nullopt;
}

// Calls visit(reader) for each pin on the file that descriptors of the process hold.
template <class Visit>
void for_each_pin_of(const std::filesystem::path& process, const os::FileStatus& file,
                     const std::string& file_name, Visit visit) {
    std::error_code error;  // gone meanwhile, or not permitted
    for (std::filesystem::directory_iterator it(process / "fd", error), end; it != end;
         it.increment(error)) {
        struct stat status {};
        if (::stat(it->path().c_str(), &status) != 0 || status.st_dev != file.device ||
            status.st_ino != file.inode) {
            continue;
        }
        std::ifstream info(process / "fdinfo" / it->path().filename());
        for (std::string line; std::getline(info, line);) {
            if (!line.starts_with("lock:")) {
                continue;
            }
            if (const auto lock = parse_lock(line.substr(line.find('\t') + 1), file_name)) {
                if (const auto reader = reader_of(*lock)) {
                    visit(*reader);
                }
            }
        }
    }
}

std::optional<std::vector<ListedLock>> locks_in_one_pass(const std::string& file) {
    std::ifstream list("/proc/locks");
    if (!list) {
        return std::nullopt;
    }
    std::vector<ListedLock> locks;
    for (std::string line; std::getline(list, line);) {
        if (const auto lock = parse_lock(line, file)) {
            locks.push_back(*lock);
        }
    }
    std::sort(locks.begin(), locks.end());
    return locks;
}

// Each lock that any pass lists, as often as the pass that lists it least: a lock held throughout
// is missed by most passes if many locks of the machine are released during them, and listed twice
// if many are taken. A lock that was released in between may still be listed, which can happen a
// moment later to any of them.
std::vector<ListedLock> agreed(const std::vector<std::vector<ListedLock>>& passes) {
    std::map<ListedLock, std::size_t> least;
    for (const std::vector<ListedLock>& pass : passes) {
        for (auto same = pass.begin(); same != pass.end();) {
            const auto end = std::upper_bound(same, pass.end(), *same);
            const auto times = static_cast<std::size_t>(end - same);
            const auto known = least.try_emplace(*same, times).first;
            known->second = std::min(known->second, times);
            same = end;
        }
    }
    std::vector<ListedLock> locks;
    for (const auto& [lock, times] : least) {
        locks.insert(locks.end(), times, lock);
    }
    return locks;
}

bool by_epoch(const ReaderInfo& a, const ReaderInfo& b) noexcept {
    return std::pair(a.epoch, a.pid) < std::pair(b.epoch, b.pid);
}

}  // namespace

std::optional<std::vector<ListedLock>> list_locks(const FileDescriptor& file) {
    const auto status = os::status(file.get());
    if (!status) {
        return std::nullopt;
    }
    const std::string name = list_name(status.value);
    constexpr std::size_t most_passes = 7;
    std::vector<std::vector<ListedLock>> passes;
    while (passes.size() < most_passes) {
        auto locks = locks_in_one_pass(name);
        if (!locks) {
            return std::nullopt;
        }
        // One that is listed twice may be two, or one that moved while the list was read, which can
        // happen in two passes running: then all passes are asked.
        const bool twice = std::adjacent_find(locks->begin(), locks->end()) != locks->end();
        if (!twice && !passes.empty() && *locks == passes.back()) {
            return locks;
        }
        passes.push_back(std::move(*locks));
    }
    return agreed(passes);
}

std::vector<ReaderInfo> list_readers(const FileDescriptor& control, std::uint64_t last,
                                     std::string_view operation, std::string_view path,
                                     const std::optional<PinHolder>& own) {
    std::vector<ReaderInfo> readers;
    bool listed = false;
    if (const auto locks = list_locks(control)) {
        listed = !locks->empty();
        for (const ListedLock& lock : *locks) {
            const auto reader = reader_of(lock);
            if (reader && reader->epoch <= last) {
                readers.push_back(*reader);
            }
        }
    }
    std::sort(readers.begin(), readers.end(), by_epoch);
    if (!listed) {  // no lock at all, or none that the list shows: the kernel's answer decides
        const PinHolders asked = pin_holders(control, {0, last}, all_pin_holders);
        if (asked.error != 0) {
            fail_errno(asked.error, operation, path, "cannot list the readers");
        }
        readers.reserve(asked.holders.size());
        for (const PinHolder& holder : asked.holders) {
            readers.push_back({.pid = holder.pid, .epoch = holder.epoch});
        }
    } else if (own) {
        const ReaderInfo wanted{.pid = own->pid, .epoch = own->epoch};
        const auto found = std::lower_bound(readers.begin(), readers.end(), wanted, by_epoch);
        if (found != readers.end() && !by_epoch(wanted, *found)) {
            readers.erase(found);
        }
    }
    return readers;
}

void find_processes(const FileDescriptor& control, std::vector<ReaderInfo>& readers) {
    const auto file = os::status(control.get());
    if (!file || readers.empty()) {
        return;
    }
    std::sort(readers.begin(), readers.end(), by_epoch);
    std::vector<std::int64_t> wanted;
    wanted.reserve(readers.size());
    for (const ReaderInfo& reader : readers) {
        wanted.push_back(reader.pid);
    }
    std::sort(wanted.begin(), wanted.end());
    const std::string file_name = list_name(file.value);
    std::error_code error;
    for (std::filesystem::directory_iterator it("/proc", error), end; it != end;
         it.increment(error)) {
        const auto number = number_of(it->path().filename().native());
        const auto own = number ? own_number(it->path()) : std::nullopt;
        if (!own || !std::binary_search(wanted.begin(), wanted.end(), *own)) {
            continue;
        }
        for_each_pin_of(it->path(), file.value, file_name, [&](const ReaderInfo& pin) {
            // A child briefly has its parent's descriptors, and so shows its locks.
            if (pin.pid != *own) {
                return;
            }
            // Several on one byte: to each its process.
            const auto [first, last] =
                std::equal_range(readers.begin(), readers.end(), pin, by_epoch);
            const auto open = std::find_if(
                first, last, [](const ReaderInfo& reader) { return !reader.process.has_value(); });
            if (open != last) {
                open->process = *number;
            }
        });
    }
}

}  // namespace strata::ipc
