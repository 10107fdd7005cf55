// SPDX-License-Identifier: Apache-2.0
// ProtoDimension: a dimension that is still private to the producer. It is made on the heap, grown
// and read back there, and then crystallized into the store while readers run, or discarded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/batch.hpp"
#include "strata/detail/lifetime.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {
class ProtoState;
struct ProtoLayerState;
}  // namespace strata::producer_impl

namespace strata::inline STRATA_ABI_NAMESPACE {

/// One version of a private layer. Immutable for as long as this object lives, whatever becomes of
/// its dimension.
class ProtoLayer {
public:
    [[nodiscard]] LayerId id() const noexcept;
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept STRATA_LIFETIME_BOUND;
    [[nodiscard]] std::string_view text() const noexcept STRATA_LIFETIME_BOUND;
    [[nodiscard]] std::size_t size() const noexcept { return bytes().size(); }
    [[nodiscard]] double frequency() const noexcept;
    [[nodiscard]] const std::vector<std::string>& keywords() const noexcept STRATA_LIFETIME_BOUND;
    [[nodiscard]] std::uint64_t type_tag() const noexcept;
    [[nodiscard]] std::size_t alignment() const noexcept;

private:
    friend class ProtoDimension;
    explicit ProtoLayer(std::shared_ptr<const producer_impl::ProtoLayerState> state) noexcept
        : state_(std::move(state)) {}
    std::shared_ptr<const producer_impl::ProtoLayerState> state_;
};

/// What a producer lists.
struct ProtoInfo {
    Dimension dimension = 0;
    std::string name{};
    std::uint64_t layers = 0;
    std::uint64_t payload_bytes = 0;  ///< on the heap, see ProducerOptions::proto_memory_limit
};

/// What becomes of the layers that the dimension has in the store already.
enum class ProtoSwap : unsigned char {
    replace,  ///< they go: afterwards the dimension is what the proto-dimension was
    merge,    ///< they stay, except those that the proto-dimension has too
};

/// A handle; copies are the same proto-dimension. Made by Producer::proto_dimension.
///
/// Thread safety: any thread at once. It may outlive the producer's list entry (then it is an
/// ordinary container), but `crystallize` throws invalid_argument when its Producer is gone. What
/// it publishes gives the dimension its name.
class ProtoDimension {
public:
    [[nodiscard]] Dimension dimension() const noexcept;
    [[nodiscard]] std::string name() const;
    [[nodiscard]] std::uint64_t size() const;  ///< number of layers
    [[nodiscard]] bool empty() const { return size() == 0; }
    [[nodiscard]] ProtoInfo info() const;

    /// Adds the layer or replaces it. Options as in Batch::put. Throws limit_exceeded (more than
    /// ProducerOptions::proto_memory_limit, with needed, limit and current) and std::bad_alloc;
    /// nothing has changed then.
    void put(std::uint64_t layer, std::span<const std::byte> payload,
             const LayerOptions& options = {});
    void put(std::uint64_t layer, std::string_view text, const LayerOptions& options = {}) {
        put(layer, std::as_bytes(std::span(text)), options);
    }
    /// Makes the layer longer (adds it if there is none); its options stay. Amortised O(size of
    /// `more`) unless a ProtoLayer still refers to the layer's last version. Throws as `put` does.
    void append(std::uint64_t layer, std::span<const std::byte> more);
    void append(std::uint64_t layer, std::string_view more) {
        append(layer, std::as_bytes(std::span(more)));
    }
    /// False if there was no such layer.
    bool erase(std::uint64_t layer);
    void clear();

    [[nodiscard]] std::optional<ProtoLayer> find(std::uint64_t layer) const;
    /// All layers in ascending order, as they are at this moment.
    [[nodiscard]] std::vector<ProtoLayer> layers() const;

    /// Puts copies of all layers into `batch`, the dimension's name included. They become visible
    /// with the batch's crystallize; this object keeps its layers. Throws what Batch::put throws;
    /// the batch may have some of the layers then.
    void add_to(Batch& batch, ProtoSwap swap = ProtoSwap::replace) const;
    /// One layer. Throws layer_not_found.
    void add_to(Batch& batch, std::uint64_t layer) const;

    /// Publishes the whole as one generation: readers see the dimension unchanged or as this one
    /// is, never a mixture. Afterwards it is empty and the producer lists it no more. If that
    /// throws (as Batch::put and Batch::crystallize do), nothing was published or changed.
    Generation crystallize(ProtoSwap swap = ProtoSwap::replace);
    /// Publishes one layer and takes it out of this object. The dimension's other layers in the
    /// store stay. Throws layer_not_found, and as above.
    Generation crystallize_layer(std::uint64_t layer);
    /// Drops all layers and the producer's list entry.
    void discard();

private:
    friend class Producer;
    explicit ProtoDimension(std::shared_ptr<producer_impl::ProtoState> state) noexcept
        : state_(std::move(state)) {}
    std::shared_ptr<producer_impl::ProtoState> state_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE
