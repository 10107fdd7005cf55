// SPDX-License-Identifier: Apache-2.0
// Layer: a view of one published, immutable layer, in place in the mapping.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "strata/type_tag.hpp"
#include "strata/types.hpp"

namespace strata {

/// Two words that say where a layer's bytes are; cheap to copy, passed in registers.
///
/// Lifetime: valid as long as any Snapshot that reaches it. Thread safety: all members are const
/// and may be called from any thread. A default-constructed Layer is empty and false.
/// Cost: `bytes`, `text`, `size`, `data` touch no memory at all; the others read the layer's
/// 64-byte header (`id`, `generation`, `frequency`, ...) or its metadata (`name`, `keywords`).
class Layer {
public:
    constexpr Layer() noexcept = default;

    /// True if there is a layer. Everything else but `size`/`bytes`/`text` requires that.
    constexpr explicit operator bool() const noexcept { return data_ != nullptr; }
    /// So that a Layer reads like an optional: `layer->bytes()`.
    constexpr const Layer* operator->() const noexcept { return this; }

    /// The payload, zero-copy. Aligned to at least 64 bytes, or as asked for at `put`.
    std::span<const std::byte> bytes() const noexcept { return {data_, size()}; }
    /// The payload as text (no terminating zero is implied).
    std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(data_), size()};
    }
    constexpr const std::byte* data() const noexcept { return data_; }
    /// Payload size in bytes.
    constexpr std::size_t size() const noexcept { return word_ & size_mask; }

    LayerId id() const noexcept;
    /// The generation in which this version of the layer was published.
    Generation generation() const noexcept;
    /// The frequency given at `put`, in Hz.
    double frequency() const noexcept;
    /// XXH3-64 over payload, metadata and header fields, written when the layer was published.
    std::uint64_t checksum() const noexcept;
    /// Which type was stored (0: plain bytes); see type_tag.hpp.
    std::uint64_t type_tag() const noexcept;

    /// The name of a named layer, else empty. Throws Error{corrupt} if the metadata is damaged.
    std::string_view name() const;
    /// The keywords in the order given at `put`. Views into the mapping. O(keywords).
    /// Throws Error{corrupt} if the metadata is damaged.
    std::vector<std::string_view> keywords() const;

    /// Recomputes the checksum over all bytes. O(size). Never throws; false means damaged.
    bool verify() const noexcept;

    /// The payload as a T, in place. T must be trivially copyable; throws Error{type_mismatch} if
    /// the layer was not stored as T (`put_value<T>`) or its size or alignment is not T's.
    template <class T>
    const T& as() const {
        static_assert(std::is_trivially_copyable_v<T>, "only trivially copyable types are shared");
        require_type(strata::type_tag<T>(), sizeof(T), alignof(T));
        // Safe: tag, size and alignment were just checked, and the bytes are immutable.
        return *reinterpret_cast<const T*>(data_);
    }

    /// The payload as an array of T (`put_values<T>`); same rules as `as`.
    template <class T>
    std::span<const T> as_span() const {
        static_assert(std::is_trivially_copyable_v<T>, "only trivially copyable types are shared");
        require_array(strata::type_tag<T[]>(), sizeof(T), alignof(T));
        return {reinterpret_cast<const T*>(data_), size() / sizeof(T)};
    }

    /// For the library's own use: `slot` names the mapping that the payload lies in.
    static constexpr Layer from_parts(const std::byte* payload, std::uint64_t size,
                                      std::uint16_t slot) noexcept {
        return from_words(payload, (std::uint64_t{slot} << slot_shift) | size);
    }
    static constexpr Layer from_words(const std::byte* payload, std::uint64_t word) noexcept {
        Layer layer;
        layer.data_ = payload;
        layer.word_ = word;
        return layer;
    }
    static constexpr unsigned slot_shift = 48;
    constexpr std::uint16_t mapping_slot() const noexcept {
        return static_cast<std::uint16_t>(word_ >> slot_shift);
    }

private:
    static constexpr std::uint64_t size_mask = (std::uint64_t{1} << slot_shift) - 1;

    void require_type(std::uint64_t tag, std::size_t size, std::size_t alignment) const;
    void require_array(std::uint64_t tag, std::size_t element, std::size_t alignment) const;

    const std::byte* data_ = nullptr;
    std::uint64_t word_ = 0;  // low 48 bits: payload size; high 16: slot of the mapping
};

static_assert(sizeof(Layer) == 16 && std::is_trivially_copyable_v<Layer>,
              "a Layer travels in two registers");

/// The number of the layer called `name`: XXH3-64 of its bytes. Named and numbered layers share one
/// space; two names with the same number are refused at `put` (name_collision).
std::uint64_t layer_number(std::string_view name) noexcept;

}  // namespace strata
