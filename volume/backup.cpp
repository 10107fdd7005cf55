// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <string>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/files/audited.hpp"
#include "ipc/os/named_files.hpp"
#include "strata/volume_backup.hpp"
#include "volume/archive_files.hpp"
#include "volume/backup_directory.hpp"
#include "volume/backup_plan.hpp"
#include "volume/failures.hpp"
#include "volume/parallel.hpp"
#include "volume/staged_directory.hpp"
#include "volume/told.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;
namespace impl = volume_impl;

namespace {

constexpr std::string_view operation = "back up";

class Backup {
public:
    Backup(Consumer& consumer, const std::filesystem::path& path, const BackupOptions& options)
        : options_(options),
          directory_(path, operation),
          plan_(consumer, directory_, options.dimensions, options.full, operation) {}

    BackupReport run() {
        impl::BackupManifest& manifest = plan_.manifest();
        if (plan_.has_nothing_new()) {
            return at_its_place(plan_.report_of_newest());
        }
        impl::StagedDirectory stage(directory_.path(), impl::backup_folder(manifest.number),
                                    operation);
        write_archives(stage);
        plan_.link();
        if (const std::string unchanged = impl::unchanged_text(manifest); !unchanged.empty()) {
            stage.write_file(impl::unchanged_name, unchanged);
        }
        const std::string text = impl::manifest_text(manifest);
        stage.write_file(impl::manifest_name, text);
        stage.write_file(impl::manifest_checksum_name, impl::manifest_checksum_text(text));
        stage.publish_new();
        return at_its_place(plan_.report());
    }

private:
    void write_archives(const impl::StagedDirectory& stage) {
        const std::vector<impl::BackedDimension*> changed = plan_.changed();
        impl::for_each_parallel(
            changed.size(), options_.threads,
            [&](std::size_t i, const std::atomic<bool>& stop) {
                write_archive(stage, *changed[i], stop);
            },
            [&] {
                if (options_.progress) {
                    options_.progress(plan_.counters().progress());
                }
            });
    }
    void write_archive(const impl::StagedDirectory& stage, impl::BackedDimension& entry,
                       const std::atomic<bool>& stop) {
        ArchiveWriter writer(stage.path(), entry.dimension, {.dimension_name = entry.name});
        plan_.each_layer(entry, stop, [&](const Layer& layer) { writer.add(layer); });
        if (stop.load(std::memory_order_relaxed) || entry.kind == impl::BackupKind::same) {
            return;
        }
        const ArchiveIndex index = writer.publish();
        describe_files(stage.path() / archive_folder(entry.dimension), index, entry);
        plan_.counters().region_bytes.fetch_add(index.total_size, std::memory_order_relaxed);
    }
    static void describe_files(const std::filesystem::path& archive, const ArchiveIndex& index,
                               impl::BackedDimension& entry) {
        const impl::ArchiveFiles files(archive);  // what was written, read back
        entry.index_bytes = files.index_bytes();
        entry.index_checksum = files.index_checksum();
        entry.region_bytes = index.total_size;
        entry.region_checksum = files.read_header().checksum;
    }
    BackupReport at_its_place(BackupReport report) const {
        report.path = directory_.backup_path(report.number);
        return report;
    }

    const BackupOptions& options_;
    impl::BackupDirectory directory_;
    impl::BackupPlan plan_;
};

}  // namespace

BackupReport backup_store(Consumer& consumer, const std::filesystem::path& directory,
                          const BackupOptions& options) {
    const AuditEntry entry{.operation = "backup",
                           .store = consumer.path().native(),
                           .directory = directory.native(),
                           .dimensions = options.dimensions.size()};
    return ipc::audited(options.audit, entry, [&](AuditEntry& told) {
        impl::make_backup_directory(directory, operation);
        impl::remove_unfinished_backups(directory, operation);
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
