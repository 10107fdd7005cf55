// SPDX-License-Identifier: Apache-2.0
// The files of a tar stream, compressed or not, one after the other, by libarchive. Nothing is
// unpacked here, and no path is used: that is for who knows what has to come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace strata::volume_impl {

/// One thread at a time. Throws corrupt (no tar, damaged, cut short, anything but plain files),
/// system, std::bad_alloc, and what `tick` throws; of no use afterwards.
class TarReader {
public:
    struct File {
        std::string path{};
        std::uint64_t size = 0;
    };

    /// `tick` is called at least every 50 ms while it waits, and for each piece read. `path`: what
    /// is behind the descriptor, for errors.
    TarReader(int descriptor, std::function<void()> tick, std::string_view operation,
              const std::filesystem::path& path);
    TarReader(const TarReader&) = delete;
    TarReader& operator=(const TarReader&) = delete;
    ~TarReader();

    /// The next file; what was not read of the one before is passed over. None: the stream ends.
    std::optional<File> next();
    /// Exactly so many bytes of the file.
    void read(std::span<std::byte> out);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace strata::volume_impl
