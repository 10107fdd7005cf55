// SPDX-License-Identifier: Apache-2.0
// Batch: changes that become visible together, or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "strata/store.hpp"
#include "strata/type_tag.hpp"
#include "strata/types.hpp"

namespace strata {

namespace producer_impl {
class Store;
class BatchState;
}  // namespace producer_impl

/// What a layer carries beside its payload.
struct LayerOptions {
    double frequency = 0.0;                    ///< Hz
    std::vector<std::string_view> keywords{};  ///< copied at `put`; at most 65535, 64 KiB each
    std::size_t alignment = 64;                ///< of the payload: a power of two, 64 to 4096
    std::uint64_t type_tag = 0;                ///< set by put_value/put_values
};

/// How a dimension is to be. Sizes are those of its region file and are fixed when it is added.
struct DimensionOptions {
    std::string_view name{};  ///< at most 55 bytes; empty: the default name
    std::uint64_t initial_bytes =
        0;                        ///< memory at the start; 0: ProducerOptions' (64 KiB at least)
    std::uint64_t max_bytes = 0;  ///< that it may grow to; 0: the store's region_max_bytes
    /// Who may read its layers; none: ProducerOptions::access. Others see that the dimension exists
    /// and how large it is, and get permission_denied when they touch it. A dimension that is there
    /// already keeps what it has.
    std::optional<FileAccess> access{};
};

/// Room for a payload, to be filled in place before `crystallize`. Valid until its batch is given
/// to crystallize (also if that fails), cleared or destroyed, or the same layer is put, erased or
/// loaned again.
class Loan {
public:
    std::span<std::byte> bytes() const noexcept { return bytes_; }
    std::byte* data() const noexcept { return bytes_.data(); }
    std::size_t size() const noexcept { return bytes_.size(); }
    LayerId id() const noexcept { return id_; }

private:
    friend class Batch;
    Loan(LayerId id, std::span<std::byte> bytes) noexcept : id_(id), bytes_(bytes) {}
    LayerId id_;
    std::span<std::byte> bytes_;
};

/// A set of changes, private to the producer until `crystallize`. The payloads are written straight
/// to their final place in the mapped region; nobody can see them yet. Destroying the batch gives
/// the room back and leaves no trace. For one id the last change wins.
///
/// Thread safety: one thread at a time per batch; any number of batches in different threads. Must
/// not outlive its Producer.
class Batch {
public:
    Batch(Batch&&) noexcept;
    Batch& operator=(Batch&&) noexcept;
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    ~Batch();

    /// Copies `payload` in as the new version of the layer. A dimension that does not exist is
    /// added (named as a core dimension, or "D<number>"). Throws limit_exceeded, no_space,
    /// layer_too_large, invalid_argument; the batch is unchanged then. O(size).
    void put(LayerId id, std::span<const std::byte> payload, const LayerOptions& options = {});
    void put(LayerId id, std::string_view text, const LayerOptions& options = {}) {
        put(id, std::as_bytes(std::span(text)), options);
    }
    /// Named layer: its number is layer_number(name). Throws name_collision (here or at
    /// crystallize) if that number belongs to another name.
    LayerId put(Dimension dimension, std::string_view name, std::span<const std::byte> payload,
                const LayerOptions& options = {});
    /// A value that consumers read with `layer.as<T>()`.
    template <class T>
    void put_value(LayerId id, const T& value, LayerOptions options = {}) {
        static_assert(std::is_trivially_copyable_v<T>, "only trivially copyable types are shared");
        options.type_tag = strata::type_tag<T>();
        options.alignment = options.alignment < alignof(T) ? alignof(T) : options.alignment;
        put(id, std::as_bytes(std::span(&value, 1)), options);
    }
    /// An array that consumers read with `layer.as_span<T>()`.
    template <class T>
    void put_values(LayerId id, std::span<const T> values, LayerOptions options = {}) {
        static_assert(std::is_trivially_copyable_v<T>, "only trivially copyable types are shared");
        options.type_tag = strata::type_tag<T[]>();
        options.alignment = options.alignment < alignof(T) ? alignof(T) : options.alignment;
        put(id, std::as_bytes(values), options);
    }
    /// Room of `size` bytes (not zeroed), to be built in place: zero-copy. Errors as `put`.
    Loan loan(LayerId id, std::size_t size, const LayerOptions& options = {});

    /// Removes the layer; no effect if there is none. A dimension stays when it becomes empty.
    void erase(LayerId id);
    void erase(Dimension dimension, std::string_view name);

    /// Adds an empty dimension under a name of 1 to 55 bytes (empty: the default name), or renames
    /// it. Throws invalid_argument, limit_exceeded, no_space.
    void add_dimension(Dimension dimension, std::string_view name = {});
    /// As above, with sizes of its own. Throws dimension_exists if the dimension is there already
    /// (or was put into by this batch) with another max_bytes; its initial_bytes do not matter
    /// then.
    void add_dimension(Dimension dimension, const DimensionOptions& options);
    /// Adds those of the core dimensions D01 to D14 that are not there yet, under their names; all
    /// with the same sizes (`name` is not used). About 50 microseconds each.
    void add_core_dimensions(const DimensionOptions& sizes = {});
    /// Removes the dimension and all its layers, those put earlier in this batch included. Its
    /// memory goes when no snapshot needs it, and no other batch that has put into it waits: such a
    /// batch cannot be crystallized any more and keeps the memory until it is cleared or destroyed.
    void remove_dimension(Dimension dimension);

    /// Publishes everything in this batch as the next generation, atomically: a snapshot has all of
    /// it or nothing. Leaves the batch empty for the next use. An empty batch publishes nothing and
    /// returns the current generation. Throws limit_exceeded (naming the processes whose snapshots
    /// hold memory back, if any), no_space, name_collision, dimension_not_found (removed
    /// meanwhile), store_replaced (looked for every 100 ms), wrong_process: then nothing was
    /// published, the batch still has its changes, and the call may be repeated. O(changes x tree
    /// height).
    Generation crystallize();

    /// Drops all changes.
    void clear() noexcept;
    /// Number of changes that are waiting.
    std::size_t size() const noexcept;
    bool empty() const noexcept { return size() == 0; }

private:
    friend class producer_impl::Store;
    explicit Batch(std::unique_ptr<producer_impl::BatchState> state) noexcept;
    std::unique_ptr<producer_impl::BatchState> state_;
};

}  // namespace strata
