// SPDX-License-Identifier: Apache-2.0
// What the rows of archives and of backups share: the store that they are of, and how a contestant
// is timed.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <utility>

#include "bench/harness/clock.hpp"
#include "bench/harness/context.hpp"
#include "bench/harness/disk_directory.hpp"
#include "bench/harness/workload.hpp"
#include <strata/strata.hpp>

namespace strata::bench {

inline constexpr Dimension volume_dimensions = 8;

/// A store in shared memory, with bytes that do not repeat.
class FullStore {
public:
    static constexpr std::size_t layer_bytes = 64 << 10;

    FullStore(const Context& context, std::uint64_t bytes)
        : scratch_(context, "volume"),
          layers_(bytes / layer_bytes / volume_dimensions),
          producer_(Producer::create(
              "full", {.base_path = scratch_.path(), .memory_limit = bytes + bytes / 4 + 64_MiB})) {
        for (Dimension dimension = 1; dimension <= volume_dimensions; ++dimension) {
            Batch batch = producer_.batch();
            for (std::uint64_t layer = 0; layer < layers_; ++layer) {
                put(batch, dimension, layer, 0);
            }
            batch.crystallize();
        }
    }
    Consumer attach() const { return Consumer::attach("full", {.base_path = scratch_.path()}); }
    std::uint64_t bytes() const noexcept { return layers_ * volume_dimensions * layer_bytes; }
    const std::filesystem::path& base() const noexcept { return scratch_.path(); }
    /// Every hundredth layer, as one generation.
    void change_hundredth(std::uint64_t version) {
        Batch batch = producer_.batch();
        for (std::uint64_t i = version % 100; i < layers_ * volume_dimensions; i += 100) {
            put(batch, static_cast<Dimension>(1 + i % volume_dimensions), i / volume_dimensions,
                version);
        }
        batch.crystallize();
    }

private:
    static void put(Batch& batch, Dimension dimension, std::uint64_t layer, std::uint64_t version) {
        const Loan loan = batch.loan({dimension, layer}, layer_bytes);
        std::uint64_t state = mix((std::uint64_t{dimension} << 40) + layer) + version;
        for (std::size_t at = 0; at < layer_bytes; at += 8) {
            const std::uint64_t word = mix(state++);
            std::memcpy(loan.data() + at, &word, 8);
        }
    }

    ScratchDirectory scratch_;
    std::uint64_t layers_;
    Producer producer_;
};

/// What is clocked, and what is not. Any but `work` may be missing.
struct Turn {
    std::function<void()> before{};
    std::function<void()> work{};
    std::function<void()> after{};
};

/// GB/s of a turn's work, which is about so many bytes.
inline Entrant speed(const char* who, Role role, std::uint64_t bytes, Turn turn) {
    return {who, role, [bytes, turn = std::move(turn)] {
                if (turn.before) turn.before();
                const Stopwatch watch;
                turn.work();
                const double seconds = watch.seconds();
                if (turn.after) turn.after();
                return static_cast<double>(bytes) / 1e9 / seconds;
            }};
}

inline Row volume_row(const char* name, const char* title) {
    Row row{.name = name, .title = title, .unit = "GB/s"};
    row.more_is_better = true;
    return row;
}

/// Backup, restore and stream.
void run_backups(Context& context, FullStore& store, const DiskDirectory& disk);

}  // namespace strata::bench
