// SPDX-License-Identifier: Apache-2.0
// SHA-256 by libcrypto, in pieces, and its text form `sha256:<64 hexadecimal digits>`.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "strata/volume_archive.hpp"

namespace strata::volume_impl {

/// One thread at a time. Throws Error{system} if libcrypto refuses (a policy of the machine).
class Sha256 {
public:
    Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;
    ~Sha256();

    void update(std::span<const std::byte> bytes);
    /// `count` zeros.
    void update_zeros(std::size_t count);
    /// Of everything since the last finish(); then starts over.
    Sha256Digest finish();

private:
    void begin();
    struct State;
    std::unique_ptr<State> state_;
};

Sha256Digest sha256_of(std::string_view text);

std::string checksum_text(const Sha256Digest& digest);
/// nullopt unless the text is exactly of that form, in digits of either case.
std::optional<Sha256Digest> parse_checksum(std::string_view text) noexcept;

}  // namespace strata::volume_impl
