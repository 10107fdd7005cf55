// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/exercise.hpp"

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "tests/fuzz/require.hpp"
#include <strata/strata.hpp>

namespace strata::fuzz {

namespace {

// Touches every byte of a layer (`verify` does).
std::uint64_t touch(const Layer& layer) {
    if (!layer) return 0;
    std::uint64_t sum = 0;
    sum += layer.id().layer + layer.generation() + layer.type_tag() + layer.checksum();
    sum += layer.frequency() > 1 ? 1 : 0;
    sum += layer.verify() ? 1 : 0;
    typed([&] {
        sum += layer.name().size();
        for (const std::string_view keyword : layer.keywords()) {
            sum += static_cast<unsigned char>(keyword.empty() ? 'x' : keyword.back());
        }
    });
    return sum;
}

// As types; most layers are of none, and a thrown error takes long.
void read_as_types(const Layer& layer) {
    typed([&] { (void)layer.as<std::uint64_t>(); });
    typed([&] { (void)layer.as_span<std::uint32_t>().size(); });
}

void look_up(const Snapshot& snapshot, const std::vector<LayerId>& ids) {
    std::vector<Layer> found(ids.size());
    const bool all = typed([&] { snapshot.find(ids, found); });
    for (std::size_t i = 0; i < ids.size(); ++i) {
        Layer layer;
        const bool known = typed([&] { layer = snapshot.find(ids[i]); });
        require(known || !all, "find of many fails where find does");
        // A damaged word may be a layer to one of them, never two different ones.
        require(!found[i] || found[i].data() == layer.data(), "find of many finds what find does");
        touch(layer);
        if (typed([&] { touch(snapshot.get(ids[i])); })) {
            require(static_cast<bool>(layer), "find finds what get does");
            if (layer.type_tag() != 0 || i == 0) read_as_types(layer);
        }
    }
    for (const std::string_view name : {"joy", "sorrow", ""}) {
        typed([&] { touch(snapshot.find(1, name)); });
        typed([&] { touch(snapshot.get(1, name)); });
    }
}

void read_snapshot(const Snapshot& snapshot, const StoreImage& image) {
    (void)snapshot.published_at();
    std::vector<LayerId> some;  // all in turn, few at a time
    for (std::size_t i = snapshot.generation() % 5; i < image.ids.size(); i += 5) {
        some.push_back(image.ids[i]);
    }
    look_up(snapshot, some);
    const std::vector<LayerId> strangers = {{1, 63}, {1, 64},          {1, 4095},        {1, ~0ULL},
                                            {4, 1},  {0xFFFF'FFFF, 0}, {14, ~0ULL >> 1}, {2, 2}};
    look_up(snapshot, strangers);

    std::vector<Dimension> dimensions;
    for (const LayerId id : image.ids) {
        if (std::find(dimensions.begin(), dimensions.end(), id.dimension) == dimensions.end()) {
            dimensions.push_back(id.dimension);
        }
    }
    typed([&] {
        for (const DimensionInfo& info : snapshot.dimensions()) {
            if (std::find(dimensions.begin(), dimensions.end(), info.dimension) ==
                dimensions.end()) {
                dimensions.push_back(info.dimension);
            }
        }
    });
    std::uint64_t scanned = 0;
    bool all_scanned = true;
    for (const Dimension dimension : dimensions) {
        std::vector<std::uint64_t> numbers;
        const bool whole = typed([&] {
            const DimensionRange layers = snapshot.dimension(dimension);
            for (auto it = layers.begin(); it != layers.end(); ++it) {
                touch(*it);
                numbers.push_back(it.number());
            }
        });
        scanned += numbers.size();
        all_scanned &= whole || !snapshot.has_dimension(dimension);
        bool sound = false;
        typed([&] { sound = verify(snapshot, dimension).ok(); });
        if (sound) {
            require(whole, "what verify calls sound can be scanned");
            require(std::is_sorted(numbers.begin(), numbers.end()), "a scan is in order");
            for (const std::uint64_t number : numbers) {
                require(static_cast<bool>(snapshot.find({dimension, number})),
                        "what a scan of a sound dimension meets is found");
            }
        }
        typed([&] {
            const ContextIndex context(snapshot, dimension);
            for (const std::string_view keyword : context.keywords()) {
                require(!context.with_keyword(keyword).empty(), "a keyword has layers");
            }
            (void)context.with_frequency(0, 1000).size();
        });
    }
    VerifyReport report;
    // Whatever the bytes are, damage is reported, not thrown.
    require(typed([&] { report = verify(snapshot, {.max_failures = 3}); }),
            "verify does not throw");
    std::size_t added = 0;
    const bool compared = typed([&] {
        for (const Change& change : changes(Snapshot(), snapshot)) {
            touch(change.after);
            ++added;
        }
    });
    if (report.ok()) {
        require(all_scanned && compared, "a sound store can be scanned and compared");
        require(report.layers == scanned && added == scanned,
                "all ways through a sound store meet the same number of layers");
    }
}

}  // namespace

void read_everything(const std::filesystem::path& base, const StoreImage& image) {
    typed([&] { (void)inspect(image.name, base); });
    typed([&] { (void)list_stores(base); });
    typed([&] { (void)readers(image.name, base); });
    typed([&] { (void)store_in_use(image.name, base); });
    typed([&] {
        const StoreStatistics found = statistics(image.name, base);
        std::ostringstream text;
        dump_json(found, text);
        text << summary(found) << found.utilisation() << found.fragmentation_ratio();
        require(text.str().size() > 100, "statistics are shown");
    });
    typed([&] {
        const ConsumerOptions options{.base_path = base, .keep_idle_pin = false};
        Consumer consumer = Consumer::attach(image.name, options);
        (void)consumer.generation();
        (void)consumer.producer_alive();
        (void)consumer.wait(consumer.generation() + 1, std::chrono::nanoseconds(0));
        const auto [oldest, newest] = consumer.retained();
        for (Generation g = newest; g + 2 > newest && g >= oldest && g > 0; --g) {
            typed([&] {
                const Snapshot earlier = consumer.snapshot(g);
                require(earlier.generation() == g, "a snapshot is of the generation asked for");
                read_snapshot(earlier, image);
                const Snapshot now = consumer.snapshot();
                typed([&] {
                    for (const Change& change : changes(earlier, now)) {
                        touch(change.before);
                        touch(change.after);
                    }
                });
                typed([&] { (void)changes(now, earlier, 1); });
            });
        }
        read_snapshot(consumer.snapshot(), image);
    });
}

void take_over(const std::filesystem::path& base, const StoreImage& image) {
    ProducerOptions options;
    options.base_path = base;
    options.memory_limit = 16_MiB;
    options.retain = 2;
    bool opened = false;
    typed([&] {
        Producer producer = Producer::open(image.name, options);
        opened = true;
        const Generation before = producer.generation();
        for (std::uint64_t round = 0; round < 3; ++round) {
            Batch batch = producer.batch();
            for (std::size_t i = 0; i < image.ids.size(); i += 3) {
                const LayerId id = image.ids[i];
                if (typed([&] { batch.put(id, "put by its next producer"); }) && i % 2 == 0) {
                    batch.erase(id);
                }
            }
            batch.put({77, round}, std::string(5000, 'x'), {.keywords = {"new"}});
            batch.crystallize();
            producer.reclaim();
        }
        require(producer.generation() == before + 3, "generations count on");
        producer.trim();
        (void)statistics(producer);
    });
    if (opened) {
        read_everything(base, image);
    }
}

}  // namespace strata::fuzz
