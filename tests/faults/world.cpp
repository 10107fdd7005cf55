// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/world.hpp"

#include "tests/support/temp_store.hpp"

namespace strata::test {

namespace {

struct Part {
    Dimension dimension;
    std::uint64_t layers;
    std::size_t bytes;
};
constexpr Part parts[] = {{1, 30, 700}, {2, 3, 70'000}, {3, 100, 24}};
constexpr LayerId version_layer{4, 0};

std::string text_of(const Part& part, std::uint64_t layer, std::uint64_t version) {
    return payload_of(part.dimension * 1'000 + layer, version, part.bytes);
}

std::string name_of(LayerId id) {
    return "layer " + std::to_string(id.layer) + " of dimension " + std::to_string(id.dimension);
}

}  // namespace

void put_world(Batch& batch, std::uint64_t version) {
    for (const Part& part : parts) {
        for (std::uint64_t layer = 0; layer < part.layers; ++layer) {
            batch.put({part.dimension, layer}, text_of(part, layer, version));
        }
    }
    batch.put(version_layer, std::to_string(version));
}

std::string world_mismatch(const Snapshot& snapshot) {
    const std::uint64_t version = std::stoull(std::string(snapshot.get(version_layer).text()));
    for (const Part& part : parts) {
        for (std::uint64_t layer = 0; layer < part.layers; ++layer) {
            const LayerId id{part.dimension, layer};
            if (snapshot.get(id).text() != text_of(part, layer, version)) {
                return name_of(id) + " is not of version " + std::to_string(version);
            }
        }
    }
    return "";
}

Copies::Copies(const Snapshot& snapshot) {
    for (const DimensionInfo& info : snapshot.dimensions()) {
        for (const Layer layer : snapshot.dimension(info.dimension)) {
            texts_.emplace(layer.id(), layer.text());
        }
    }
}

std::string Copies::mismatch(const Snapshot& snapshot) const {
    for (const auto& [id, text] : texts_) {
        if (snapshot.find(id).text() != text) {
            return "the bytes of " + name_of(id) + " in a held snapshot have changed";
        }
    }
    const VerifyReport report = verify(snapshot);
    return report.ok() ? "" : "a held snapshot does not verify: " + report.failures.at(0).what;
}

}  // namespace strata::test
