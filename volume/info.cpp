// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "ipc/files/store_files.hpp"
#include "ipc/os.hpp"
#include "ipc/os/other_processes.hpp"
#include "strata/buffered_directory.hpp"
#include "strata/consumer.hpp"
#include "strata/inspect.hpp"
#include "strata/volume_info.hpp"
#include "volume/archive_files.hpp"
#include "volume/archive_index.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;
namespace impl = volume_impl;

namespace {

PageFaults faults_of(const os::PageFaults& found) noexcept {
    return {.minor = found.minor, .major = found.major};
}

/// Sizes and residency of files of one directory. A failure is told with the file.
class FileProbe {
public:
    explicit FileProbe(const std::filesystem::path& path) : path_(path) {
        auto opened = os::open_directory(path.string());
        error_ = opened.error;
        directory_ = std::move(opened.value);
    }

    os::Result<os::FileStatus> status(const std::string& name) const {
        return directory_ ? os::status_at(directory_.get(), name)
                          : os::Result<os::FileStatus>{{}, error_};
    }

    VolumeFile describe(const std::string& name) const {
        VolumeFile file{.name = name};
        const auto found = status(name);
        if (!found || !found.value.is_regular) {
            file.why_unknown = found ? "is no regular file" : "is missing or cannot be looked at";
            return file;
        }
        file.size_bytes = found.value.size_bytes;
        file.allocated_bytes = found.value.allocated_bytes;
        try {
            file.residency = BufferedDirectory(path_).residency(name);
        } catch (const Error& error) {
            file.why_unknown = error.what();
        }
        return file;
    }

private:
    std::filesystem::path path_;
    ipc::FileDescriptor directory_;
    int error_ = 0;
};

void look_at_durability(LiveStoreInfo& info, Consumer& consumer) {
    try {
        info.durable_generation = consumer.durable_generation();
    } catch (const Error& error) {
        if (error.code() != Errc::durability_lost) {
            throw;
        }
        info.durability_lost = true;
        info.durable_generation = error.current();
    }
}

void find_attached(LiveStoreInfo& info, const StoreInfo& store, const FileProbe& probe,
                   const std::filesystem::path& base) {
    // Everybody who is attached has the control file open, the producer its locks as well.
    const auto control = probe.status(ipc::control_file_name);
    if (!control) {
        return;  // removed meanwhile: nobody attaches to it any more
    }
    std::vector<os::FileStatus> files = {control.value};
    for (const StoreFile& file : store.files) {
        const auto status = file.kind == StoreFile::Kind::lock
                                ? probe.status(file.name)
                                : os::Result<os::FileStatus>{{}, ENOENT};
        if (status) {
            files.push_back(status.value);
        }
    }
    const auto users = os::processes_with_open(files);
    if (!users) {
        return;  // no /proc: `readers` and `producer_pid` are all that is known
    }
    std::vector<ReaderInfo> readers = store.readers;
    find_reader_processes(readers, info.name, base);
    for (const os::FileUser& user : users.value) {
        AttachedProcess process{.process = user.process};
        process.producer =
            store.producer_pid.has_value() &&
            std::find(user.open.begin() + 1, user.open.end(), true) != user.open.end();
        process.pins = static_cast<std::uint64_t>(std::ranges::count(
            readers, std::optional<std::int64_t>(user.process), &ReaderInfo::process));
        if (const auto faults = os::page_faults_of(user.process)) {
            process.faults = faults_of(faults.value);
        }
        info.attached.push_back(process);
    }
}

void look_at_store(LiveStoreInfo& info, const std::filesystem::path& base) {
    const StoreInfo store = inspect(info.name, base);
    {
        StoreStatistics numbers = statistics(info.name, base);
        info.dimensions = std::move(numbers.dimension_list);
        info.regions = std::move(numbers.regions);
        Consumer consumer = Consumer::attach(
            info.name, {.base_path = base, .trusted_owner = TrustedOwner::anybody});
        look_at_durability(info, consumer);
    }
    info.generation = store.generation;
    info.published_at = store.published_at;
    info.layers = store.layers;
    info.memory_limit = store.memory_limit;
    info.producer_pid = store.producer_pid;
    info.readers = store.readers.size();
    const FileProbe probe(info.path);
    for (const StoreFile& file : store.files) {
        info.size_bytes += file.size_bytes;
        info.allocated_bytes += file.allocated_bytes;
        if (file.kind != StoreFile::Kind::lock && file.kind != StoreFile::Kind::foreign) {
            info.files.push_back(probe.describe(file.name));
        }
    }
    find_attached(info, store, probe, base);
}

/// `2025-01-31T12:00:05Z`, with or without a fraction of a second, which is ignored.
std::optional<std::chrono::system_clock::time_point> parse_time(std::string_view text) {
    constexpr std::string_view form = "0000-00-00T00:00:00";
    if (text.size() <= form.size() || text.back() != 'Z') {
        return std::nullopt;
    }
    const auto digits = [](std::string_view part) {
        return std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
    };
    for (std::size_t i = 0; i < form.size(); ++i) {
        if (form[i] == '0' ? !digits(text.substr(i, 1)) : text[i] != form[i]) {
            return std::nullopt;
        }
    }
    const std::string_view fraction = text.substr(form.size(), text.size() - form.size() - 1);
    if (!fraction.empty() && (fraction[0] != '.' || !digits(fraction.substr(1)))) {
        return std::nullopt;
    }
    const auto number = [&](std::size_t at, std::size_t length) {
        unsigned value = 0;
        std::from_chars(text.data() + at, text.data() + at + length, value);
        return value;
    };
    namespace chrono = std::chrono;
    const chrono::year_month_day day(chrono::year(static_cast<int>(number(0, 4))),
                                     chrono::month(number(5, 2)), chrono::day(number(8, 2)));
    if (!day.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 60) {
        return std::nullopt;
    }
    return chrono::sys_days(day) + chrono::hours(number(11, 2)) + chrono::minutes(number(14, 2)) +
           chrono::seconds(number(17, 2));
}

ArchiveInfo archive_info(const Volume& volume, Dimension dimension) {
    ArchiveInfo info{.dimension = dimension,
                     .name = impl::default_dimension_name(dimension),
                     .path = volume.archive_path(dimension)};
    const FileProbe probe(info.path);
    // Before the index is read, which brings it into memory.
    info.region = probe.describe(impl::region_name);
    info.index = probe.describe(impl::index_name);
    try {
        const ArchiveIndex index = impl::ArchiveFiles(info.path).read_index();
        info.name = index.dimension_name;
        info.layers = index.layers.size();
        for (const ArchivedLayer& layer : index.layers) {
            info.content_bytes += layer.content_size;
        }
        info.live_generation = index.live_generation;
        info.updated_at = index.updated_at;
        info.updated = parse_time(index.updated_at);
    } catch (const Error& error) {
        info.error = error;
    }
    return info;
}

}  // namespace

LiveStoreInfo live_store_info(std::string_view name, const std::filesystem::path& base) {
    LiveStoreInfo info{.name = std::string(name), .path = base / name};
    try {
        look_at_store(info, base);
    } catch (const Error& error) {
        LiveStoreInfo unread{.name = std::move(info.name), .path = std::move(info.path)};
        unread.error = error;
        return unread;
    }
    return info;
}

VolumeInfo volume_info(const Volume& volume) {
    VolumeInfo info;
    for (const Dimension dimension : volume.dimensions()) {
        info.archives.push_back(archive_info(volume, dimension));
    }
    for (const std::string& name : list_stores(volume.live_path())) {
        info.stores.push_back(live_store_info(name, volume.live_path()));
    }
    info.own_faults = faults_of(os::own_page_faults());
    return info;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
