// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/files/store_files.hpp"
#include "ipc/mapping/mapping.hpp"
#include "ipc/os/named_files.hpp"
#include "strata/consumer.hpp"
#include "strata/inspect.hpp"
#include "strata/producer.hpp"
#include "strata/read_guard.hpp"
#include "strata/volume_access.hpp"
#include "volume/access_places.hpp"
#include "volume/failures.hpp"
#include "volume/staged_directory.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;
namespace impl = volume_impl;

namespace {

constexpr std::string_view operation = "check access";
constexpr std::string_view scratch_store = "access";
constexpr LayerId scratch_layer{1, 1};
constexpr std::string_view scratch_text = "written by strata::check_access";

class Tester {
public:
    explicit Tester(AccessReport& report) : report_(report) {}

    void run(VolumeRole role, std::string what, std::filesystem::path path,
             const std::function<void()>& action) {
        AccessStep step{.role = role, .what = std::move(what), .path = std::move(path)};
        try {
            action();
        } catch (const Error& error) {
            const std::string advice =
                impl::advice_for(error, impl::place_of(report_.places, step.path));
            step.error = Error({.code = error.code(),
                                .operation = error.operation(),
                                .path = error.path(),
                                .detail = error.detail(),
                                .hint = (advice.empty() ? "" : advice + "; ") +
                                        impl::circumstances(report_, step.path),
                                .errno_value = error.errno_value(),
                                .needed = error.needed(),
                                .limit = error.limit(),
                                .current = error.current()});
        }
        report_.steps.push_back(std::move(step));
    }

private:
    AccessReport& report_;
};

void list(const std::filesystem::path& path) {
    const auto directory = os::open_directory(path.string());
    if (!directory) {
        impl::fail_file(directory.error, operation, path, "cannot be opened");
    }
    const auto names = os::list_directory(directory.value.get());
    if (!names) {
        impl::fail_file(names.error, operation, path, "cannot be listed");
    }
}

void write_scratch_file(const std::filesystem::path& parent) {
    const impl::StagedDirectory stage(parent, "access", operation);
    const ipc::FileDescriptor file = stage.create_file("scratch");
    const std::filesystem::path path = stage.path() / "scratch";
    const auto done = [&](int error, const char* what) {
        if (error != 0) {
            impl::fail_file(error, operation, path, what);
        }
    };
    done(os::set_lock(file.get(), os::LockType::exclusive, 0, 1), "cannot be locked");
    done(os::commit_range(file.get(), 0, os::page_size()), "cannot be given its memory");
    const ipc::Mapping mapping(file, os::page_size(), ipc::Access::read_write, operation,
                               path.native());
    std::ranges::copy(std::as_bytes(std::span(scratch_text)), mapping.base());
    done(os::sync_data(file.get()), "cannot be synced");
    std::string read(scratch_text.size(), '\0');
    done(os::read_at(file.get(), read.data(), read.size(), 0), "cannot be read");
    if (read != scratch_text) {
        impl::fail_corrupt(operation, path, "a mapping does not show what was written through it");
    }
}

Producer make_scratch_store(const std::filesystem::path& base) {
    Producer producer =
        Producer::create(scratch_store, {.base_path = base,
                                         .memory_limit = 1_MiB,
                                         .region_max_bytes = 1_MiB,
                                         .durability = {.policy = DurabilityPolicy::off}});
    Batch batch = producer.batch();
    batch.put(scratch_layer, scratch_text);
    batch.crystallize();
    producer.checkpoint();
    return producer;
}

void read_scratch_store(const std::filesystem::path& base) {
    Consumer consumer =
        Consumer::attach(scratch_store, {.base_path = base, .keep_idle_pin = false});
    if (consumer.snapshot().get(scratch_layer).text() != scratch_text) {
        impl::fail_corrupt(operation, base / scratch_store,
                           "a consumer does not read what was published");
    }
}

/// As a consumer of its own would: no trust beyond the usual.
void read_live_store(const std::string& name, const std::filesystem::path& base) {
    Consumer consumer = Consumer::attach(name, {.base_path = base, .keep_idle_pin = false});
    const Snapshot snapshot = consumer.snapshot();
    const ReadGuard guard;
    for (const DimensionInfo& info : snapshot.dimensions()) {
        for (const Layer& layer : snapshot.dimension(info.dimension)) {
            if (!layer.verify()) {
                impl::fail_corrupt(operation, base / name,
                                   "layer " + std::to_string(layer.id().layer) + " of dimension " +
                                       std::to_string(info.dimension) + " is damaged");
            }
            break;
        }
    }
    guard.check(operation);
}

void read_archive(const std::filesystem::path& path) {
    const ArchiveReader archive = ArchiveReader::open(path);
    if (!archive.index().layers.empty()) {
        archive.verify(archive.index().layers.front());
    }
}

std::filesystem::path control_file(const std::filesystem::path& store) {
    return store / ipc::control_file_name;
}

ipc::FileDescriptor open_in(const std::filesystem::path& store, const char* name, bool write) {
    const auto directory = os::open_directory(store.string());
    if (!directory) {
        impl::fail_file(directory.error, operation, store, "cannot be opened");
    }
    auto file = write ? os::open_write(directory.value.get(), name)
                      : os::open_read(directory.value.get(), name);
    if (!file) {
        impl::fail_file(file.error, operation, store / name,
                        write ? "cannot be opened for writing" : "cannot be opened");
    }
    return std::move(file.value);
}

/// Fails if it succeeds: what a consumer holds must not let it write.
void map_for_writing(const std::filesystem::path& store) {
    const ipc::FileDescriptor file = open_in(store, ipc::control_file_name, false);
    try {
        const ipc::Mapping mapping(file, os::page_size(), ipc::Access::read_write, operation,
                                   control_file(store).native());
    } catch (const Error& error) {
        if (error.errno_value() == EACCES || error.errno_value() == EPERM) {
            return;
        }
        throw;
    }
    ipc::fail(Errc::not_trusted, operation, control_file(store).native(),
              "was opened read-only and could be mapped for writing",
              "the file system does not keep consumers from writing");
}

bool may_write(const std::filesystem::path& path) {
    const auto parent = os::open_directory(path.parent_path().string());
    return parent && os::may_write_at(parent.value.get(), path.filename().string());
}

std::vector<std::string> stores_in(const std::filesystem::path& live) noexcept {
    try {
        return list_stores(live);
    } catch (const Error&) {
        return {};  // that it cannot be listed is a step of its own
    }
}

}  // namespace

bool AccessReport::ok() const noexcept {
    return std::ranges::none_of(steps,
                                [](const AccessStep& step) { return step.error.has_value(); });
}

bool AccessReport::ok(VolumeRole role) const noexcept {
    return std::ranges::none_of(
        steps, [&](const AccessStep& step) { return step.role == role && step.error; });
}

AccessReport check_access(const Volume& volume, const AccessOptions& options) {
    AccessReport report{.user = os::effective_user()};
    const std::array<std::filesystem::path, 5> directories = {
        volume.path(), volume.archives_path(), volume.live_path(), volume.proto_path(),
        volume.temp_path()};
    for (const std::filesystem::path& path : directories) {
        report.places.push_back(impl::look_at(path));
    }
    const std::vector<std::string> stores = stores_in(volume.live_path());
    Tester tester(report);
    using enum VolumeRole;
    if (options.producer) {
        for (const std::filesystem::path& path : directories) {
            tester.run(producer, "make a directory, write, map and lock a file in it", path,
                       [&] { write_scratch_file(path); });
        }
        tester.run(producer, "make a store, publish a layer, make it durable, read it",
                   volume.live_path(), [&] {
                       const impl::StagedDirectory stage(volume.live_path(), "access", operation);
                       const Producer made = make_scratch_store(stage.path());
                       read_scratch_store(stage.path());
                   });
        for (const std::string& name : stores) {
            const std::filesystem::path store = volume.live_path() / name;
            tester.run(producer, "open a live store's control file for writing",
                       control_file(store),
                       [&] { static_cast<void>(open_in(store, ipc::control_file_name, true)); });
        }
    }
    if (options.consumer) {
        for (const auto& path : {volume.path(), volume.archives_path(), volume.live_path()}) {
            tester.run(consumer, "list the directory", path, [&] { list(path); });
        }
        for (const std::string& name : stores) {
            const std::filesystem::path store = volume.live_path() / name;
            tester.run(consumer, "attach to a live store and read", store,
                       [&] { read_live_store(name, volume.live_path()); });
            tester.run(consumer, "be refused to map a live store for writing", control_file(store),
                       [&] { map_for_writing(store); });
            report.consumer_could_write =
                report.consumer_could_write || may_write(control_file(store));
        }
        std::vector<Dimension> dimensions;
        tester.run(consumer, "find the archives", volume.archives_path(),
                   [&] { dimensions = volume.dimensions(); });
        for (const Dimension dimension : dimensions) {
            const std::filesystem::path path = volume.archive_path(dimension);
            tester.run(consumer, "read an archive", path, [&] { read_archive(path); });
        }
        report.consumer_could_write = report.consumer_could_write || may_write(volume.live_path());
    }
    return report;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
