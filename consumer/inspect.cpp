// SPDX-License-Identifier: Apache-2.0
#include "strata/inspect.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <unordered_set>

#include "consumer/attachment/session.hpp"
#include "consumer/views/view.hpp"
#include "ipc/failure.hpp"
#include "ipc/files/life_file.hpp"
#include "ipc/files/store_files.hpp"
#include "ipc/format/atomic_word.hpp"
#include "ipc/index/walk.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/os.hpp"
#include "ipc/reader_list.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using consumer_impl::Session;
using consumer_impl::View;

namespace {

constexpr ipc::Trust anybody{.any_owner = true, .owner = 0};

std::chrono::system_clock::time_point time_of(std::int64_t ns) {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(
            std::chrono::nanoseconds(ns)));
}

std::string hex_of(const std::uint64_t (&id)[2]) {
    char text[40];
    std::snprintf(text, sizeof(text), "%016llx%016llx", static_cast<unsigned long long>(id[0]),
                  static_cast<unsigned long long>(id[1]));
    return text;
}

// Serial numbers of the region files that a generation uses.
std::unordered_set<std::uint64_t> serials_of(const Session& session, const View& view) {
    std::unordered_set<std::uint64_t> serials;
    ipc::walk_index(
        view.directory,
        [&](std::uint64_t, unsigned, std::uint64_t entry) {
            try {
                serials.insert(
                    session.control().record_at(view.directory, entry, "inspect").serial);
            } catch (const Error&) {
                // Damaged: verify() tells. Its file counts as unused here.
            }
        },
        [](std::uint64_t, std::string_view) {});
    return serials;
}

StoreFile::Kind kind_of(const std::string& name, const std::unordered_set<std::uint64_t>& serials) {
    std::uint64_t serial = 0;
    if (name == ipc::control_file_name) {
        return StoreFile::Kind::control;
    }
    if (name == ipc::lock_file_name) {
        return StoreFile::Kind::lock;
    }
    if (name == ipc::slots_file_name) {
        return StoreFile::Kind::slots;
    }
    if (name == ipc::bookmarks_file_name || name == ipc::new_bookmarks_file_name) {
        return StoreFile::Kind::bookmarks;
    }
    if (ipc::parse_life_file_name(name, serial)) {
        return StoreFile::Kind::lock;
    }
    if (ipc::parse_region_file_name(name, serial)) {
        return serials.contains(serial) ? StoreFile::Kind::region : StoreFile::Kind::unused;
    }
    return StoreFile::Kind::foreign;
}

std::vector<StoreFile> files_of(const Session& session, const View& view) {
    const ipc::FileDescriptor& directory = session.store().directory;
    const auto serials = serials_of(session, view);
    std::vector<StoreFile> files;
    for (const std::string& name : ipc::os::list_directory(directory.get()).value) {
        const auto status = ipc::os::status_at(directory.get(), name);
        if (status) {  // else it was removed this moment
            files.push_back({.name = name,
                             .kind = kind_of(name, serials),
                             .size_bytes = status.value.size_bytes,
                             .allocated_bytes = status.value.allocated_bytes});
        }
    }
    std::sort(files.begin(), files.end(),
              [](const StoreFile& a, const StoreFile& b) { return a.name < b.name; });
    return files;
}

}  // namespace

std::vector<std::string> list_stores(const std::filesystem::path& base) {
    std::vector<std::string> names;
    const auto opened = ipc::os::open_directory(base.string());
    if (opened.error == ENOENT) {
        return names;
    }
    const auto entries = opened ? ipc::os::list_directory(opened.value.get())
                                : ipc::os::Result<std::vector<std::string>>{{}, opened.error};
    if (!entries) {
        ipc::fail_errno(entries.error, "list stores", base.string(),
                        "cannot read the base directory");
    }
    for (const std::string& name : entries.value) {
        const auto directory = ipc::os::open_directory_at(opened.value.get(), name);
        // A directory that this user may not enter may be a store: asking for it tells.
        const bool closed = directory.error == EACCES;
        if (!name.starts_with('.') &&
            (closed ||
             (directory && ipc::os::status_at(directory.value.get(), ipc::control_file_name)))) {
            names.push_back(name);
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

StoreInfo inspect(std::string_view name, const std::filesystem::path& base) {
    const std::string operation = ipc::operation_on("inspect", name);
    ConsumerOptions options;
    options.base_path = base;
    options.trusted_owner = TrustedOwner::anybody;
    options.keep_idle_pin = false;
    const std::unique_ptr<Session, void (*)(Session*)> session(
        new Session(ipc::open_store_directory(base, name, anybody, operation), options, anybody),
        &Session::release);
    const Snapshot snapshot = consumer_impl::Access::make(session->views().take());
    const View& view = *consumer_impl::Access::view_of(snapshot);
    const ipc::ControlFile& control = session->control();
    const ipc::ControlIdentity& identity = control.identity();
    const auto status = ipc::os::status(session->store().directory.get());
    StoreInfo info{.name = std::string(name),
                   .path = session->attachment().path,
                   .id = hex_of(identity.store_id),
                   .format_version = identity.version,
                   .owner = status.value.owner,
                   .mode = status.value.mode,
                   .created_at = time_of(identity.created_at_ns),
                   .region_max_bytes = identity.region_max_bytes,
                   .producer_pid = ipc::producer_pid(session->store(), control, operation),
                   .epoch = ipc::load_acquire(control.cells().epoch),
                   .generation = view.generation,
                   .oldest_retained = view.root.oldest_retained,
                   .bookmarks = ipc::standing_bookmarks(session->attachment().read_bookmarks()),
                   .published_at = time_of(view.root.published_at_ns),
                   .published_epoch = view.root.epoch,
                   .dimensions = view.root.dimensions,
                   .layers = view.root.layers,
                   .memory_limit = view.root.memory_limit,
                   .live_bytes = view.root.live_bytes,
                   .committed_bytes = view.root.committed_bytes,
                   .control_bytes = view.root.control_bytes,
                   .files = files_of(*session, view)};
    info.readers = ipc::list_readers(control.file(), info.epoch, operation, control.path(),
                                     ipc::PinHolder{ipc::os::process_id(), view.epoch});
    return info;
}

std::optional<bool> store_in_use(std::string_view name, const std::filesystem::path& base) {
    const std::string operation = ipc::operation_on("look for users of", name);
    const ipc::StoreDirectory store = ipc::open_store_directory(base, name, anybody, operation);
    const auto control = ipc::os::open_read(store.directory.get(), ipc::control_file_name);
    if (!control) {
        const std::string path = store.file(ipc::control_file_name);
        if (control.error == ENOENT) {
            ipc::fail(Errc::not_a_store, operation, path, "the directory has no control file");
        }
        ipc::fail_errno(control.error, operation, path, "cannot open the control file");
    }
    return ipc::os::opened_elsewhere(control.value.get());
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
