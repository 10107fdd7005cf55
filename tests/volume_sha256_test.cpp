// SPDX-License-Identifier: Apache-2.0
// SHA-256 in pieces: the same as of the whole, wherever it is cut and however many zeros follow.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "volume/sha256.hpp"

using namespace strata;
using namespace strata::volume_impl;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

}  // namespace

TEST_CASE("the digests of the standard's examples") {
    CHECK(checksum_text(sha256_of("abc")) ==
          "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(checksum_text(sha256_of("")) ==
          "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("zeros count as so many bytes, and an end begins anew") {
    Sha256 sha;
    for (const std::size_t count : {0U, 1U, 2U, 4095U, 4096U, 4097U, 8191U, 8192U, 8193U, 12289U}) {
        CAPTURE(count);
        sha.update(bytes_of("before"));
        sha.update_zeros(count);
        sha.update(bytes_of("after"));
        CHECK(sha.finish() == sha256_of("before" + std::string(count, '\0') + "after"));
    }
    CHECK(sha.finish() == sha256_of(""));
}

TEST_CASE("a checksum's text is read as it was written, and nothing else is one") {
    const Sha256Digest digest = sha256_of("abc");
    const std::string text = checksum_text(digest);
    CHECK(parse_checksum(text) == digest);
    for (std::size_t length = 0; length < text.size(); ++length) {
        CHECK_FALSE(parse_checksum(std::string_view(text).substr(0, length)));
    }
    CHECK_FALSE(parse_checksum(text + "0"));
    CHECK_FALSE(parse_checksum("sha512:" + text.substr(7)));
    for (std::size_t at = 7; at < text.size(); ++at) {
        std::string other = text;
        other.at(at) = 'g';
        CHECK_FALSE(parse_checksum(other));
    }
}
