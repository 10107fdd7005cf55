// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/files/audited.hpp"
#include "ipc/os/named_files.hpp"
#include "strata/volume_proto.hpp"
#include "volume/archive_files.hpp"
#include "volume/archive_folder.hpp"
#include "volume/archive_index.hpp"
#include "volume/failures.hpp"
#include "volume/staged_directory.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;
namespace impl = volume_impl;

namespace {

constexpr std::string_view load_operation = "load proto-dimension";

bool is_chosen(const std::vector<Dimension>& chosen, Dimension dimension) {
    return chosen.empty() || std::ranges::find(chosen, dimension) != chosen.end();
}

ArchivedLayer described(const ProtoLayer& layer) {
    return {.layer = layer.id().layer,
            .frequency = layer.frequency(),
            .keywords = layer.keywords(),
            .type_tag = layer.type_tag(),
            .alignment = layer.alignment()};
}

/// What an archive of `proto/` is made into; emptied again unless it is kept.
class Loading {
public:
    Loading(Producer& producer, const ArchiveIndex& index)
        : proto_(producer.proto_dimension(index.dimension, index.dimension_name)) {}
    Loading(Loading&& other) noexcept : proto_(std::exchange(other.proto_, std::nullopt)) {}
    Loading& operator=(Loading&&) = delete;
    Loading(const Loading&) = delete;
    Loading& operator=(const Loading&) = delete;
    ~Loading() {
        if (proto_) {
            proto_->discard();
        }
    }

    void fill(const impl::OpenArchive& archive) {
        std::vector<std::byte> content;
        for (const ArchivedLayer& layer : archive.index.layers) {
            if (!layer.name.empty()) {
                ipc::fail(Errc::invalid_argument, load_operation,
                          archive.files.index_path().string(),
                          "layer " + std::to_string(layer.layer) + " has a name",
                          "layers of proto-dimensions have numbers alone: import the archive");
            }
            content.resize(static_cast<std::size_t>(layer.content_size));
            archive.files.read_layer(layer, content);
            LayerOptions options{.frequency = layer.frequency,
                                 .alignment = layer.alignment,
                                 .type_tag = layer.type_tag};
            options.keywords.assign(layer.keywords.begin(), layer.keywords.end());
            proto_->put(layer.layer, content, options);
        }
    }
    void keep() noexcept { proto_.reset(); }

private:
    std::optional<ProtoDimension> proto_;
};

void check_free(const Producer& producer, const std::vector<Dimension>& dimensions) {
    for (const ProtoInfo& info : producer.proto_dimensions()) {
        if (info.layers != 0 && std::ranges::find(dimensions, info.dimension) != dimensions.end()) {
            ipc::fail(Errc::dimension_exists, load_operation, producer.path().string(),
                      "proto-dimension " + std::to_string(info.dimension) + " has " +
                          std::to_string(info.layers) + " layers already",
                      "crystallize or discard it first");
        }
    }
}

void remove_saved(const Volume& volume, Dimension dimension) {
    impl::remove_archive(volume.proto_path(), archive_folder(dimension),
                         "remove saved proto-dimension");
}

ProtoReport save(Producer& producer, const Volume& volume,
                 const std::vector<Dimension>& dimensions) {
    ProtoReport report;
    std::vector<ArchiveWriter> writers;
    std::vector<Dimension> saved;
    for (const ProtoInfo& info : producer.proto_dimensions()) {
        if (!is_chosen(dimensions, info.dimension)) {
            continue;
        }
        const std::vector<ProtoLayer> layers = producer.proto_dimension(info.dimension).layers();
        if (layers.empty()) {
            continue;
        }
        ArchiveWriter& writer =
            writers.emplace_back(volume.proto_path(), info.dimension,
                                 ArchiveWriterOptions{.dimension_name = info.name,
                                                      .max_bytes = volume.options().max_size});
        for (const ProtoLayer& layer : layers) {
            writer.add(described(layer), layer.bytes());
            ++report.layers;
            report.content_bytes += layer.size();
        }
        writer.complete();
        saved.push_back(info.dimension);
    }
    for (ArchiveWriter& writer : writers) {
        writer.publish();
    }
    report.dimensions = saved.size();
    for (const Dimension dimension : volume.proto_dimensions()) {
        if (is_chosen(dimensions, dimension) &&
            std::ranges::find(saved, dimension) == saved.end()) {
            remove_saved(volume, dimension);
            ++report.removed;
        }
    }
    return report;
}

ProtoReport load(Producer& producer, const Volume& volume,
                 const std::vector<Dimension>& dimensions) {
    std::vector<Dimension> chosen = dimensions.empty() ? volume.proto_dimensions() : dimensions;
    std::ranges::sort(chosen);
    chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
    check_free(producer, chosen);
    ProtoReport report;
    std::vector<Loading> loadings;
    loadings.reserve(chosen.size());
    for (const Dimension dimension : chosen) {
        const auto archive =
            impl::OpenArchive::open(volume.proto_path() / archive_folder(dimension));
        if (archive.index.dimension != dimension) {
            impl::fail_corrupt(
                load_operation, archive.files.path(),
                "is the archive of dimension " + std::to_string(archive.index.dimension),
                "the folder must be " + archive_folder(archive.index.dimension));
        }
        loadings.emplace_back(producer, archive.index).fill(archive);
        ++report.dimensions;
        report.layers += archive.index.layers.size();
        for (const ArchivedLayer& layer : archive.index.layers) {
            report.content_bytes += layer.content_size;
        }
    }
    for (Loading& loading : loadings) {
        loading.keep();
    }
    return report;
}

/// `work()`, as the volume's audit log is told.
template <class Work>
ProtoReport told(const char* what, const Producer& producer, const Volume& volume, Work work) {
    const AuditEntry entry{
        .operation = what, .store = producer.path().native(), .directory = volume.path().native()};
    return ipc::audited(volume.options().audit, entry, [&](AuditEntry& done) {
        const ProtoReport report = work();
        done.dimensions = report.dimensions;
        done.layers = report.layers;
        done.bytes = report.content_bytes;
        if (report.dimensions == 0 && report.removed == 0) {
            done.operation = {};
        }
        return report;
    });
}

}  // namespace

ProtoReport save_proto_dimensions(Producer& producer, const Volume& volume,
                                  const std::vector<Dimension>& dimensions) {
    return told("save proto", producer, volume, [&] { return save(producer, volume, dimensions); });
}

ProtoReport load_proto_dimensions(Producer& producer, const Volume& volume,
                                  const std::vector<Dimension>& dimensions) {
    return told("load proto", producer, volume, [&] { return load(producer, volume, dimensions); });
}

void remove_saved_proto_dimension(const Volume& volume, Dimension dimension) {
    const AuditEntry entry{
        .operation = "remove proto", .directory = volume.path().native(), .dimensions = 1};
    ipc::audited(volume.options().audit, entry, [&](AuditEntry&) {
        remove_saved(volume, dimension);
        return dimension;
    });
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
