// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "ipc/failure.hpp"
#include "ipc/files/audited.hpp"
#include "ipc/files/stage_name.hpp"
#include "ipc/files/store_files.hpp"
#include "ipc/os/named_files.hpp"
#include "ipc/os/sync.hpp"
#include "strata/inspect.hpp"
#include "strata/verify.hpp"
#include "strata/volume_backup.hpp"
#include "volume/backed_layers.hpp"
#include "volume/failures.hpp"
#include "volume/parallel.hpp"
#include "volume/staged_directory.hpp"
#include "volume/store_filler.hpp"
#include "volume/told.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;
namespace impl = volume_impl;

namespace {

constexpr std::string_view operation = "restore";

/// The backup that is meant.
const impl::BackupManifest& chosen(const impl::BackupDirectory& directory,
                                   const RestoreOptions& options) {
    const auto& numbers = directory.numbers();
    if (options.number != 0 || options.generation == 0) {
        const std::uint64_t number =
            options.number != 0 || numbers.empty() ? options.number : numbers.back();
        if (!std::ranges::binary_search(numbers, number)) {
            ipc::fail(Errc::file_not_found, operation,
                      (number != 0 ? directory.backup_path(number) : directory.path()).string(),
                      number != 0 ? "there is no such backup" : "there is no backup");
        }
        return directory.manifest(number);
    }
    for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
        if (directory.changes(*number).generation == options.generation) {
            return directory.manifest(*number);
        }
    }
    ipc::fail(Errc::file_not_found, operation, directory.path().string(),
              "none of " + std::to_string(numbers.size()) + " backups is of generation " +
                  std::to_string(options.generation));
}

std::vector<const impl::BackedDimension*> chosen_entries(const impl::BackupManifest& manifest,
                                                         const RestoreOptions& options) {
    std::vector<const impl::BackedDimension*> entries;
    for (const impl::BackedDimension& entry : manifest.dimensions) {
        if (options.dimensions.empty() ||
            std::ranges::find(options.dimensions, entry.dimension) != options.dimensions.end()) {
            entries.push_back(&entry);
        }
    }
    for (const Dimension dimension : options.dimensions) {
        if (manifest.find(dimension) == nullptr) {
            ipc::fail(Errc::dimension_not_found, operation, "",
                      "backup " + std::to_string(manifest.number) + " has no dimension " +
                          std::to_string(dimension));
        }
    }
    return entries;
}

/// As it was, as far as a store with regions of at most so many bytes allows. One that everybody
/// may read whom the store admits follows the store.
DimensionOptions options_of(const impl::BackedDimension& entry,
                            const impl::BackupManifest& manifest, std::uint64_t region_max_bytes) {
    DimensionOptions options{.name = entry.name};
    if (entry.own_region) {
        options.own_region = true;
        options.max_bytes = std::min(entry.own_region->max_bytes, region_max_bytes);
        if (entry.own_region->mode != manifest.mode) {
            options.access = FileAccess{.mode = entry.own_region->mode, .group = {}};
        }
    }
    return options;
}

/// One generation of `producer`, after every content was compared.
RestoreReport fill(const impl::BackupDirectory& directory, const impl::BackupManifest& manifest,
                   Producer& producer, const RestoreOptions& options) {
    const auto entries = chosen_entries(manifest, options);
    const TransferOptions transfer{.threads = options.threads, .progress = options.progress};
    impl::StoreFiller filler(producer, operation);
    std::deque<impl::BackedLayers> open;
    std::size_t archives = 0;
    const std::uint64_t region_max_bytes =
        inspect(producer.name(), producer.path().parent_path()).region_max_bytes;
    for (const impl::BackedDimension* const entry : entries) {
        const impl::BackedLayers& backed =
            open.emplace_back(directory, manifest, *entry, operation);
        filler.begin_dimension(entry->dimension, options_of(*entry, manifest, region_max_bytes));
        for (const impl::BackedLayer& layer : backed.layers()) {
            filler.add(*layer.archive, *layer.layer);
        }
        archives += backed.archive_count();
        if (archives >= impl::archives_at_once) {
            filler.fill(transfer);
            open.clear();
            archives = 0;
        }
    }
    filler.fill(transfer);
    const TransferReport filled = filler.publish();
    return {.number = manifest.number,
            .backed_up_generation = manifest.generation,
            .generation = filled.generation,
            .dimensions = entries.size(),
            .layers = filled.layers,
            .content_bytes = filled.content_bytes};
}

void make_base(const std::filesystem::path& base) {
    const std::filesystem::path place = impl::absolute_place(base, operation);
    const std::filesystem::path parent = place.parent_path();
    std::error_code error;
    std::filesystem::create_directories(parent, error);
    if (error) {
        impl::fail_file(error.value(), operation, parent, "cannot be made");
    }
    const int made = os::create_directory(place.string(), place == os::shared_base_path
                                                              ? ipc::base_directory_mode
                                                              : ipc::directory_mode);
    if (made != 0 && made != EEXIST) {
        impl::fail_file(made, operation, base, "cannot be made");
    }
}

// A stage that holds nothing, or the store that it was for, named already or not: what else is
// staged is of other makers.
bool is_unfinished_restore(int base, const std::string& stage) {
    const auto opened = os::open_directory_at(base, stage);
    const auto names = opened ? os::list_directory(opened.value.get())
                              : os::Result<std::vector<std::string>>{{}, opened.error};
    const std::string_view store = ipc::stage_name_of(stage);
    return names && std::ranges::all_of(names.value, [&](const std::string& name) {
               return name == store || name.starts_with(ipc::staging_prefix(store));
           });
}

// Stores that were being built by processes that were killed: under hidden names, so that they
// would never be freed.
void remove_leftovers(const std::filesystem::path& base) {
    const std::vector<std::string> abandoned = impl::abandoned_stages(base);
    if (abandoned.empty()) {
        return;
    }
    const auto opened = os::open_directory(base.string());
    if (!opened) {
        impl::fail_file(opened.error, operation, base, "cannot be opened");
    }
    for (const std::string& stage : abandoned) {
        if (!is_unfinished_restore(opened.value.get(), stage)) {
            continue;
        }
        const int error = impl::remove_tree(opened.value, stage);
        const bool of_others = error == EACCES || error == EPERM;
        if (error != 0 && error != ENOENT && !of_others) {
            impl::fail_file(error, operation, base / stage,
                            "was left half made and cannot be removed");
        }
    }
}

void refuse_existing(const std::filesystem::path& base, std::string_view name) {
    const auto opened = os::open_directory(base.string());
    if (opened && os::status_at(opened.value.get(), std::string(name))) {
        ipc::fail(Errc::store_exists, operation, (base / name).string(),
                  "there is such a store already",
                  "RestoreOptions::replace (--replace) puts the restored one in its place");
    }
}

// Reads all of it back, as a consumer does.
void verify_restored(const Producer& producer, const RestoreReport& report) {
    Consumer consumer =
        Consumer::attach(producer.name(), {.base_path = producer.path().parent_path(),
                                           .keep_idle_pin = false,
                                           .lookup_cache_bytes = 0});
    const Snapshot snapshot = consumer.snapshot();
    // Opened here, what keeps a file from being read is thrown; verify would count it as damage.
    for (const DimensionInfo& info : snapshot.dimensions()) {
        static_cast<void>(snapshot.in(info.dimension).find(0));
    }
    const VerifyReport found = verify(snapshot);
    if (!found.ok() || snapshot.layer_count() != report.layers) {
        impl::fail_corrupt(operation, producer.path(),
                           "the restored store has " + std::to_string(snapshot.layer_count()) +
                               " of " + std::to_string(report.layers) + " layers, and " +
                               std::to_string(found.failures.size()) + " damaged ones",
                           "is the memory of this machine sound?");
    }
}

void make_durable(Producer& producer) {
    const auto directory = os::open_directory(producer.path().string());
    const auto memory = directory ? os::is_volatile(directory.value.get())
                                  : os::Result<bool>{false, directory.error};
    if (!memory) {
        impl::fail_file(memory.error, operation, producer.path(), "cannot be looked at");
    }
    if (!memory.value) {
        static_cast<void>(producer.checkpoint());
    }
}

RestoreReport make_store(const std::filesystem::path& path, std::string_view name,
                         const std::filesystem::path& base, const RestoreOptions& options) {
    check_store_name(name);
    const impl::BackupDirectory directory(path, operation);
    const impl::BackupManifest& manifest = chosen(directory, options);
    make_base(base);
    if (!options.replace) {
        refuse_existing(base, name);
    }
    remove_leftovers(base);
    const impl::StagedDirectory stage(base, std::string(name), operation);
    ProducerOptions how;
    how.base_path = stage.path();
    how.memory_limit = options.memory_limit != 0 ? options.memory_limit : manifest.memory_limit;
    how.region_max_bytes = manifest.region_max_bytes;
    how.access = options.access.value_or(FileAccess{.mode = manifest.mode, .group = {}});
    how.durability.policy = DurabilityPolicy::off;  // once, at the end
    RestoreReport report;
    {
        Producer producer = Producer::create(name, how);
        report = fill(directory, manifest, producer, options);
        verify_restored(producer, report);
        make_durable(producer);
    }
    move_store(name, stage.path(), base, options.replace);
    if (const int error = os::sync_directory(stage.parent().get())) {
        impl::fail_file(error, operation, base / name,
                        "is in its place, which is not known to be durable");
    }
    return report;
}

/// `restore()`, as the audit log is told.
template <class Restore>
RestoreReport told(const RestoreOptions& options, const std::filesystem::path& store,
                   const std::filesystem::path& path, Restore restore) {
    const AuditEntry entry{.operation = "restore",
                           .store = store.native(),
                           .directory = path.native(),
                           .dimensions = options.dimensions.size()};
    return ipc::audited(options.audit, entry,
                        [&](AuditEntry& done) { return impl::told_of(done, restore()); });
}

}  // namespace

RestoreReport restore_store(const std::filesystem::path& path, std::string_view name,
                            const std::filesystem::path& base, const RestoreOptions& options) {
    return told(options, base / name, path, [&] { return make_store(path, name, base, options); });
}

RestoreReport restore_dimensions(const std::filesystem::path& path, Producer& producer,
                                 const RestoreOptions& options) {
    return told(options, producer.path(), path, [&] {
        const impl::BackupDirectory directory(path, operation);
        return fill(directory, chosen(directory, options), producer, options);
    });
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
