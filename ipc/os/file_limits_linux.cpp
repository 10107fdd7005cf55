// SPDX-License-Identifier: Apache-2.0
// Read when a limit was hit: without memory, if possible, and without a descriptor.
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <string_view>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/os/linux_calls.hpp"
#include "ipc/os/named_files.hpp"

namespace strata::ipc::os {

namespace {

/// A file of /proc, part by part.
class ProcFile {
public:
    explicit ProcFile(const char* path)
        : file_(retry([&] { return ::open(path, O_RDONLY | O_CLOEXEC); })) {}

    std::string_view next_part() {
        const ssize_t got = retry([&] { return ::read(file_.get(), part_.data(), part_.size()); });
        return {part_.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
    }

private:
    FileDescriptor file_;
    std::array<char, 1 << 14> part_{};
};

std::optional<std::uint64_t> number_in(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_of("0123456789"), text.size()));
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} ? std::optional(value) : std::nullopt;
}

// Of a line of /proc/self/status, which is shorter than a part.
std::uint64_t status_bytes(std::string_view name) {
    ProcFile file("/proc/self/status");
    const std::string_view text = file.next_part();
    const std::size_t at = text.find(name);
    return at != std::string_view::npos ? number_in(text.substr(at)).value_or(0) * 1024 : 0;
}

std::optional<std::uint64_t> limit_of(__rlimit_resource what) {
    rlimit limit{};
    if (::getrlimit(what, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return std::nullopt;
    }
    return limit.rlim_cur;
}

std::uint64_t count_mappings() {
    ProcFile file("/proc/self/maps");
    std::uint64_t lines = 0;
    for (std::string_view part; !(part = file.next_part()).empty();) {
        lines += static_cast<std::uint64_t>(std::count(part.begin(), part.end(), '\n'));
    }
    return lines;
}

}  // namespace

LimitUse address_space() { return {.used = status_bytes("VmSize:"), .limit = limit_of(RLIMIT_AS)}; }

LimitUse locked_memory() {
    return {.used = status_bytes("VmLck:"), .limit = limit_of(RLIMIT_MEMLOCK)};
}

std::optional<std::uint64_t> mapping_limit() {
    return number_in(ProcFile("/proc/sys/vm/max_map_count").next_part());
}

LimitUse mapping_count() {
    // Two words that need not fit together: either count is good enough.
    static std::atomic<std::int64_t> counted_at{INT64_MIN};
    static std::atomic<std::uint64_t> counted{0};
    using std::chrono::steady_clock;
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                         steady_clock::now().time_since_epoch())
                         .count();
    const std::int64_t before = counted_at.load(std::memory_order_relaxed);
    constexpr std::int64_t kept_ms = 1000;
    if (before == INT64_MIN || now - before > kept_ms) {
        counted.store(count_mappings(), std::memory_order_relaxed);
        counted_at.store(now, std::memory_order_relaxed);
    }
    return {.used = counted.load(std::memory_order_relaxed), .limit = mapping_limit()};
}

LimitUse descriptor_count() {
    LimitUse use{.limit = limit_of(RLIMIT_NOFILE)};
    struct stat st {};
    if (::stat("/proc/self/fd", &st) == 0 && st.st_size > 0) {  // their number, since Linux 6.2
        use.used = static_cast<std::uint64_t>(st.st_size);
        return use;
    }
    // One by one: listing /proc/self/fd takes a descriptor, and there may be none.
    const std::uint64_t most = std::min<std::uint64_t>(use.limit.value_or(0), 1 << 16);
    for (std::uint64_t fd = 0; fd < most; ++fd) {
        use.used += static_cast<std::uint64_t>(::fcntl(static_cast<int>(fd), F_GETFD) != -1);
    }
    return use;
}

}  // namespace strata::ipc::os
