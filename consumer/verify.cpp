// SPDX-License-Identifier: Apache-2.0
#include "strata/verify.hpp"

#include <optional>
#include <utility>

#include "consumer/attachment/session.hpp"
#include "consumer/views/view.hpp"
#include "ipc/failure.hpp"
#include "ipc/files/store_files.hpp"
#include "ipc/format/checksum.hpp"
#include "ipc/format/layer_block.hpp"
#include "ipc/index/find.hpp"
#include "ipc/index/walk.hpp"
#include "ipc/os/fault.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using consumer_impl::View;
using ipc::IndexView;
using ipc::walk_index;

namespace {

class Verifier {
public:
    Verifier(View& view, const VerifyOptions& options, std::uint64_t layers_total)
        : view_(view), options_(options) {
        report_.generation = view.generation;
        progress_.layers_total = layers_total;
    }

    void whole_store() {
        std::uint64_t layers = 0;
        std::uint64_t digest = 0;
        std::uint64_t records = 0;
        walk_index(
            view_.directory,
            [&](std::uint64_t prefix, unsigned shift, std::uint64_t entry) {
                if (const auto record = record_of(prefix, shift, entry)) {
                    layers += record->layers;
                    digest += record->digest;
                    records += ipc::mix_checksum(record->checksum);
                    one_dimension(*record);
                }
            },
            [&](std::uint64_t offset, std::string_view what) {
                add({.file = ipc::control_file_name,
                     .offset = offset,
                     .what = "directory of dimensions: " + std::string(what)});
            });
        if (report_.ok() &&
            (report_.dimensions != view_.root.dimensions || layers != view_.root.layers)) {
            add({.file = ipc::control_file_name,
                 .offset = view_.root_offset,
                 .what = "the root says " + std::to_string(view_.root.dimensions) +
                         " dimensions and " + std::to_string(view_.root.layers) +
                         " layers, their records say " + std::to_string(report_.dimensions) +
                         " and " + std::to_string(layers)});
        }
        if (report_.ok() && (digest != view_.root.digest || records != view_.root.records)) {
            add({.file = ipc::control_file_name,
                 .offset = view_.root_offset,
                 .what = "the directory leads to other records than this generation has"});
        }
    }

    void one_dimension(const ipc::DimensionRecord& record) {
        const auto dimension = static_cast<Dimension>(record.dimension);
        std::string file = ipc::region_file_name(record.serial);
        ++report_.dimensions;
        if (record.generation > view_.generation) {
            add({.file = ipc::control_file_name,
                 .dimension = dimension,
                 .what = "its record is of a later generation"});
        }
        const IndexView* index = nullptr;
        try {
            const auto* const touched = view_.session->dimension_of(view_, dimension);
            if (touched == nullptr) {  // only if somebody changes the directory this very moment
                add({.file = ipc::control_file_name,
                     .dimension = dimension,
                     .what = "its record went while it was looked at"});
                return;
            }
            index = &touched->index;
        } catch (const Error& error) {
            add({.file = std::move(file), .dimension = dimension, .what = error.detail()});
            return;
        }
        const std::uint64_t failures_before = report_.failure_count;
        std::uint64_t found = 0;
        digest_ = 0;
        walk_index(
            *index,
            [&](std::uint64_t prefix, unsigned shift, std::uint64_t entry) {
                ++found;
                one_layer(*index, record, file, prefix, shift, entry);
            },
            [&](std::uint64_t offset, std::string_view what) {
                add({.file = file,
                     .dimension = dimension,
                     .offset = offset,
                     .what = std::string(what)});
            });
        // Only of a walk that met no damage count and digest are known.
        if (report_.failure_count != failures_before) {
            return;
        }
        if (found != record.layers) {
            add({.file = std::move(file),
                 .dimension = dimension,
                 .what = "the index holds " + std::to_string(found) + " layers, its record says " +
                         std::to_string(record.layers)});
        } else if (digest_ != record.digest) {
            add({.file = std::move(file),
                 .dimension = dimension,
                 .what = "the index leads to other layers than its record says: each is sound, but "
                         "their digest is " +
                         std::to_string(digest_) + " instead of " + std::to_string(record.digest)});
        }
    }

    VerifyReport finish() {
        if (guard_.faulted()) {
            const std::string path = ipc::FaultGuard::path();
            add({.file = path.substr(path.rfind('/') + 1),
                 .offset = ipc::FaultGuard::offset(),
                 .what = "the file was cut short while it was read, or its disk fails"});
        }
        if (options_.progress) {
            options_.progress(progress_);
        }
        return std::move(report_);
    }

private:
    void add(VerifyFailure failure) {
        ++report_.failure_count;
        if (report_.failures.size() < options_.max_failures) {
            report_.failures.push_back(std::move(failure));
        }
    }

    // The record behind an entry of the directory, if it is sound and where it belongs.
    std::optional<ipc::DimensionRecord> record_of(std::uint64_t prefix, unsigned shift,
                                                  std::uint64_t entry) {
        VerifyFailure failure{.file = ipc::control_file_name, .offset = ipc::entry_offset(entry)};
        try {
            const ipc::DimensionRecord record =
                view_.session->control().record_at(view_.directory, entry, "verify");
            if (upper(record.dimension, shift) == prefix) {
                return record;
            }
            failure.dimension = static_cast<Dimension>(record.dimension);
            failure.what = "its record stands in the place of another dimension";
        } catch (const Error& error) {
            failure.what = error.detail();
        }
        add(std::move(failure));
        return std::nullopt;
    }

    static std::uint64_t upper(std::uint64_t key, unsigned shift) noexcept {
        return shift < 64 ? key >> shift : 0;
    }

    void one_layer(const IndexView& index, const ipc::DimensionRecord& record,
                   const std::string& file, std::uint64_t prefix, unsigned shift,
                   std::uint64_t entry) {
        const std::uint64_t offset = ipc::entry_offset(entry);
        // Safe: the walk reports only leaves whose header is inside the readable bytes.
        const ipc::LayerBlock block(index.base + offset);
        const ipc::LayerHeader header = block.header();
        digest_ += ipc::mix_checksum(block.kept_checksum());
        const Layer layer = ipc::layer_at(index, entry);
        const std::string what = fault_of(layer, header, record, prefix, shift, entry);
        if (!what.empty()) {
            // Where the index leads to is what a reader would ask for; a lone layer has no path.
            const std::uint64_t number = shift == 0 ? prefix : header.layer;
            add({.file = file,
                 .dimension = static_cast<Dimension>(record.dimension),
                 .layer = number,
                 .offset = offset,
                 .what = what});
        }
        ++report_.layers;
        report_.payload_bytes += layer.size();
        ++progress_.layers;
        progress_.payload_bytes = report_.payload_bytes;
        constexpr std::uint64_t layers_per_call = 1024;
        constexpr std::uint64_t bytes_per_call = std::uint64_t{16} << 20;
        if (options_.progress &&
            (progress_.layers - told_.layers >= layers_per_call ||
             progress_.payload_bytes - told_.payload_bytes >= bytes_per_call)) {
            told_ = progress_;
            options_.progress(progress_);
        }
    }

    // What is wrong with a layer; empty if nothing is.
    std::string fault_of(const Layer& layer, const ipc::LayerHeader& header,
                         const ipc::DimensionRecord& record, std::uint64_t prefix, unsigned shift,
                         std::uint64_t entry) const {
        const std::uint64_t offset = ipc::entry_offset(entry);
        if (!layer) {
            return "its content reaches out of the file";
        }
        if (upper(header.layer, shift) != prefix) {
            return "its header says layer " + std::to_string(header.layer);
        }
        if (header.dimension != record.dimension) {
            return "its header says dimension " + std::to_string(header.dimension);
        }
        const std::uint64_t payload_bytes =
            ipc::LayerBlock::of_payload(layer.data()).payload_bytes();
        if (payload_bytes != layer.size()) {
            return "its header says " + std::to_string(payload_bytes) + " bytes, the index " +
                   std::to_string(layer.size());
        }
        if (header.generation() == 0 || header.generation() > record.generation) {
            return "its header says generation " + std::to_string(header.generation()) +
                   ", its dimension changed last in " + std::to_string(record.generation);
        }
        const std::uint64_t alignment = header.alignment();
        if (!ipc::LayerShape::is_alignment(alignment) ||
            (offset + sizeof(header)) % alignment != 0 ||
            entry != ipc::layer_entry(offset, header.shape & ~ipc::LayerShape::tail_bits)) {
            return "it is not aligned to " + std::to_string(alignment) + " bytes";
        }
        if (!layer.verify()) {
            return "its checksum does not match";
        }
        try {
            static_cast<void>(layer.keywords());
        } catch (const Error& error) {
            return error.detail();
        }
        return {};
    }

    const ipc::FaultGuard guard_;  // bytes that are lost meanwhile read as zeros
    View& view_;
    const VerifyOptions& options_;
    VerifyReport report_;
    VerifyProgress progress_;
    VerifyProgress told_;
    std::uint64_t digest_ = 0;  // of the layers of the dimension being examined
};

}  // namespace

VerifyReport verify(const Snapshot& snapshot, const VerifyOptions& options) {
    View* const view = consumer_impl::Access::view_of(snapshot);
    if (view == nullptr) {
        return {};
    }
    Verifier verifier(*view, options, view->root.layers);
    verifier.whole_store();
    return verifier.finish();
}

VerifyReport verify(const Snapshot& snapshot, Dimension dimension, const VerifyOptions& options) {
    View* const view = consumer_impl::Access::view_of(snapshot);
    std::optional<ipc::DimensionRecord> record;
    if (view != nullptr) {
        record = view->session->control().dimension_at(view->directory, dimension, "verify");
    }
    if (!record) {
        ipc::fail(Errc::dimension_not_found, "verify", "",
                  "generation " + std::to_string(snapshot.generation()) + " has no dimension " +
                      std::to_string(dimension));
    }
    Verifier verifier(*view, options, record->layers);
    verifier.one_dimension(*record);
    return verifier.finish();
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
