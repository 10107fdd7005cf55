// SPDX-License-Identifier: Apache-2.0
// Plain files into one tar stream, compressed or not, by libarchive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "strata/volume_stream.hpp"

namespace strata::volume_impl {

/// One thread at a time. Throws system (EPIPE: nobody reads any more), no_space, std::bad_alloc,
/// and what `tick` throws; of no use afterwards.
class TarWriter {
public:
    /// `tick` is called at least every 50 ms while it waits, and for each piece written. `path`:
    /// what is behind the descriptor, for errors.
    TarWriter(int descriptor, StreamFormat format, std::function<void()> tick,
              std::string_view operation, const std::filesystem::path& path);
    TarWriter(const TarWriter&) = delete;
    TarWriter& operator=(const TarWriter&) = delete;
    ~TarWriter();

    /// The next file; `size` bytes of put() follow.
    void begin(const std::string& path, std::uint64_t size);
    void put(std::span<const std::byte> bytes);
    void put_file(const std::string& path, std::string_view text);
    void finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace strata::volume_impl
