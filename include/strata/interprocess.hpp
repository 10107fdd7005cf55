// SPDX-License-Identifier: Apache-2.0
// Opt-in: Boost.Interprocess containers (maps, vectors, strings with offset pointers) as the
// payload of a layer, used in place by consumers. Needs the Boost headers; nothing else of strata
// does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/indexes/iset_index.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>
#include <boost/interprocess/mem_algo/rbtree_best_fit.hpp>
#include <boost/interprocess/sync/mutex_family.hpp>

#include "strata/batch.hpp"
#include "strata/error.hpp"
#include "strata/layer.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::interprocess {

/// A segment without locks: nobody writes to it once it is published.
using Segment = boost::interprocess::basic_managed_external_buffer<
    char, boost::interprocess::rbtree_best_fit<boost::interprocess::null_mutex_family>,
    boost::interprocess::iset_index>;
/// For the containers' allocators: `Allocator<int>(builder.manager())`.
template <class T>
using Allocator = boost::interprocess::allocator<T, Segment::segment_manager>;

/// Marks a payload as a segment. Bound to the width of pointers and to this layout of segments.
struct SegmentTag {
    static constexpr std::uint64_t strata_type_tag = 0x5354524154414950 + sizeof(void*);
};

/// Builds named objects in private memory; `put` publishes them as one layer. Not thread-safe.
class Builder {
public:
    /// `bytes` is room for all objects and about 300 bytes of bookkeeping. Throws std::bad_alloc,
    /// boost::interprocess::interprocess_exception if it is too small for even that.
    explicit Builder(std::size_t bytes)
        : bytes_(bytes),
          memory_(static_cast<std::byte*>(::operator new(bytes, alignment))),
          segment_((std::memset(memory_.get(), 0, bytes), boost::interprocess::create_only),
                   memory_.get(), bytes) {}

    Segment::segment_manager* manager() noexcept { return segment_.get_segment_manager(); }

    /// Makes a named T; throws boost::interprocess::bad_alloc when the room is used up (as growing
    /// its containers does later; they throw std::length_error for more than the whole segment),
    /// and interprocess_exception if the name is taken.
    template <class T, class... Arguments>
    T& construct(const char* name, Arguments&&... arguments) {
        return *segment_.construct<T>(name)(std::forward<Arguments>(arguments)...);
    }

    [[nodiscard]] std::size_t free_bytes() const noexcept { return segment_.get_free_memory(); }

    /// Copies the segment, unused room included, into the batch. Errors as Batch::put.
    void put(Batch& batch, LayerId id, LayerOptions options = {}) const {
        options.type_tag = type_tag<SegmentTag>();
        options.alignment = std::max(options.alignment, static_cast<std::size_t>(alignment));
        batch.put(id, std::span<const std::byte>(memory_.get(), bytes_), options);
    }

private:
    static constexpr std::align_val_t alignment{64};
    struct Release {
        void operator()(std::byte* memory) const noexcept { ::operator delete(memory, alignment); }
    };

    std::size_t bytes_;
    std::unique_ptr<std::byte, Release> memory_;
    Segment segment_;
};

/// Reads a published segment in place. Valid as long as the layer's Snapshot. Thread-safe for
/// reading.
class View {
public:
    /// Throws Error{type_mismatch} if the layer is no segment, Error{corrupt} if its checksum is
    /// wrong: offset pointers are followed unchecked, so the bytes must be what a Builder made.
    /// O(size) for the checksum.
    explicit View(const Layer& layer) : segment_(checked(layer)) {}

    /// The named T, or null. The containers must be read through const references; look up long
    /// keys with a transparent comparator (a temporary key would be allocated in the read-only
    /// segment).
    template <class T>
    [[nodiscard]] const T* find(const char* name) const {
        return const_cast<Segment&>(segment_).find<T>(name).first;
    }

private:
    static Segment checked(const Layer& layer) {
        if (!layer || layer.type_tag() != type_tag<SegmentTag>()) {
            throw Error({.code = Errc::type_mismatch,
                         .operation = "read layer as a segment",
                         .detail = "the layer does not hold Boost.Interprocess objects",
                         .hint = "publish it with strata::interprocess::Builder"});
        }
        if (!layer.verify()) {
            throw Error({.code = Errc::corrupt,
                         .operation = "read layer as a segment",
                         .detail = "the checksum of the layer is wrong",
                         .hint = "publish it anew"});
        }
        // Opening a segment writes nothing; without mutexes, neither does finding in it.
        return {boost::interprocess::open_only, const_cast<std::byte*>(layer.data()), layer.size()};
    }

    Segment segment_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE::interprocess
