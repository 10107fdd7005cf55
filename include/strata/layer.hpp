// SPDX-License-Identifier: Apache-2.0
// Layer: a view of one published, immutable layer, in place in the mapping.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "strata/type_tag.hpp"
#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// Two words that say where a layer's bytes are; cheap to copy, passed in registers.
///
/// Lifetime: valid as long as any Snapshot that reaches it. Thread safety: all members are const
/// and may be called from any thread. A default-constructed Layer is empty and false.
/// Cost: `bytes`, `text`, `size`, `data` touch no memory at all; `id` and `generation` read the
/// layer's 24-byte header, the others also what stands behind its payload.
class Layer {
public:
    constexpr Layer() noexcept = default;

    /// True if there is a layer. Everything else but `size`/`bytes`/`text` requires that.
    constexpr explicit operator bool() const noexcept { return data_ != nullptr; }
    /// So that a Layer reads like an optional: `layer->bytes()`.
    constexpr const Layer* operator->() const noexcept { return this; }

    /// The payload, zero-copy. Aligned to at least 8 bytes, or as asked for at `put`.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size()}; }
    /// The payload as text (no terminating zero is implied).
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(data_), size()};
    }
    [[nodiscard]] constexpr const std::byte* data() const noexcept { return data_; }
    /// Payload size in bytes.
    [[nodiscard]] constexpr std::size_t size() const noexcept { return word_ & size_mask; }

    /// What the payload's address is a multiple of: a power of two, 8 to 4096, at least what was
    /// asked for at `put`. 0 of an empty Layer.
    [[nodiscard]] std::size_t alignment() const noexcept {
        constexpr std::size_t page = 4096;
        const auto address = reinterpret_cast<std::uintptr_t>(data_);
        return data_ != nullptr ? std::size_t{1} << std::countr_zero(address | page) : 0;
    }

    [[nodiscard]] LayerId id() const noexcept;
    /// The generation in which this version of the layer was published.
    [[nodiscard]] Generation generation() const noexcept;
    /// The frequency given at `put`, in Hz. 0 if the layer is damaged.
    [[nodiscard]] double frequency() const noexcept;
    /// XXH3-64 over payload, metadata and header fields. From 512 bytes on it was written when the
    /// layer was published; of smaller ones, of which 24 bits are kept, it is computed: O(size).
    /// 0 of a small layer that is damaged.
    [[nodiscard]] std::uint64_t checksum() const noexcept;
    /// Which type was stored (0: plain bytes); see type_tag.hpp.
    [[nodiscard]] std::uint64_t type_tag() const noexcept;

    /// The name of a named layer, else empty. Throws Error{corrupt} if the metadata is damaged.
    [[nodiscard]] std::string_view name() const;
    /// The keywords in the order given at `put`. Views into the mapping. O(keywords).
    /// Throws Error{corrupt} if the metadata is damaged.
    [[nodiscard]] std::vector<std::string_view> keywords() const;

    /// Recomputes the checksum over all bytes. O(size). Never throws; false means damaged. Damage
    /// escapes by a chance of 2^-64, in layers below 512 bytes of 2^-24.
    [[nodiscard]] bool verify() const noexcept;

    /// Whether `as<T>()`, or for `T[]` `as_span<T>()`, gives it. False for an empty Layer.
    template <class T>
    [[nodiscard]] bool is() const noexcept {
        using Element = std::remove_extent_t<T>;
        return data_ != nullptr && alignment() >= alignof(Element) &&
               (std::is_array_v<T> ? size() % sizeof(Element) == 0 : size() == sizeof(Element)) &&
               type_tag() == strata::type_tag<T>();
    }

    /// The payload as a T, in place. T must be trivially copyable; throws Error{type_mismatch} if
    /// the layer was not stored as T (`put_value<T>`) or its size or alignment is not T's.
    template <class T>
    [[nodiscard]] const T& as() const {
        static_assert(std::is_trivially_copyable_v<T>, "only trivially copyable types are shared");
        require(is<T>(), strata::type_name<T>(), sizeof(T), false);
        // Safe: `is` checked tag, size and alignment, and the bytes are immutable.
        return *reinterpret_cast<const T*>(data_);
    }

    /// The payload as an array of T (`put_values<T>`); same rules as `as`.
    template <class T>
    [[nodiscard]] std::span<const T> as_span() const {
        static_assert(std::is_trivially_copyable_v<T>, "only trivially copyable types are shared");
        require(is<T[]>(), strata::type_name<T>(), sizeof(T), true);
        return {reinterpret_cast<const T*>(data_), size() / sizeof(T)};
    }

    /// For the library's own use: `slot` names the mapping that the payload lies in.
    [[nodiscard]] static constexpr Layer from_parts(const std::byte* payload, std::uint64_t size,
                                                    std::uint16_t slot) noexcept {
        return from_words(payload, (std::uint64_t{slot} << slot_shift) | size);
    }
    [[nodiscard]] static constexpr Layer from_words(const std::byte* payload,
                                                    std::uint64_t word) noexcept {
        Layer layer;
        layer.data_ = payload;
        layer.word_ = word;
        return layer;
    }
    static constexpr unsigned slot_shift = 48;
    [[nodiscard]] constexpr std::uint16_t mapping_slot() const noexcept {
        return static_cast<std::uint16_t>(word_ >> slot_shift);
    }

private:
    static constexpr std::uint64_t size_mask = (std::uint64_t{1} << slot_shift) - 1;

    void require(bool matches, std::string_view type, std::size_t size, bool array) const {
        if (!matches) [[unlikely]] {
            fail_type(type, size, array);
        }
    }
    [[noreturn]] void fail_type(std::string_view type, std::size_t size, bool array) const;

    const std::byte* data_ = nullptr;
    std::uint64_t word_ = 0;  // low 48 bits: payload size; high 16: slot of the mapping
};

static_assert(sizeof(Layer) == 16 && std::is_trivially_copyable_v<Layer>,
              "a Layer travels in two registers");

/// The number of the layer called `name`: XXH3-64 of its bytes. Named and numbered layers share one
/// space; two names with the same number are refused at `put` (name_collision).
[[nodiscard]] std::uint64_t layer_number(std::string_view name) noexcept;

/// The number that a new dimension called `name` gets if it is free (Batch::add_dimension): from
/// 2^31 on, the same in every store.
[[nodiscard]] Dimension dimension_number(std::string_view name) noexcept;

}  // namespace strata::inline STRATA_ABI_NAMESPACE
