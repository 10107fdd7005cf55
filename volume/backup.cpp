// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <span>
#include <string>
#include <utility>

#include "ipc/audited.hpp"
#include "ipc/failure.hpp"
#include "ipc/os/named_files.hpp"
#include "strata/inspect.hpp"
#include "strata/read_guard.hpp"
#include "strata/volume_backup.hpp"
#include "volume/archive_header.hpp"
#include "volume/archive_index.hpp"
#include "volume/backed_layers.hpp"
#include "volume/backup_directory.hpp"
#include "volume/backup_lineage.hpp"
#include "volume/dimension_difference.hpp"
#include "volume/failures.hpp"
#include "volume/parallel.hpp"
#include "volume/sha256.hpp"
#include "volume/snapshot_layers.hpp"
#include "volume/staged_directory.hpp"
#include "volume/told.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;
namespace impl = volume_impl;

namespace {

constexpr std::string_view operation = "back up";

// Nobody else may read it: the store may have been for few.
void make_directory(const std::filesystem::path& directory) {
    constexpr std::uint32_t mode = 0700;
    const std::filesystem::path parent = std::filesystem::absolute(directory).parent_path();
    std::error_code error;
    std::filesystem::create_directories(parent, error);
    if (error) {
        impl::fail_file(error.value(), operation, parent, "cannot be made");
    }
    const int made = os::create_directory(directory.string(), mode);
    if (made == EEXIST) {
        return;
    }
    const auto above = os::open_directory(parent.string());
    const int sync_error = above ? os::sync_directory(above.value.get()) : above.error;
    if (const int failed = made != 0 ? made : sync_error) {
        impl::fail_file(failed, operation, directory, "cannot be made");
    }
}

void remove_leftovers(const std::filesystem::path& directory) {
    const std::vector<std::string> abandoned = impl::abandoned_stages(directory);
    if (abandoned.empty()) {
        return;
    }
    const auto opened = os::open_directory(directory.string());
    for (const std::string& name : abandoned) {
        const int error = opened ? impl::remove_tree(opened.value, name) : opened.error;
        if (error != 0 && error != ENOENT) {
            impl::fail_file(error, operation, directory / name,
                            "was left half made and cannot be removed");
        }
    }
}

void write_file(const impl::StagedDirectory& stage, const char* name, std::string_view text) {
    ipc::FileDescriptor file = stage.create_file(name);
    const auto done = os::write_all(file.get(), text.data(), text.size());
    int error = done.error;
    error = error != 0 ? error : os::sync_data(file.get());
    error = error != 0 ? error : os::close_file(std::move(file));
    if (error != 0) {
        impl::fail_file(error, operation, stage.target() / name, "cannot be written");
    }
}

/// The store, and the generation that is backed up.
struct Source {
    StoreInfo store;
    Snapshot snapshot;

    explicit Source(Consumer& consumer)
        : store(inspect(consumer.name(), consumer.path().parent_path())),
          snapshot(consumer.snapshot()) {
        if (consumer.store_replaced()) {  // else what was inspected is what is attached
            ipc::fail(Errc::store_replaced, operation, consumer.path().string(),
                      "is not the store any more that was attached", "Consumer::reattach");
        }
    }
};

class Backup {
public:
    Backup(Consumer& consumer, const std::filesystem::path& path, const BackupOptions& options)
        : options_(options),
          directory_(path, operation),
          source_(consumer),
          dimensions_(chosen_dimensions()),
          lineage_(directory_, source_.store, options.full, operation) {
        if (lineage_.newest() != nullptr) {
            retained_ = generation_of(consumer, lineage_.newest()->generation);
            before_ = retained_.dimensions();
        }
        manifest_ = lineage_.next(source_.store, source_.snapshot, dimensions_);
    }

    BackupReport run() {
        if (lineage_.has_all_of(manifest_)) {
            return report(lineage_.newest()->number, false);
        }
        impl::StagedDirectory stage(directory_.path(), impl::backup_folder(manifest_.number),
                                    operation);
        write_archives(stage);
        manifest_.builds_on = lineage_.links_of(manifest_);
        const std::string text = impl::manifest_text(manifest_);
        write_file(stage, impl::manifest_name, text);
        write_file(
            stage, impl::manifest_checksum_name,
            impl::checksum_text(impl::sha256_of(text)).substr(std::string_view("sha256:").size()) +
                "  " + impl::manifest_name + "\n");
        stage.publish_new();
        return report(manifest_.number, true);
    }

private:
    std::vector<DimensionInfo> chosen_dimensions() const {
        const ReadGuard guard;
        auto chosen = impl::chosen_dimensions(source_.snapshot, options_.dimensions, operation);
        guard.check(operation);
        std::ranges::sort(chosen, {}, &DimensionInfo::dimension);
        return chosen;
    }
    static Snapshot generation_of(Consumer& consumer, Generation generation) {
        try {
            return consumer.snapshot(generation);
        } catch (const Error& error) {
            if (error.code() == Errc::generation_not_retained) {
                return {};
            }
            throw;
        }
    }
    void write_archives(const impl::StagedDirectory& stage) {
        std::vector<impl::BackedDimension*> changed;
        for (impl::BackedDimension& entry : manifest_.dimensions) {
            if (entry.kind != impl::BackupKind::same) {
                changed.push_back(&entry);
                if (entry.kind == impl::BackupKind::whole) {
                    counters_.layers_total += entry.layers;
                }
            }
        }
        impl::for_each_parallel(
            changed.size(), options_.threads,
            [&](std::size_t i, const std::atomic<bool>& stop) {
                write_archive(stage, *changed[i], stop);
            },
            [&] {
                if (options_.progress) {
                    options_.progress(counters_.progress());
                }
            });
    }
    void write_archive(const impl::StagedDirectory& stage, impl::BackedDimension& entry,
                       const std::atomic<bool>& stop) {
        ArchiveWriter writer(stage.path(), entry.dimension, {.dimension_name = entry.name});
        if (entry.kind == impl::BackupKind::changes) {
            write_changes(writer, entry, stop);
        }
        if (entry.kind == impl::BackupKind::whole) {
            impl::write_layers(writer, source_.snapshot.in(entry.dimension), counters_, stop,
                               operation);
        }
        if (stop.load(std::memory_order_relaxed) || entry.kind == impl::BackupKind::same) {
            return;
        }
        const ArchiveIndex index = writer.publish();
        describe_files(stage.path() / archive_folder(entry.dimension), index, entry);
        counters_.region_bytes.fetch_add(index.total_size, std::memory_order_relaxed);
    }
    // Writes nothing, and makes the entry a whole one if that is no more work, or one that is the
    // same if nothing differs.
    void write_changes(ArchiveWriter& writer, impl::BackedDimension& entry,
                       const std::atomic<bool>& stop) {
        const ReadGuard guard;
        impl::DimensionDifference difference = difference_to_base(entry);
        guard.check(operation);
        if (difference.put.empty() && difference.removed.empty()) {
            entry.kind = impl::BackupKind::same;
            return;
        }
        if (difference.put.size() >= entry.layers) {
            entry.kind = impl::BackupKind::whole;
            entry.base = 0;
            counters_.layers_total.fetch_add(entry.layers, std::memory_order_relaxed);
            return;
        }
        counters_.layers_total.fetch_add(difference.put.size(), std::memory_order_relaxed);
        for (const Layer& layer : difference.put) {
            if (stop.load(std::memory_order_relaxed)) {
                return;
            }
            try {
                impl::write_layer(writer, entry.dimension, layer, counters_, operation);
            } catch (const Error&) {
                guard.check(operation);
                throw;
            }
        }
        guard.check(operation);
        entry.removed = std::move(difference.removed);
    }
    impl::DimensionDifference difference_to_base(const impl::BackedDimension& entry) const {
        const impl::BackupManifest& base = directory_.manifest(entry.base);
        const impl::BackedDimension* const backed = base.find(entry.dimension);
        if (backed == nullptr) {
            ipc::bug("a dimension builds on a backup that does not have it");
        }
        const auto was =
            std::ranges::lower_bound(before_, entry.dimension, {}, &DimensionInfo::dimension);
        return was != before_.end() && was->dimension == entry.dimension &&
                       was->digest == backed->digest && was->layers == backed->layers &&
                       was->generation <= lineage_.backed_up(entry.dimension)
                   ? impl::difference(retained_, source_.snapshot, entry.dimension)
                   : impl::difference(impl::BackedLayers(directory_, base, *backed, operation),
                                      source_.snapshot.in(entry.dimension));
    }
    static void describe_files(const std::filesystem::path& archive, const ArchiveIndex& index,
                               impl::BackedDimension& entry) {
        const impl::ArchiveFiles files(archive);  // what was written, read back
        entry.index_bytes = files.index_bytes();
        entry.index_checksum = files.index_checksum();
        entry.region_bytes = index.total_size;
        entry.region_checksum = files.read_header().checksum;
    }
    BackupReport report(std::uint64_t number, bool made) const {
        BackupReport report{.number = number,
                            .made = made,
                            .path = directory_.backup_path(number),
                            .generation = manifest_.generation,
                            .dimensions = manifest_.dimensions.size(),
                            .layers = counters_.layers.load(),
                            .content_bytes = counters_.bytes.load(),
                            .region_bytes = counters_.region_bytes.load()};
        for (const impl::BackedDimension& entry : manifest_.dimensions) {
            report.written += entry.kind != impl::BackupKind::same ? 1 : 0;
            report.removed += entry.removed.size();
        }
        return report;
    }

    const BackupOptions& options_;
    impl::BackupDirectory directory_;
    Source source_;
    std::vector<DimensionInfo> dimensions_;
    impl::BackupLineage lineage_;
    Snapshot retained_;                  // of the newest backup; empty: not retained
    std::vector<DimensionInfo> before_;  // of retained_
    impl::BackupManifest manifest_;
    impl::TransferCounters counters_;
};

}  // namespace

BackupReport backup_store(Consumer& consumer, const std::filesystem::path& directory,
                          const BackupOptions& options) {
    const AuditEntry entry{.operation = "backup",
                           .store = consumer.path().native(),
                           .directory = directory.native(),
                           .dimensions = options.dimensions.size()};
    return ipc::audited(options.audit, entry, [&](AuditEntry& told) {
        make_directory(directory);
        remove_leftovers(directory);
        BackupReport report = Backup(consumer, directory, options).run();
        if (!report.made) {
            told.operation = {};
        }
        return impl::told_of(told, std::move(report));
    });
}

std::vector<BackupInfo> list_backups(const std::filesystem::path& directory) {
    const impl::BackupDirectory backups(directory, "list backups");
    std::vector<BackupInfo> found;
    for (const std::uint64_t number : backups.numbers()) {
        const impl::BackupManifest& manifest = backups.manifest(number);
        BackupInfo& info = found.emplace_back();
        info = {.number = number,
                .path = backups.backup_path(number),
                .store = manifest.store,
                .store_id = manifest.store_id,
                .generation = manifest.generation,
                .digest = manifest.digest,
                .published_at = manifest.published_at,
                .made_at = manifest.made_at,
                .complete = manifest.complete,
                .dimensions = manifest.dimensions.size()};
        for (const impl::BackedDimension& entry : manifest.dimensions) {
            info.layers += entry.layers;
            info.archive_bytes += entry.index_bytes + entry.region_bytes;
        }
        for (const impl::BackupLink& link : manifest.builds_on) {
            info.builds_on.push_back(link.number);
        }
    }
    return found;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
