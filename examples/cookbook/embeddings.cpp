// SPDX-License-Identifier: Apache-2.0
// Embeddings: one vector a layer, searched in place by as many processes as there are; a few of
// them are replaced without a copy of the others.
#include <cmath>
#include <cstdint>
#include <iostream>
#include <random>
#include <span>
#include <vector>

#include <strata/strata.hpp>

namespace {

constexpr strata::Dimension items = 1;
constexpr std::size_t width = 64;
constexpr std::uint64_t count = 5000;

using Vector = std::vector<float>;

Vector random_unit(std::mt19937& random) {
    std::normal_distribution<float> normal;
    Vector vector(width);
    float square = 0;
    for (float& x : vector) {
        x = normal(random);
        square += x * x;
    }
    for (float& x : vector) {
        x /= std::sqrt(square);
    }
    return vector;
}

float dot(std::span<const float> a, std::span<const float> b) {
    float sum = 0;
    for (std::size_t i = 0; i < width; ++i) {
        sum += a[i] * b[i];
    }
    return sum;
}

struct Match {
    std::uint64_t item = 0;
    float similarity = -1;
};

/// The nearest of all items, by a scan: the vectors are read where they lie in shared memory.
Match nearest(const strata::Snapshot& snapshot, const Vector& query) {
    Match best;
    for (const strata::Layer& layer : snapshot.dimension(items)) {
        const float similarity = dot(layer.as_span<float>(), query);
        if (similarity > best.similarity) best = {layer.id().layer, similarity};
    }
    return best;
}

/// The nearest of some candidates, which an index of yours has chosen: one batched look-up.
Match nearest_of(const strata::Snapshot& snapshot, const Vector& query,
                 const std::vector<std::uint64_t>& candidates) {
    std::vector<strata::Layer> found(candidates.size());
    snapshot.find(items, candidates, found);
    Match best;
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (!found[i]) continue;  // erased since the index was built
        const float similarity = dot(found[i].as_span<float>(), query);
        if (similarity > best.similarity) best = {candidates[i], similarity};
    }
    return best;
}

}  // namespace

int main() try {
    std::mt19937 random(1);
    auto producer = strata::Producer::create("cookbook-embeddings", {.replace = true});
    auto batch = producer.batch();
    batch.add_dimension(items, "items");
    Vector query;
    for (std::uint64_t item = 0; item < count; ++item) {
        const Vector vector = random_unit(random);
        if (item == 1234) query = vector;
        batch.put_values(strata::LayerId{items, item}, vector);
    }
    batch.crystallize();

    auto consumer = strata::Consumer::attach("cookbook-embeddings");
    const strata::Snapshot old = consumer.snapshot();
    std::cout << "nearest of " << old.layer_count() << ": item " << nearest(old, query).item
              << '\n';
    std::cout << "nearest of 4: item " << nearest_of(old, query, {5, 1234, 77, 99'999}).item
              << '\n';

    // The model was trained on: item 1234 moves. The others stay where they are.
    batch.put_values(strata::LayerId{items, 1234}, random_unit(random));
    batch.crystallize();
    const strata::Snapshot now = consumer.snapshot();
    std::cout << "changed: " << strata::changes(old, now).size() << " item\n";
    std::cout << "item 1234 is " << (nearest(now, query).item == 1234 ? "still" : "no longer")
              << " the nearest; in the old snapshot it is: " << nearest(old, query).item << '\n';
} catch (const strata::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
