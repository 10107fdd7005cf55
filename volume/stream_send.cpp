// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ipc/files/audited.hpp"
#include "ipc/files/stage_name.hpp"
#include "ipc/os/named_files.hpp"
#include "ipc/os/sync.hpp"
#include "strata/read_guard.hpp"
#include "strata/volume_stream.hpp"
#include "volume/archive_draft.hpp"
#include "volume/archive_files.hpp"
#include "volume/backup_plan.hpp"
#include "volume/failures.hpp"
#include "volume/parallel.hpp"
#include "volume/staged_directory.hpp"
#include "volume/tar_writer.hpp"
#include "volume/told.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;
namespace impl = volume_impl;

namespace {

constexpr std::string_view operation = "send backup";
constexpr std::uint32_t private_mode = 0700;

impl::BackupDirectory earlier_backups(const std::filesystem::path& since) {
    return since.empty() ? impl::BackupDirectory(operation)
                         : impl::BackupDirectory(since, operation);
}

/// One backup on its way out: first every checksum is worked out, then the files follow each other.
class Sending {
public:
    Sending(Consumer& consumer, const SendOptions& options)
        : options_(options),
          earlier_(earlier_backups(options.since)),
          plan_(consumer, earlier_, options.dimensions, false, operation) {}

    /// `path`: what is behind the descriptor, for errors.
    BackupReport run(int descriptor, const std::filesystem::path& path = {}) {
        describe();
        plan_.counters().layers_total += plan_.counters().layers;  // once more, to be sent
        impl::TarWriter tar(
            descriptor, options_.format, [this] { tell(); }, operation, path);
        write(tar);
        tar.finish();
        BackupReport report = plan_.report();
        report.layers /= 2;
        report.content_bytes /= 2;
        return report;
    }

private:
    void tell() {
        if (options_.progress) {
            options_.progress(plan_.counters().progress());
        }
    }
    void describe() {
        entries_ = plan_.changed();
        drafts_.resize(entries_.size());
        impl::for_each_parallel(
            entries_.size(), options_.threads,
            [&](std::size_t i, const std::atomic<bool>& stop) { describe(i, stop); },
            [this] { tell(); });
        plan_.link();
    }
    void describe(std::size_t i, const std::atomic<bool>& stop) {
        impl::BackedDimension& entry = *entries_[i];
        impl::ArchiveDraft& draft = drafts_[i].emplace(entry.dimension, entry.name);
        plan_.each_layer(entry, stop, [&](const Layer& layer) { draft.add(layer, operation); });
        if (stop.load(std::memory_order_relaxed)) {
            return;
        }
        if (entry.kind == impl::BackupKind::same) {
            drafts_[i].reset();
            return;
        }
        draft.complete();
        const std::string text = draft.index_text(operation);
        entry.index_bytes = text.size();
        entry.index_checksum = impl::sha256_of(text);
        entry.region_bytes = draft.header().total_size;
        entry.region_checksum = draft.header().checksum;
        plan_.counters().region_bytes.fetch_add(entry.region_bytes, std::memory_order_relaxed);
    }
    void write(impl::TarWriter& tar) {
        const std::string folder = impl::backup_folder(plan_.manifest().number) + "/";
        const std::string unchanged = impl::unchanged_text(plan_.manifest());
        const std::string text = impl::manifest_text(plan_.manifest());
        tar.put_file(folder + impl::manifest_name, text);
        tar.put_file(folder + impl::manifest_checksum_name, impl::manifest_checksum_text(text));
        if (!unchanged.empty()) {
            tar.put_file(folder + impl::unchanged_name, unchanged);
        }
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (drafts_[i]) {
                write(tar, folder + archive_folder(entries_[i]->dimension) + "/", *drafts_[i]);
                drafts_[i].reset();
            }
        }
    }
    void write(impl::TarWriter& tar, const std::string& folder, const impl::ArchiveDraft& draft) {
        tar.put_file(folder + impl::index_name, draft.index_text(operation));
        tar.begin(folder + impl::region_name, draft.header().total_size);
        const ReadGuard guard;
        draft.write_region([&](std::span<const std::byte> bytes) { tar.put(bytes); },
                           [&](const Layer& layer) {
                               guard.check(operation);
                               plan_.counters().layers += 1;
                               plan_.counters().bytes += layer.size();
                           });
    }

    const SendOptions& options_;
    impl::BackupDirectory earlier_;
    impl::BackupPlan plan_;
    std::vector<impl::BackedDimension*> entries_;
    std::deque<std::optional<impl::ArchiveDraft>> drafts_;  // one for each; none: nothing differs
};

// A device, a pipe, or a link to one would be gone afterwards, with a file in its place.
void refuse_special(const ipc::FileDescriptor& parent, const std::string& name,
                    const std::filesystem::path& file) {
    const auto there = os::identity_at(parent.get(), name);
    if (!there && there.error != ENOENT) {
        impl::fail_file(there.error, operation, file, "cannot be looked at");
    }
    if (there && !there.value.status.is_regular) {
        impl::fail_file(EEXIST, operation, file, "is no regular file, and would be replaced",
                        "a descriptor of it can be written to (--output - > FILE)");
    }
}

/// `send`, as the audit log is told.
template <class Send>
BackupReport told(Consumer& consumer, const SendOptions& options, const std::filesystem::path& to,
                  Send send) {
    const AuditEntry entry{.operation = "send",
                           .store = consumer.path().native(),
                           .directory = to.native(),
                           .dimensions = options.dimensions.size()};
    return ipc::audited(options.audit, entry,
                        [&](AuditEntry& done) { return impl::told_of(done, send()); });
}

}  // namespace

BackupReport send_backup(Consumer& consumer, int descriptor, const SendOptions& options) {
    return told(consumer, options, {}, [&] { return Sending(consumer, options).run(descriptor); });
}

BackupReport send_backup(Consumer& consumer, const std::filesystem::path& file,
                         const SendOptions& options) {
    return told(consumer, options, file, [&] {
        const std::string name = file.filename().string();
        if (name.empty()) {
            impl::fail_file(EISDIR, operation, file, "is no file's name");
        }
        const std::filesystem::path parent = impl::absolute_place(file, operation).parent_path();
        // What processes that were killed have left of the same file.
        impl::remove_abandoned_stages(parent, operation, [&](const std::string& stage) {
            return ipc::stage_name_of(stage) == name;
        });
        const impl::StagedDirectory stage(parent, name, operation, private_mode);
        refuse_special(stage.parent(), name, file);
        ipc::FileDescriptor written = stage.create_file(name);
        int error = os::set_access(written.get(), 0600, std::nullopt);
        if (error != 0) {
            impl::fail_file(error, operation, file, "cannot be made");
        }
        BackupReport report = Sending(consumer, options).run(written.get(), file);
        error = os::sync_data(written.get());
        error = error != 0 ? error : os::close_file(std::move(written));
        error = error != 0
                    ? error
                    : os::rename_over(stage.parent().get(), stage.hidden_name() + "/" + name, name);
        if (error != 0) {
            impl::fail_file(error, operation, file, "cannot be written");
        }
        error = os::sync_directory(stage.parent().get());
        if (error != 0) {
            impl::fail_file(error, operation, file,
                            "is in its place, which is not known to be durable");
        }
        report.path = file;
        return report;
    });
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
