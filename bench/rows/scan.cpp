// SPDX-License-Identifier: Apache-2.0
// All layers of a dimension in order, every byte read.
#include <cstring>

#include "bench/harness/clock.hpp"
#include "bench/peers/lmdb.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

constexpr std::size_t payload_bytes = 256;

/// Sum of all 64-bit words.
std::uint64_t sum_of(const std::byte* at) noexcept {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < payload_bytes; i += 8) {
        total += load_word(at + i);
    }
    return total;
}

/// The same layout in private memory: a 64-byte header and the payload, one after another.
class PrivateCopy {
public:
    explicit PrivateCopy(std::uint64_t layers) : layers_(layers), bytes_(layers * stride) {
        for (std::uint64_t key = 0; key < layers; ++key) {
            fill_payload(key, 0, {bytes_.data() + key * stride + header, payload_bytes});
        }
    }
    std::uint64_t sum() const noexcept {
        std::uint64_t total = 0;
        for (std::uint64_t key = 0; key < layers_; ++key) {
            total += sum_of(bytes_.data() + key * stride + header);
        }
        return total;
    }

private:
    static constexpr std::size_t header = 64;
    static constexpr std::size_t stride = header + payload_bytes;
    std::uint64_t layers_;
    std::vector<std::byte> bytes_;
};

}  // namespace

void run_scan(Context& context) {
    for (const std::uint64_t layers : {10'000U, 1'000'000U}) {
        const std::string name = "scan/" + std::to_string(layers);
        if (!context.wants(name)) {
            continue;
        }
        const Dataset dataset{layers, payload_bytes};
        const ScratchDirectory scratch(context, "scan");
        StrataStore store(scratch.path(), dataset);
        const PrivateCopy copy(layers);
        const std::uint64_t expected = copy.sum();
        std::unique_ptr<LmdbStore> lmdb;

        Row row{.name = name,
                .title = "all layers in order, every byte summed",
                .unit = "M layers/s",
                .more_is_better = true};
        row.at_least(0.9, "strata", "private memory of the same layout");
        const auto entrant = [&](const char* who, Role role, std::function<std::uint64_t()> scan) {
            return Entrant{who, role, [&, who, scan = std::move(scan)] {
                               const Stopwatch watch;
                               std::uint64_t scans = 0;
                               do {
                                   check_sum(who, scan(), expected);
                                   ++scans;
                               } while (watch.seconds() < context.round_seconds());
                               return static_cast<double>(scans * layers) / watch.seconds() / 1e6;
                           }};
        };
        std::vector<Entrant> entrants;
        entrants.push_back(entrant("strata", Role::strata, [&] {
            const Snapshot snapshot = store.consumer().snapshot();
            std::uint64_t total = 0;
            for (const Layer& layer : snapshot.dimension(StrataStore::dimension)) {
                total += sum_of(layer.data());
            }
            return total;
        }));
        entrants.push_back(entrant("private memory of the same layout", Role::ceiling,
                                   [&] { return copy.sum(); }));
        entrants.push_back(entrant("LMDB cursor", Role::peer, [&] {
            if (!lmdb) {
                lmdb = std::make_unique<LmdbStore>(scratch.path() / "lmdb", dataset);
            }
            return lmdb->scan(sum_of);
        }));
        run_rounds(context, row, entrants);
        context.finish(std::move(row));
    }
}

}  // namespace strata::bench
