// SPDX-License-Identifier: Apache-2.0
// Batch: changes that become visible together, or not at all.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <new>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "strata/result.hpp"
#include "strata/store.hpp"
#include "strata/type_tag.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {
class OpenStore;
class BatchState;
}  // namespace strata::producer_impl

namespace strata::inline STRATA_ABI_NAMESPACE {

/// What a layer carries besides its payload.
struct LayerOptions {
    double frequency = 0.0;                    ///< Hz
    std::vector<std::string_view> keywords{};  ///< copied at `put`; at most 65535, 64 KiB each
    std::size_t alignment = 8;                 ///< of the payload: a power of two, 8 to 4096
    std::uint64_t type_tag = 0;                ///< set by put_value/put_values
};

/// Options for adding a dimension. Dimensions share region files, so that a small one costs some
/// hundred bytes; one that is given a size or an access of its own gets a file of its own, of which
/// these are the properties, fixed when it is added.
struct DimensionOptions {
    std::string_view name{};  ///< at most 55 bytes; empty: as it is, of a new one "D<number>"
    std::uint64_t initial_bytes =
        0;                        ///< memory at the start; 0: ProducerOptions' (64 KiB at least)
    std::uint64_t max_bytes = 0;  ///< that it may grow to; 0: the store's region_max_bytes
    bool own_region = false;      ///< a file of its own, also without any of the others
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
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::byte* data() const noexcept { return bytes_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
    [[nodiscard]] LayerId id() const noexcept { return id_; }

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
    /// added, under the name "D<number>". Throws limit_exceeded, no_space,
    /// layer_too_large, invalid_argument; the batch is unchanged then. O(size).
    void put(LayerId id, std::span<const std::byte> payload, const LayerOptions& options = {});
    void put(LayerId id, std::string_view text, const LayerOptions& options = {}) {
        put(id, std::as_bytes(std::span(text)), options);
    }
    /// Named layer: its number is layer_number(name). Throws name_collision (here or at
    /// crystallize) if that number belongs to another name.
    LayerId put(Dimension dimension, std::string_view name, std::span<const std::byte> payload,
                const LayerOptions& options = {});
    template <std::convertible_to<std::string_view> Text>  // of `{}`, the bytes
    LayerId put(Dimension dimension, std::string_view name, const Text& text,
                const LayerOptions& options = {}) {
        const std::string_view content(text);
        return put(dimension, name, std::as_bytes(std::span(content)), options);
    }
    /// A value that consumers read with `layer.as<T>()`.
    template <class T>
    void put_value(LayerId id, const T& value, LayerOptions options = {}) {
        put(id, std::as_bytes(std::span(&value, 1)), typed<T, T>(options));
    }
    template <class T>
    LayerId put_value(Dimension dimension, std::string_view name, const T& value,
                      LayerOptions options = {}) {
        return put(dimension, name, std::as_bytes(std::span(&value, 1)), typed<T, T>(options));
    }
    /// An array that consumers read with `layer.as_span<T>()`.
    template <class T>
    void put_values(LayerId id, std::span<const T> values, LayerOptions options = {}) {
        put(id, std::as_bytes(values), typed<T, T[]>(options));
    }
    /// Of any contiguous range: std::vector, std::array, a C array, a span of what may be written.
    template <std::ranges::contiguous_range Range>
    requires std::ranges::sized_range<const Range>
    void put_values(LayerId id, const Range& values, const LayerOptions& options = {}) {
        put_values<std::ranges::range_value_t<Range>>(id, span_of(values), options);
    }
    template <class T>
    void put_values(LayerId id, std::initializer_list<T> values, const LayerOptions& options = {}) {
        put_values<T>(id, std::span<const T>(values.begin(), values.size()), options);
    }
    template <std::ranges::contiguous_range Range>
    requires std::ranges::sized_range<const Range> LayerId put_values(Dimension dimension,
                                                                      std::string_view name,
                                                                      const Range& values,
                                                                      LayerOptions options = {}) {
        using T = std::ranges::range_value_t<Range>;
        return put(dimension, name, std::as_bytes(span_of(values)), typed<T, T[]>(options));
    }
    template <class T>
    LayerId put_values(Dimension dimension, std::string_view name, std::initializer_list<T> values,
                       LayerOptions options = {}) {
        return put(dimension, name,
                   std::as_bytes(std::span<const T>(values.begin(), values.size())),
                   typed<T, T[]>(options));
    }
    /// Room of `size` bytes (not zeroed), to be built in place: zero-copy. Errors as `put`.
    [[nodiscard]] Loan loan(LayerId id, std::size_t size, const LayerOptions& options = {});
    [[nodiscard]] Loan loan(Dimension dimension, std::string_view name, std::size_t size,
                            const LayerOptions& options = {});

    /// Removes the layer; no effect if there is none. A dimension stays when it becomes empty.
    void erase(LayerId id);
    void erase(Dimension dimension, std::string_view name);

    /// The number of the dimension called `name`: one that the store has, or that this batch adds
    /// or renames; else a new one is added, under the number of the core dimension of that name, or
    /// dimension_number(name), or the next number that is free. Throws
    /// invalid_argument (a name of 0 bytes or more than 55), and as below.
    Dimension add_dimension(std::string_view name, const DimensionOptions& options = {});

    /// Adds an empty dimension under a name of 1 to 55 bytes (empty: "D<number>"), or renames it
    /// (empty: it keeps its name). Throws invalid_argument, limit_exceeded, no_space.
    void add_dimension(Dimension dimension, std::string_view name = {});
    /// As above, with sizes of its own. Throws dimension_exists if the dimension is there already
    /// (or was put into by this batch) with another max_bytes; its initial_bytes do not matter
    /// then.
    void add_dimension(Dimension dimension, const DimensionOptions& options);
    /// Adds those of the core dimensions D01 to D14 that are not there yet, under their names; all
    /// with the same sizes (`name` is not used). About 50 microseconds each.
    void add_core_dimensions(const DimensionOptions& sizes = {});
    /// Removes all layers that the dimension has when this batch is crystallized, also those that
    /// other batches add until then; what this batch puts into it stays, so that it has that and
    /// nothing else. No effect if there is no such dimension. O(layers), by `crystallize`.
    void clear_dimension(Dimension dimension);
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
    /// The same, but what it throws is in the result.
    [[nodiscard]] Result<Generation> crystallize(std::nothrow_t) noexcept;

    /// Drops all changes.
    void clear() noexcept;
    /// Number of changes that are waiting.
    [[nodiscard]] std::size_t size() const noexcept;
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }

private:
    friend class producer_impl::OpenStore;
    explicit Batch(std::unique_ptr<producer_impl::BatchState> state) noexcept;
    template <class T, class Tagged>
    static LayerOptions& typed(LayerOptions& options) {
        static_assert(std::is_trivially_copyable_v<T>, "only trivially copyable types are shared");
        options.type_tag = strata::type_tag<Tagged>();
        options.alignment = options.alignment < alignof(T) ? alignof(T) : options.alignment;
        return options;
    }
    template <class Range>
    static auto span_of(const Range& values) {
        return std::span<const std::ranges::range_value_t<Range>>(std::ranges::data(values),
                                                                  std::ranges::size(values));
    }
    std::unique_ptr<producer_impl::BatchState> state_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE
