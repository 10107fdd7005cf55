// SPDX-License-Identifier: Apache-2.0
// A store whose contents are a function of the generation: which layers a generation changes, and
// every byte of them. So any process can tell whether a snapshot is exactly what was published.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include <strata/strata.hpp>

namespace strata::test {

/// splitmix64: a good mixing of one word.
constexpr std::uint64_t mixed(std::uint64_t x) noexcept {
    x += 0x9E3779B97F4A7C15ULL;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

/// Small random numbers for schedules; the seed replays them.
class Random {
public:
    explicit Random(std::uint64_t seed) noexcept : state_(seed) {}
    /// 0 to bound - 1.
    std::uint64_t below(std::uint64_t bound) noexcept { return mixed(state_++) % bound; }

private:
    std::uint64_t state_;
};

/// The store is created empty (generation 1); generation g >= 2 makes `changes` changes: number k
/// has position p = g * changes + k and concerns layer p modulo `layers`. Some erase, most put.
struct Oracle {
    std::uint64_t layers = 600;
    std::uint32_t dimensions = 3;
    std::uint64_t changes = 8;  // per generation; at most `layers`
    std::uint64_t max_payload = 1500;

    LayerId id(std::uint64_t index) const noexcept {
        // Gaps between the numbers: the index has levels with few and with many children.
        return {static_cast<Dimension>(1 + index % dimensions), index / dimensions * 11};
    }

    /// Adds the changes of generation `g` to the batch.
    void prepare(Batch& batch, Generation g) const {
        for (std::uint64_t position = g * changes; position < (g + 1) * changes; ++position) {
            const LayerId layer = id(position % layers);
            if (erases(position)) {
                batch.erase(layer);
                continue;
            }
            const Loan loan = batch.loan(layer, payload_bytes(position),
                                         {.frequency = static_cast<double>(position % 1000)});
            fill(loan.bytes(), position);
        }
    }
    /// Publishes the next generation.
    Generation publish(Producer& producer) const {
        Batch batch = producer.batch();
        prepare(batch, producer.generation() + 1);
        return batch.crystallize();
    }
    void publish_until(Producer& producer, Generation generation) const {
        while (producer.generation() < generation) {
            publish(producer);
        }
    }

    /// Compares everything; empty if the snapshot is what its generation has to be.
    std::string mismatch(const Snapshot& snapshot) const {
        const Generation g = snapshot.generation();
        std::uint64_t expected_layers = 0;
        for (std::uint64_t index = 0; index < layers; ++index) {
            const std::string found = mismatch(snapshot, index, expected_layers);
            if (!found.empty()) {
                return "generation " + std::to_string(g) + ", layer " + std::to_string(index) +
                       ": " + found;
            }
        }
        return snapshot.layer_count() == expected_layers
                   ? ""
                   : "generation " + std::to_string(g) + " has " +
                         std::to_string(snapshot.layer_count()) + " layers instead of " +
                         std::to_string(expected_layers);
    }

    /// One layer only; adds 1 to `present` if it has to be there.
    std::string mismatch(const Snapshot& snapshot, std::uint64_t index,
                         std::uint64_t& present) const {
        const std::uint64_t last = snapshot.generation() * changes + changes - 1;
        // The newest position that concerns this layer.
        const std::uint64_t position = last < index ? 0 : last - (last - index) % layers;
        const Layer layer = snapshot.find(id(index));
        // Generation 1 is empty: what was not changed since is not there.
        const bool expected = position >= 2 * changes && !erases(position);
        if (!expected) {
            return layer ? "is there, of generation " + std::to_string(layer.generation()) : "";
        }
        ++present;
        if (!layer) {
            return "is missing";
        }
        if (layer.generation() != position / changes) {
            return "is of generation " + std::to_string(layer.generation()) + " instead of " +
                   std::to_string(position / changes);
        }
        if (layer.size() != payload_bytes(position)) {
            return "has " + std::to_string(layer.size()) + " bytes";
        }
        if (!matches(layer.bytes(), position)) {
            return "has wrong bytes";
        }
        if (layer.frequency() != static_cast<double>(position % 1000) || layer.id() != id(index) ||
            !layer.verify()) {
            return "has a damaged header";
        }
        return "";
    }

private:
    bool erases(std::uint64_t position) const noexcept {
        // The first change of a generation never erases, so that no generation is empty.
        return position % changes != 0 && mixed(position) % 8 == 0;
    }
    std::uint64_t payload_bytes(std::uint64_t position) const noexcept {
        return 1 + mixed(position ^ 0x517E) % max_payload;
    }
    static void fill(std::span<std::byte> bytes, std::uint64_t position) noexcept {
        std::uint64_t state = position << 20;
        for (std::size_t at = 0; at < bytes.size(); at += 8) {
            const std::uint64_t word = mixed(state++);
            std::memcpy(bytes.data() + at, &word, std::min<std::size_t>(8, bytes.size() - at));
        }
    }
    static bool matches(std::span<const std::byte> bytes, std::uint64_t position) noexcept {
        std::uint64_t state = position << 20;
        for (std::size_t at = 0; at < bytes.size(); at += 8) {
            const std::uint64_t word = mixed(state++);
            if (std::memcmp(bytes.data() + at, &word,
                            std::min<std::size_t>(8, bytes.size() - at)) != 0) {
                return false;
            }
        }
        return true;
    }
};

}  // namespace strata::test
