// SPDX-License-Identifier: Apache-2.0
#include "strata/verify.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/files/audited.hpp"
#include "ipc/os.hpp"
#include "strata/consumer.hpp"
#include "strata/core_dimensions.hpp"
#include "strata/inspect.hpp"
#include "strata/volume_verify.hpp"
#include "volume/archive_files.hpp"
#include "volume/failures.hpp"
#include "volume/findings.hpp"
#include "volume/parallel.hpp"
#include "volume/staged_directory.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;
namespace impl = volume_impl;

namespace {

void check_mode(impl::Findings& findings, const Volume& volume, const std::filesystem::path& path,
                bool directory) {
    const auto root = os::open_directory(volume.path().string());
    const auto status =
        root ? os::status_at(root.value.get(), path.lexically_relative(volume.path()).string())
             : os::Result<os::FileStatus>{{}, root.error};
    if (!status) {
        findings.add({path,
                      {},
                      {},
                      status.error == ENOENT ? "is missing: `strata volume init` makes it"
                                             : "cannot be looked at"});
        return;
    }
    if (directory ? !status.value.is_directory : !status.value.is_regular) {
        findings.add({path, {}, {}, directory ? "is no directory" : "is no regular file"});
        return;
    }
    const std::uint32_t wanted = directory ? impl::directory_mode : impl::file_mode;
    if (status.value.mode != wanted) {
        char text[64];
        std::snprintf(text, sizeof(text), "has mode %04o instead of %04o", status.value.mode,
                      wanted);
        findings.add({path, {}, {}, text});
    }
}

void check_layout(impl::Findings& findings, const Volume& volume) {
    for (const auto& path : {volume.path(), volume.archives_path(), volume.live_path(),
                             volume.proto_path(), volume.temp_path()}) {
        check_mode(findings, volume, path, true);
    }
    for (const char* const name : {"README.md", ".gitignore"}) {
        check_mode(findings, volume, volume.path() / name, false);
    }
    const std::vector<Dimension> there = volume.dimensions();
    for (Dimension dimension = 1; dimension <= core_dimension_names.size(); ++dimension) {
        if (!std::ranges::binary_search(there, dimension)) {
            findings.add({volume.archive_path(dimension),
                          dimension,
                          {},
                          "is missing: `strata volume init` makes an empty one"});
        }
    }
    for (const Dimension dimension : there) {
        check_mode(findings, volume, volume.archive_path(dimension), true);
        for (const char* const name : {impl::region_name, impl::index_name}) {
            check_mode(findings, volume, volume.archive_path(dimension) / name, false);
        }
    }
}

/// One archive; what is sound is copied to `writer`, if there is one.
void check_archive(impl::Findings& findings, const std::filesystem::path& path, Dimension dimension,
                   ArchiveWriter* writer, const std::atomic<bool>& stop) {
    std::optional<impl::ArchiveFiles> files;
    ArchiveIndex index;
    try {
        files.emplace(path);
        index = files->read_index();
    } catch (const Error& error) {
        findings.add(error, dimension);
        return;
    }
    if (index.dimension != dimension) {
        findings.add({path / impl::index_name,
                      dimension,
                      {},
                      "is that of dimension " + std::to_string(index.dimension)});
    }
    try {
        files->compare(files->read_header(), index);
    } catch (const Error& error) {
        findings.add(error, dimension);
    }
    findings.expect(index.layers.size());
    std::ranges::sort(index.layers, {}, &ArchivedLayer::layer);
    std::vector<std::byte> content;
    for (const ArchivedLayer& layer : index.layers) {
        if (stop.load(std::memory_order_relaxed)) {
            return;
        }
        findings.looked_at();
        try {
            // Before memory is taken for what may not be there.
            if (layer.size > files->region_bytes() ||
                layer.offset > files->region_bytes() - layer.size) {
                ipc::fail(Errc::truncated, "read archive", files->region_path().string(),
                          "the file ends at " + std::to_string(files->region_bytes()) +
                              ", the layer at " + std::to_string(layer.offset + layer.size));
            }
            content.resize(writer != nullptr ? static_cast<std::size_t>(layer.content_size) : 0);
            files->read_layer(layer, content);
        } catch (const Error& error) {
            findings.add(error, dimension, layer.layer);
            continue;
        }
        findings.sound(layer.content_size);
        if (writer != nullptr) {
            writer->add(layer, content);
        }
    }
}

void check_live_store(impl::Findings& findings, const Volume& volume, const std::string& name) {
    try {
        Consumer consumer = Consumer::attach(name, {.base_path = volume.live_path(),
                                                    .trusted_owner = TrustedOwner::anybody,
                                                    .keep_idle_pin = false});
        const VerifyReport found = verify(consumer.snapshot());
        ++findings.report().live_stores;
        findings.report().live_layers += found.layers;
        for (const VerifyFailure& failure : found.failures) {
            findings.add({volume.live_path() / name / failure.file, failure.dimension,
                          failure.layer, failure.what});
        }
    } catch (const Error& error) {
        if (error.code() != Errc::store_not_found) {  // else it was removed meanwhile
            findings.add(error, {});
        }
    }
}

void check_live_stores(impl::Findings& findings, const Volume& volume) {
    try {
        for (const std::string& name : list_stores(volume.live_path())) {
            check_live_store(findings, volume, name);
        }
    } catch (const Error& error) {
        findings.add(error, {});
    }
}

/// A proto/ that is not there is a finding of the layout's.
std::vector<Dimension> protos_of(impl::Findings& findings, const Volume& volume) {
    try {
        return volume.proto_dimensions();
    } catch (const Error& error) {
        if (error.code() != Errc::file_not_found) {
            findings.add(error, {});
        }
        return {};
    }
}

std::vector<Dimension> chosen(const Volume& volume, const VolumeVerifyOptions& options) {
    return options.dimensions.empty() ? volume.dimensions() : options.dimensions;
}

}  // namespace

VolumeReport verify_volume(const Volume& volume, const VolumeVerifyOptions& options) {
    impl::Findings findings(options);
    struct Archive {
        std::filesystem::path path;
        Dimension dimension;
    };
    std::vector<Archive> archives;
    for (const Dimension dimension : chosen(volume, options)) {
        archives.push_back({volume.archive_path(dimension), dimension});
    }
    if (options.dimensions.empty()) {
        check_layout(findings, volume);
        check_live_stores(findings, volume);
        for (const Dimension dimension : protos_of(findings, volume)) {
            archives.push_back({volume.proto_path() / archive_folder(dimension), dimension});
        }
    }
    findings.report().dimensions = archives.size();
    impl::for_each_parallel(
        archives.size(), options.threads,
        [&](std::size_t i, const std::atomic<bool>& stop) {
            check_archive(findings, archives[i].path, archives[i].dimension, nullptr, stop);
        },
        [&] { findings.tell(); });
    return findings.finish();
}

namespace {

VolumeReport salvage(const Volume& volume, const Volume& target,
                     const VolumeVerifyOptions& options) {
    std::error_code unknown;
    const bool same = std::filesystem::equivalent(volume.path(), target.path(), unknown);
    if (unknown) {
        impl::fail_file(unknown.value(), "salvage volume", target.path(),
                        "cannot be told from the damaged volume");
    }
    if (same) {
        ipc::fail(Errc::invalid_argument, "salvage volume", target.path().string(),
                  "is the damaged volume itself", "what is saved goes to another one");
    }
    impl::Findings findings(options);
    const std::vector<Dimension> dimensions = chosen(volume, options);
    findings.report().dimensions = dimensions.size();
    impl::for_each_parallel(
        dimensions.size(), options.threads,
        [&](std::size_t i, const std::atomic<bool>& stop) {
            const std::filesystem::path path = volume.archive_path(dimensions[i]);
            std::string name;
            std::string created_at;
            try {
                const ArchiveIndex index = impl::ArchiveFiles(path).read_index();
                name = index.dimension_name;
                created_at = index.created_at;
            } catch (const Error& error) {
                findings.add(error, dimensions[i]);
                return;
            }
            ArchiveWriter writer(target.archives_path(), dimensions[i],
                                 {.dimension_name = name,
                                  .max_bytes = target.options().max_size,
                                  .created_at = created_at});
            check_archive(findings, path, dimensions[i], &writer, stop);
            if (!stop.load(std::memory_order_relaxed)) {
                writer.publish();
            }
        },
        [&] { findings.tell(); });
    return findings.finish();
}

}  // namespace

VolumeReport salvage_volume(const Volume& volume, const Volume& target,
                            const VolumeVerifyOptions& options) {
    const AuditEntry entry{.operation = "salvage", .directory = target.path().native()};
    return ipc::audited(target.options().audit, entry, [&](AuditEntry& told) {
        VolumeReport report = salvage(volume, target, options);
        told.dimensions = report.dimensions;
        told.layers = report.layers;
        told.bytes = report.content_bytes;
        return report;
    });
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
