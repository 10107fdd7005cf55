// SPDX-License-Identifier: Apache-2.0
#include "volume/sha256.hpp"

#include <algorithm>
#include <array>
#include <openssl/evp.h>

#include "ipc/failure.hpp"

namespace strata::volume_impl {

namespace {

constexpr std::string_view prefix = "sha256:";

[[noreturn]] void fail_sha256() {
    ipc::fail(Errc::system, "compute SHA-256", "", "libcrypto refuses",
              "see the configuration of OpenSSL on this machine");
}

int digit_value(char digit) noexcept {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

}  // namespace

struct Sha256::State {
    // Fetched once: a look-up of the algorithm costs as much as hashing a kilobyte.
    std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> algorithm{
        EVP_MD_fetch(nullptr, "SHA256", nullptr), EVP_MD_free};
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                    EVP_MD_CTX_free};
};

Sha256::Sha256() : state_(std::make_unique<State>()) { begin(); }
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::begin() {
    if (!state_->algorithm || !state_->context ||
        EVP_DigestInit_ex(state_->context.get(), state_->algorithm.get(), nullptr) != 1) {
        fail_sha256();
    }
}

void Sha256::update(std::span<const std::byte> bytes) {
    if (EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1) {
        fail_sha256();
    }
}

void Sha256::update_zeros(std::size_t count) {
    static constexpr std::array<std::byte, 4096> zeros{};
    while (count > 0) {
        const std::size_t part = std::min(count, zeros.size());
        update(std::span(zeros).first(part));
        count -= part;
    }
}

Sha256Digest Sha256::finish() {
    Sha256Digest digest{};
    if (EVP_DigestFinal_ex(state_->context.get(), reinterpret_cast<unsigned char*>(digest.data()),
                           nullptr) != 1) {
        fail_sha256();
    }
    begin();
    return digest;
}

Sha256Digest sha256_of(std::string_view text) {
    Sha256 sha;
    sha.update(std::as_bytes(std::span(text)));
    return sha.finish();
}

std::string checksum_text(const Sha256Digest& digest) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text(prefix);
    for (const std::byte byte : digest) {
        text += digits[std::to_integer<std::size_t>(byte >> 4)];
        text += digits[std::to_integer<std::size_t>(byte & std::byte{15})];
    }
    return text;
}

std::optional<Sha256Digest> parse_checksum(std::string_view text) noexcept {
    Sha256Digest digest{};
    if (!text.starts_with(prefix) || text.size() != prefix.size() + 2 * digest.size()) {
        return std::nullopt;
    }
    text.remove_prefix(prefix.size());
    for (std::size_t i = 0; i < digest.size(); ++i) {
        const int high = digit_value(text[2 * i]);
        const int low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        digest[i] = static_cast<std::byte>(high * 16 + low);
    }
    return digest;
}

}  // namespace strata::volume_impl
