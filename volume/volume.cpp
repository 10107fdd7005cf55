// SPDX-License-Identifier: Apache-2.0
#include "strata/volume.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/files/audited.hpp"
#include "ipc/os/named_files.hpp"
#include "strata/core_dimensions.hpp"
#include "volume/archive_folder.hpp"
#include "volume/failures.hpp"
#include "volume/staged_directory.hpp"
#include "volume/volume_texts.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;
namespace impl = volume_impl;

namespace {

constexpr std::string_view init_operation = "initialise volume";
constexpr std::array<const char*, 4> directories = {"consciousness", "live", "proto", "temp"};

void check(const VolumeOptions& options, std::string_view operation) {
    if (options.base_path.empty()) {
        ipc::fail(Errc::invalid_argument, operation, "", "no path is given",
                  "VolumeOptions::base_path, or MMAP_BASE_PATH in the environment");
    }
    if (options.initial_size > options.max_size || options.max_size > max_region_bytes) {
        ipc::fail(Errc::invalid_argument, operation, options.base_path.string(),
                  "an initial size of " + std::to_string(options.initial_size) +
                      " bytes and a maximum of " + std::to_string(options.max_size) +
                      " make no sense");
    }
}

/// Makes what is missing below one directory, and remembers what it made.
class Builder {
public:
    Builder(std::filesystem::path base, InitReport& report)
        : base_(std::move(base)), report_(report) {
        const std::filesystem::path place = impl::absolute_place(base_, init_operation);
        const std::filesystem::path parent = place.parent_path();
        std::error_code error;
        std::filesystem::create_directories(parent, error);
        if (error) {
            impl::fail_file(error.value(), init_operation, parent, "cannot be made");
        }
        const int made = os::create_directory(place.string(), impl::directory_mode);
        note(made, "", "cannot be made");
        auto opened = os::open_directory(base_.string());
        if (!opened) {
            impl::fail_file(opened.error, init_operation, base_, "cannot be opened");
        }
        root_ = std::move(opened.value);
    }

    void directory(const std::string& name) {
        note(os::create_directory_at(root_.get(), name, impl::directory_mode), name,
             "cannot be made");
        const auto there = os::open_directory_at(root_.get(), name);
        if (!there) {
            impl::fail_file(there.error, init_operation, base_ / name, "is no directory",
                            "links are not followed");
        }
    }
    void file(const std::string& name, std::string_view text) {
        const auto status = os::status_at(root_.get(), name);
        if (status) {
            return;
        }
        if (status.error != ENOENT) {
            impl::fail_file(status.error, init_operation, base_ / name, "cannot be looked at");
        }
        const int error =
            os::replace_file((base_ / name).string(), std::string(text), impl::file_mode);
        note(error, name, "cannot be written");
    }
    void archive(Dimension dimension) {
        const std::string name = std::string(directories[0]) + "/" + archive_folder(dimension);
        const auto status = os::status_at(root_.get(), name);
        if (status && status.value.is_directory) {
            return;
        }
        if (status || status.error != ENOENT) {
            impl::fail_file(status ? ENOTDIR : status.error, init_operation, base_ / name,
                            "is no directory");
        }
        try {
            ArchiveWriter(base_ / directories[0], dimension, {.replace = false}).publish();
            report_.created.push_back(name);
        } catch (const Error& error) {
            if (error.code() != Errc::file_exists) {  // somebody else has made one meanwhile
                throw;
            }
        }
    }

private:
    void note(int error, const std::string& name, const char* what) {
        if (error == 0) {
            report_.created.push_back(name.empty() ? "." : name);
        } else if (error != EEXIST) {
            impl::fail_file(error, init_operation, base_ / name, what);
        }
    }

    std::filesystem::path base_;
    InitReport& report_;
    ipc::FileDescriptor root_;
};

void build(const VolumeOptions& options, InitReport& made) {
    Builder builder(options.base_path, made);
    for (const char* const name : directories) {
        builder.directory(name);
    }
    builder.file("README.md", impl::readme_text);
    builder.file(".gitignore", impl::gitignore_text);
    for (Dimension dimension = 1; dimension <= core_dimension_names.size(); ++dimension) {
        builder.archive(dimension);
    }
}

// Through the page cache, which keeps it.
std::uint64_t read_through(const std::filesystem::path& file) {
    const auto directory = os::open_directory(file.parent_path().string());
    const auto opened = directory ? os::open_read(directory.value.get(), file.filename().string())
                                  : os::Result<ipc::FileDescriptor>{{}, directory.error};
    if (!opened) {
        impl::fail_file(opened.error, init_operation, file, "cannot be opened");
    }
    std::vector<std::byte> buffer(std::size_t{1} << 20);
    std::uint64_t done = 0;
    for (;;) {
        const auto got = os::read_up_to(opened.value.get(), buffer.data(), buffer.size(), done);
        if (!got) {
            impl::fail_file(got.error, init_operation, file, "cannot be read");
        }
        done += got.value;
        if (got.value < buffer.size()) {
            return done;
        }
    }
}

}  // namespace

Volume Volume::init(const VolumeOptions& options, const InitOptions& how, InitReport* report) {
    check(options, init_operation);
    InitReport own;
    InitReport& made = report != nullptr ? *report : own;
    made = {};
    const AuditEntry entry{.operation = "init", .directory = options.base_path.native()};
    ipc::audited(options.audit, entry, [&](AuditEntry& told) {
        build(options, made);
        told.files = made.created.size();
        if (made.created.empty()) {
            told.operation = {};  // nothing was missing
        }
        return true;
    });
    Volume volume(options);
    if (how.populate) {
        for (const Dimension dimension : volume.dimensions()) {
            for (const char* const file : {"region.mmap", "index.json"}) {
                made.populated_bytes += read_through(volume.archive_path(dimension) / file);
            }
        }
    }
    return volume;
}

Volume Volume::open(const VolumeOptions& options) {
    constexpr std::string_view operation = "open volume";
    check(options, operation);
    Volume volume(options);
    const auto found = os::open_directory(volume.archives_path().string());
    if (!found) {
        impl::fail_file(found.error, operation, volume.archives_path(), "cannot be opened",
                        "`strata volume init` makes a volume");
    }
    return volume;
}

namespace {

std::vector<Dimension> archives_in(const std::filesystem::path& path) {
    constexpr std::string_view operation = "list archives";
    const auto opened = os::open_directory(path.string());
    if (!opened) {
        impl::fail_file(opened.error, operation, path, "cannot be opened");
    }
    const auto names = os::list_directory(opened.value.get());
    if (!names) {
        impl::fail_file(names.error, operation, path, "cannot be listed");
    }
    std::vector<Dimension> found;
    for (const std::string& name : names.value) {
        if (const auto dimension = impl::archive_dimension(name)) {
            found.push_back(*dimension);
        }
    }
    std::ranges::sort(found);
    return found;
}

}  // namespace

std::vector<Dimension> Volume::dimensions() const { return archives_in(archives_path()); }
std::vector<Dimension> Volume::proto_dimensions() const { return archives_in(proto_path()); }

}  // namespace strata::inline STRATA_ABI_NAMESPACE
