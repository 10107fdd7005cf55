// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "ipc/files/audited.hpp"
#include "ipc/files/stage_name.hpp"
#include "ipc/os/named_files.hpp"
#include "strata/volume.hpp"
#include "volume/archive_files.hpp"
#include "volume/archive_folder.hpp"
#include "volume/failures.hpp"
#include "volume/staged_directory.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;
namespace impl = volume_impl;

namespace {

constexpr std::string_view operation = "clean volume";

// For the report alone: what cannot be looked at counts as nothing.
std::uint64_t bytes_below(const std::filesystem::path& path) {
    std::error_code ignored;
    const auto status = std::filesystem::symlink_status(path, ignored);
    if (std::filesystem::is_regular_file(status)) {
        const std::uintmax_t size = std::filesystem::file_size(path, ignored);
        return ignored ? 0 : size;
    }
    std::uint64_t bytes = 0;
    if (std::filesystem::is_directory(status)) {
        std::filesystem::directory_iterator entry(path, ignored);
        for (; !ignored && entry != std::filesystem::directory_iterator();
             entry.increment(ignored)) {
            bytes += bytes_below(entry->path());
        }
    }
    return bytes;
}

/// What may be removed of one directory of the volume.
class Cleaner {
public:
    Cleaner(const std::filesystem::path& base, const char* name, bool dry_run, CleanReport& report)
        : path_(base / name), name_(name), dry_run_(dry_run), report_(report) {
        // Its content goes, so that it must not be a link.
        const auto volume = os::open_directory(base.string());
        auto opened = volume ? os::open_directory_at(volume.value.get(), name_)
                             : os::Result<ipc::FileDescriptor>{{}, volume.error};
        if (!opened) {
            impl::fail_file(opened.error, operation, path_, "cannot be opened",
                            "links are not followed");
        }
        directory_ = std::move(opened.value);
    }

    void all() {
        const auto names = os::list_directory(directory_.get());
        if (!names) {
            impl::fail_file(names.error, operation, path_, "cannot be listed");
        }
        for (const std::string& name : names.value) {
            remove(name);
        }
    }
    void abandoned() {
        for (const std::string& name : impl::abandoned_stages(path_)) {
            remove(name);
        }
    }
    /// The same where archives are: one that was being replaced may have the user's layers/ yet.
    void abandoned_archives() {
        for (const std::string& name : impl::abandoned_stages(path_)) {
            const std::string folder(ipc::stage_name_of(name));
            const std::uint64_t bytes = bytes_below(path_ / name);
            if (!impl::archive_dimension(folder)) {
                remove(name);
            } else if (dry_run_ ? has_a_place(name, folder) : remove_archive(name, folder)) {
                tell(name, bytes);
            }
        }
    }

private:
    std::vector<std::string> layers_in(const std::string& folder) const {
        const std::string name = folder + "/" + impl::layers_name;
        const auto layers = os::open_directory_at(directory_.get(), name);
        auto names = layers ? os::list_directory(layers.value.get())
                            : os::Result<std::vector<std::string>>{{}, layers.error};
        if (!names && names.error != ENOENT) {
            impl::fail_file(names.error, operation, path_ / name, "cannot be listed");
        }
        return std::move(names.value);
    }
    bool has_a_place(const std::string& stage, const std::string& folder) const {
        return layers_in(stage).empty() ||
               (os::status_at(directory_.get(), folder) && layers_in(folder).empty());
    }
    /// False: it stays, with what is not an archive's and has no place where it could go back to.
    bool remove_archive(const std::string& stage, const std::string& folder) const {
        const impl::ReplacedArchive archive(stage, folder);
        int error = archive.save_layers(directory_);
        error = error != 0 ? error : archive.remove(directory_);
        if (error != 0 && error != ENOTEMPTY && error != ENOENT) {
            impl::fail_file(error, operation, path_ / stage, "cannot be removed");
        }
        return error == 0;
    }
    void remove(const std::string& name) {
        const std::uint64_t bytes = bytes_below(path_ / name);
        const int error = dry_run_ ? 0 : impl::remove_tree(directory_, name);
        if (error != 0 && error != ENOENT) {
            impl::fail_file(error, operation, path_ / name, "cannot be removed");
        }
        tell(name, bytes);
    }
    void tell(const std::string& name, std::uint64_t bytes) {
        report_.removed.push_back(name_ + "/" + name);
        report_.freed_bytes += bytes;
    }

    std::filesystem::path path_;
    std::string name_;
    bool dry_run_;
    CleanReport& report_;
    ipc::FileDescriptor directory_;
};

}  // namespace

CleanReport Volume::clean(bool dry_run) const {
    const AuditEntry entry{.operation = dry_run ? "" : "clean", .directory = path().native()};
    return ipc::audited(options_.audit, entry, [&](AuditEntry& told) {
        CleanReport report;
        Cleaner(path(), "temp", dry_run, report).all();
        Cleaner(path(), "consciousness", dry_run, report).abandoned_archives();
        Cleaner(path(), "proto", dry_run, report).abandoned_archives();
        Cleaner(path(), "live", dry_run, report).abandoned();
        told.files = report.removed.size();
        told.bytes = report.freed_bytes;
        if (report.removed.empty()) {
            told.operation = {};
        }
        return report;
    });
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
