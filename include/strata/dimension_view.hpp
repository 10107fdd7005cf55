// SPDX-License-Identifier: Apache-2.0
// DimensionView: one dimension of a snapshot.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "strata/detail/dense_list.hpp"
#include "strata/dimension_range.hpp"
#include "strata/layer.hpp"
#include "strata/types.hpp"

namespace strata::consumer_impl {
struct CachedDimension;
struct View;
}  // namespace strata::consumer_impl

namespace strata::inline STRATA_ABI_NAMESPACE {

/// What Snapshot::in gives: a handle that spares each look-up the step from the dimension's number
/// to what is known of it. A few words, cheap to copy; valid as long as the Snapshot that it comes
/// from, or one that was copied or moved from that: another one of the same generation is not
/// enough. All members are const and may be called from any thread at once. A default-constructed
/// one, or one of a dimension that the generation does not have, is false, empty, and finds
/// nothing.
class DimensionView {
public:
    DimensionView() noexcept = default;

    explicit operator bool() const noexcept { return version_ != nullptr; }
    [[nodiscard]] Dimension dimension() const noexcept { return dimension_; }

    /// As Snapshot::find: an empty Layer if there is none; throws what keeps it from being read.
    [[nodiscard]] Layer find(std::uint64_t layer) const {
        if (list_ != nullptr) [[likely]] {
            // Acquire; partner: the release in VersionTable::publish_list. The list is this
            // dimension's.
            if (layer < list_->tag.load(std::memory_order_acquire) >> 32) [[likely]] {
                if (const std::uint64_t word = list_->word(layer); word != 0) [[likely]] {
                    return list_->layer_at(word);
                }
            }
        }
        return find_further(layer);
    }
    [[nodiscard]] Layer find(std::string_view name) const;
    /// As Snapshot::find of many. Precondition: out.size() >= layers.size().
    void find(std::span<const std::uint64_t> layers, std::span<Layer> out) const;

    /// All layers in ascending order of number.
    [[nodiscard]] DimensionRange layers() const noexcept { return DimensionRange(index_); }
    [[nodiscard]] DimensionRange::Iterator begin() const { return layers().begin(); }
    static std::default_sentinel_t end() noexcept { return {}; }
    /// Number of layers, O(1).
    [[nodiscard]] std::uint64_t size() const noexcept { return layers().size(); }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }

private:
    friend class Snapshot;
    DimensionView(consumer_impl::View* view, consumer_impl::CachedDimension* version) noexcept;
    Layer find_further(std::uint64_t layer) const;

    consumer_impl::View* view_ = nullptr;
    consumer_impl::CachedDimension* version_ = nullptr;
    const detail::DenseList* list_ = nullptr;  // of `version_`
    const ipc::IndexView* index_ = nullptr;    // of `version_`
    Dimension dimension_ = 0;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE
