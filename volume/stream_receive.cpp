// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "ipc/failure.hpp"
#include "ipc/files/audited.hpp"
#include "ipc/files/stage_name.hpp"
#include "ipc/os/named_files.hpp"
#include "strata/volume_stream.hpp"
#include "volume/archive_files.hpp"
#include "volume/backed_layers.hpp"
#include "volume/backup_directory.hpp"
#include "volume/failures.hpp"
#include "volume/parallel.hpp"
#include "volume/snapshot_layers.hpp"
#include "volume/staged_directory.hpp"
#include "volume/tar_reader.hpp"
#include "volume/told.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;
namespace impl = volume_impl;

namespace {

constexpr std::string_view operation = "receive backup";

struct Stream {
    int descriptor;
    std::filesystem::path path{};  ///< what is behind it, for errors
};

/// One backup on its way in.
class Receiving {
public:
    Receiving(const Stream& stream, const std::filesystem::path& directory,
              const ReceiveOptions& options)
        : options_(options),
          stream_(stream),
          backups_(directory, operation),
          tar_(
              stream.descriptor, [this] { tell(); }, operation, stream.path) {}

    BackupReport run() {
        const std::string text = read_manifest();
        const std::string said =
            read_text(file(impl::manifest_checksum_name), impl::max_checksum_bytes);
        const Sha256Digest checksum =
            impl::check_manifest(text, said, file(impl::manifest_name), operation);
        manifest_ = impl::parse_manifest(text, file(impl::manifest_name));
        if (manifest_.number != number_) {
            impl::fail_corrupt(operation, file(impl::manifest_name),
                               "is the manifest of backup " + std::to_string(manifest_.number));
        }
        if (is_there_already(checksum)) {
            while (tar_.next()) {
            }
            return report(false);
        }
        for (const impl::BackupLink& link : manifest_.builds_on) {
            backups_.base(manifest_, link.number);
        }
        check_room();
        impl::StagedDirectory stage(backups_.path(), impl::backup_folder(number_), operation);
        stage.write_file(impl::manifest_name, text);
        stage.write_file(impl::manifest_checksum_name, said);
        write_files(stage);
        if (const auto more = tar_.next()) {
            complain(more->path, "which the manifest does not list there");
        }
        backups_.add_unpublished(number_, stage.path());
        verify();
        stage.publish_new();
        BackupReport made = report(true);
        made.path = backups_.path() / impl::backup_folder(number_);
        return made;
    }

private:
    void tell() const {
        if (options_.progress) {
            options_.progress(counters_.progress());
        }
    }
    [[noreturn]] void complain(const std::string& path, const std::string& what) const {
        ipc::fail(Errc::corrupt, operation, stream_.path.string(),
                  "the stream has " + ipc::quoted(path) + ", " + what);
    }
    /// As the stream calls it.
    std::string file(const std::string& name) const {
        return impl::backup_folder(number_) + "/" + name;
    }

    std::string read_manifest() {
        const auto first = tar_.next();
        const std::size_t slash = first ? first->path.find('/') : std::string::npos;
        number_ =
            slash == std::string::npos ? 0 : impl::backup_number(first->path.substr(0, slash));
        if (number_ == 0 || first->path != file(impl::manifest_name)) {
            complain(first ? first->path : "", "where the manifest of a backup has to be");
        }
        return read_text(*first, impl::max_manifest_bytes);
    }
    impl::TarReader::File expected(const std::string& path) {
        auto found = tar_.next();
        if (!found) {
            impl::fail_corrupt(operation, path, "is missing: the stream ends before it");
        }
        if (found->path != path) {
            complain(found->path, "where " + path + " has to be");
        }
        return std::move(*found);
    }
    void check_size(const impl::TarReader::File& found, std::uint64_t wanted) const {
        if (found.size != wanted) {
            complain(found.path, "with " + std::to_string(found.size) +
                                     " bytes; the manifest says " + std::to_string(wanted));
        }
    }
    std::string read_text(const std::string& path, std::uint64_t most_bytes) {
        return read_text(expected(path), most_bytes);
    }
    std::string read_text(const impl::TarReader::File& found, std::uint64_t most_bytes) {
        if (found.size > most_bytes) {
            impl::fail_limit(operation, found.path, "has " + std::to_string(found.size) + " bytes",
                             found.size, most_bytes, "is it the file of a backup?");
        }
        std::string text;
        for (std::uint64_t left = found.size; left > 0;) {  // what is there, not what is said
            const std::size_t at = text.size();
            const auto piece =
                static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer_bytes));
            text.resize(at + piece);
            tar_.read(std::as_writable_bytes(std::span(text)).subspan(at));
            left -= piece;
        }
        return text;
    }

    bool is_there_already(const Sha256Digest& checksum) const {
        if (!std::ranges::binary_search(backups_.numbers(), number_)) {
            return false;
        }
        if (backups_.checksum(number_) != checksum) {
            impl::fail_file(EEXIST, operation, backups_.backup_path(number_),
                            "is another backup than the one received", "use another directory");
        }
        return true;
    }
    // Before anything is written: a small stream may stand for a large backup.
    void check_room() const {
        constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
        std::uint64_t needed = manifest_.unchanged ? manifest_.unchanged->bytes : 0;
        for (const impl::BackedDimension& entry : manifest_.dimensions) {
            for (const std::uint64_t bytes : {entry.index_bytes, entry.region_bytes}) {
                needed = bytes > most - needed ? most : needed + bytes;
            }
        }
        if (options_.max_bytes != 0 && needed > options_.max_bytes) {
            impl::fail_limit(operation, backups_.path(),
                             "the backup takes " + std::to_string(needed) + " bytes of at most " +
                                 std::to_string(options_.max_bytes),
                             needed, options_.max_bytes, "ReceiveOptions::max_bytes (--most)");
        }
        const auto opened = os::open_directory(backups_.path().string());
        const auto space = opened
                               ? os::file_system_space(opened.value.get())
                               : os::Result<std::optional<os::Space>>{std::nullopt, opened.error};
        if (!space) {
            impl::fail_file(space.error, operation, backups_.path(), "cannot be looked at");
        }
        if (space.value && needed > space.value->free_bytes) {
            throw Error({.code = Errc::no_space,
                         .operation = std::string(operation),
                         .path = backups_.path().string(),
                         .detail = "the backup takes " + std::to_string(needed) + " bytes, and " +
                                   std::to_string(space.value->free_bytes) + " are free",
                         .hint = {},
                         .errno_value = ENOSPC,
                         .needed = needed,
                         .limit = space.value->free_bytes});
        }
    }

    void write_files(const impl::StagedDirectory& stage) {
        if (manifest_.unchanged) {
            write_file(stage, impl::unchanged_name, manifest_.unchanged->bytes);
        }
        for (const impl::BackedDimension& entry : manifest_.dimensions) {
            const std::string folder = archive_folder(entry.dimension);
            stage.create_directory(folder);
            stage.create_directory(folder + "/" + impl::layers_name);
            write_file(stage, folder + "/" + impl::index_name, entry.index_bytes);
            write_file(stage, folder + "/" + impl::region_name, entry.region_bytes);
            const auto opened = os::open_directory_at(stage.descriptor().get(), folder);
            const int error = opened ? os::sync_directory(opened.value.get()) : opened.error;
            if (error != 0) {
                impl::fail_file(error, operation, stage.target() / folder,
                                "is not known to be durable");
            }
        }
    }
    void write_file(const impl::StagedDirectory& stage, const std::string& name,
                    std::uint64_t size) {
        check_size(expected(file(name)), size);
        ipc::FileDescriptor out = stage.create_file(name);
        int error = 0;
        for (std::uint64_t left = size; left > 0 && error == 0;) {
            const auto piece =
                std::span(buffer_).first(std::min<std::uint64_t>(left, buffer_.size()));
            tar_.read(piece);
            error = os::write_all(out.get(), piece.data(), piece.size()).error;
            left -= piece.size();
        }
        error = error != 0 ? error : os::sync_data(out.get());
        error = error != 0 ? error : os::close_file(std::move(out));
        if (error != 0) {
            impl::fail_file(error, operation, stage.target() / name, "cannot be written");
        }
    }

    // What lies on the disk now, as a restore would read it.
    void verify() {
        const impl::BackupManifest& whole = backups_.manifest(number_);
        impl::for_each_parallel(
            whole.dimensions.size(), options_.threads,
            [&](std::size_t i, const std::atomic<bool>& stop) {
                verify(whole, whole.dimensions[i], stop);
            },
            [this] { tell(); });
    }
    void verify(const impl::BackupManifest& whole, const impl::BackedDimension& entry,
                const std::atomic<bool>& stop) {
        const impl::BackedLayers chain(backups_, whole, entry, operation);
        if (entry.kind == impl::BackupKind::same) {
            return;
        }
        const impl::OpenArchive archive =
            impl::open_backed_archive(backups_.backup_path(number_), entry, operation);
        counters_.layers_total += archive.index.layers.size();
        for (const ArchivedLayer& layer : archive.index.layers) {
            if (stop.load(std::memory_order_relaxed)) {
                return;
            }
            archive.files.read_layer(layer, {});
            counters_.layers += 1;
            counters_.bytes += layer.content_size;
        }
    }

    BackupReport report(bool made) const {
        BackupReport report{.number = number_,
                            .made = made,
                            .path = backups_.backup_path(number_),
                            .generation = manifest_.generation,
                            .written = manifest_.dimensions.size(),
                            .layers = counters_.layers.load(),
                            .content_bytes = counters_.bytes.load()};
        report.dimensions = backups_.manifest(number_).dimensions.size();
        for (const impl::BackedDimension& entry : manifest_.dimensions) {
            report.removed += entry.removed.size();
            report.region_bytes += entry.region_bytes;
        }
        return report;
    }

    static constexpr std::size_t buffer_bytes = 1 << 20;

    const ReceiveOptions& options_;
    const Stream& stream_;
    impl::TransferCounters counters_;
    impl::BackupDirectory backups_;
    impl::TarReader tar_;
    std::uint64_t number_ = 0;
    impl::BackupManifest manifest_;  // without what is the same
    std::vector<std::byte> buffer_ = std::vector<std::byte>(buffer_bytes);
};

BackupReport received(const Stream& stream, const std::filesystem::path& directory,
                      const ReceiveOptions& options) {
    const AuditEntry entry{.operation = "receive", .directory = directory.native()};
    return ipc::audited(options.audit, entry, [&](AuditEntry& told) {
        impl::make_backup_directory(directory, operation);
        impl::remove_unfinished_backups(directory, operation);
        BackupReport report = Receiving(stream, directory, options).run();
        if (!report.made) {
            told.operation = {};
        }
        return impl::told_of(told, std::move(report));
    });
}

/// A file that somebody names: links are followed, and a pipe may have its other end yet to come.
struct StreamFile {
    ipc::FileDescriptor file;
    Stream stream;

    explicit StreamFile(const std::filesystem::path& path)
        : stream{.descriptor = -1, .path = path} {
        const std::filesystem::path place = impl::absolute_place(path, operation);
        const auto parent = os::open_search_directory(place.parent_path().string());
        auto opened = parent ? os::open_file(parent.value.get(), place.filename().string(),
                                             os::FileMode::read)
                             : os::Result<ipc::FileDescriptor>{{}, parent.error};
        if (!opened) {
            impl::fail_file(opened.error, operation, path, "cannot be opened");
        }
        file = std::move(opened.value);
        stream.descriptor = file.get();
    }
};

constexpr const char* scratch_name = "backup-stream";
constexpr std::uint32_t private_mode = 0700;

std::filesystem::path scratch_place(const std::filesystem::path& wanted) {
    if (!wanted.empty()) {
        return wanted;
    }
    std::error_code error;
    std::filesystem::path found = std::filesystem::temp_directory_path(error);
    if (error) {
        impl::fail_file(error.value(), operation, "/tmp", "there is no place for temporary files",
                        "TMPDIR says where it is");
    }
    return found;
}

// Others may have the same there: what is not ours stays. What cannot be removed is in nobody's
// way.
void remove_scratch(const std::filesystem::path& scratch) {
    for (const std::string& stage : impl::abandoned_stages(scratch, impl::Leftovers::own)) {
        if (ipc::stage_name_of(stage) == scratch_name) {
            const auto opened = os::open_directory(scratch.string());
            static_cast<void>(opened ? impl::remove_tree(opened.value, stage) : opened.error);
        }
    }
}

}  // namespace

BackupReport receive_backup(int descriptor, const std::filesystem::path& directory,
                            const ReceiveOptions& options) {
    return received({.descriptor = descriptor}, directory, options);
}

BackupReport receive_backup(const std::filesystem::path& file,
                            const std::filesystem::path& directory, const ReceiveOptions& options) {
    return received(StreamFile(file).stream, directory, options);
}

struct UnpackedBackup::State {
    impl::StagedDirectory stage;
    BackupReport report{};

    State(const Stream& stream, const std::filesystem::path& scratch, const ReceiveOptions& options)
        : stage(scratch, scratch_name, operation, private_mode),
          report(received(stream, stage.path(), options)) {}

    static std::unique_ptr<State> make(const Stream& stream, const std::filesystem::path& scratch,
                                       const ReceiveOptions& options) {
        const std::filesystem::path place = scratch_place(scratch);
        remove_scratch(place);
        return std::make_unique<State>(stream, place, options);
    }
};

UnpackedBackup::UnpackedBackup(int descriptor, const std::filesystem::path& scratch,
                               const ReceiveOptions& options)
    : state_(State::make({.descriptor = descriptor}, scratch, options)) {}
UnpackedBackup::UnpackedBackup(const std::filesystem::path& file,
                               const std::filesystem::path& scratch, const ReceiveOptions& options)
    : state_(State::make(StreamFile(file).stream, scratch, options)) {}
UnpackedBackup::UnpackedBackup(UnpackedBackup&&) noexcept = default;
UnpackedBackup& UnpackedBackup::operator=(UnpackedBackup&&) noexcept = default;
UnpackedBackup::~UnpackedBackup() = default;

const std::filesystem::path& UnpackedBackup::directory() const noexcept {
    return ipc::part_of(state_, "UnpackedBackup").stage.path();
}
const BackupReport& UnpackedBackup::report() const noexcept {
    return ipc::part_of(state_, "UnpackedBackup").report;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
