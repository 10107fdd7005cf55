// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/interprocess.hpp"

#include <boost/date_time/posix_time/posix_time_types.hpp>
#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/managed_mapped_file.hpp>
#include <boost/interprocess/sync/interprocess_sharable_mutex.hpp>
#include <boost/unordered_map.hpp>

#include "bench/harness/row.hpp"

namespace strata::bench {

namespace {

namespace bip = boost::interprocess;

using Segment = bip::managed_mapped_file;
using Place = bip::offset_ptr<std::byte>;
using Allocator = bip::allocator<std::pair<const std::uint64_t, Place>, Segment::segment_manager>;
using Map = boost::unordered_map<std::uint64_t, Place, boost::hash<std::uint64_t>,
                                 std::equal_to<std::uint64_t>, Allocator>;
using Mutex = bip::interprocess_sharable_mutex;

constexpr const char* map_name = "map";
constexpr const char* mutex_name = "mutex";
constexpr const char* size_name = "payload_bytes";

boost::posix_time::ptime patience() {
    return boost::posix_time::microsec_clock::universal_time() + boost::posix_time::seconds(2);
}

struct Attached {
    explicit Attached(const std::filesystem::path& file) try
        : segment(bip::open_only, file.c_str()),
          map(*segment.find<Map>(map_name).first),
          mutex(*segment.find<Mutex>(mutex_name).first),
          payload_bytes(*segment.find<std::uint64_t>(size_name).first) {
    } catch (const bip::interprocess_exception& error) {
        throw NotRun(std::string("Boost.Interprocess: ") + error.what());
    }
    Segment segment;
    Map& map;
    Mutex& mutex;
    std::size_t payload_bytes;
};

// Overwrites in place, as one does with a mutex.
class MapWriter final : public Writer {
public:
    explicit MapWriter(const std::filesystem::path& file) : attached_(file) {}
    void begin() override {
        if (!attached_.mutex.timed_lock(patience())) {
            throw NotRun("the mutex is held by somebody who died");
        }
    }
    void put(std::uint64_t key, std::span<const std::byte> payload) override {
        std::memcpy(attached_.map.find(key)->second.get(), payload.data(), payload.size());
    }
    void commit() override { attached_.mutex.unlock(); }

private:
    Attached attached_;
};

/// The words are copied out under the lock: the bytes may change as soon as it is released.
class MapReader final : public Reader {
public:
    explicit MapReader(const std::filesystem::path& file) : attached_(file) {}
    std::uint64_t sum(std::span<const std::uint64_t> keys) override {
        std::uint64_t total = 0;
        for (const std::uint64_t key : keys) {
            total += read(key).second;
        }
        return total;
    }
    std::uint64_t chase(std::uint64_t start, std::size_t steps, std::uint64_t layers) override {
        std::uint64_t total = 0;
        std::uint64_t key = start;
        for (std::size_t step = 0; step < steps; ++step) {
            const auto [first, words] = read(key);
            total += words;
            key = next_key(first, step, layers);
        }
        return total;
    }

private:
    std::pair<std::uint64_t, std::uint64_t> read(std::uint64_t key) {
        if (!attached_.mutex.try_lock_sharable() &&
            !attached_.mutex.timed_lock_sharable(patience())) {
            throw NotRun("the mutex is held by somebody who died");
        }
        std::pair<std::uint64_t, std::uint64_t> result{};
        if (const auto found = attached_.map.find(key); found != attached_.map.end()) {
            const std::span payload(found->second.get(), attached_.payload_bytes);
            result = {load_word(payload.data()), words_of(payload)};
        }
        attached_.mutex.unlock_sharable();
        return result;
    }
    Attached attached_;
};

}  // namespace

void create_interprocess_map(const std::filesystem::path& file, const Dataset& dataset) {
    const std::size_t bytes =
        (std::size_t{1} << 20) + dataset.layers * (dataset.payload_bytes + 128);
    Segment segment(bip::create_only, file.c_str(), bytes);
    segment.construct<Mutex>(mutex_name)();
    segment.construct<std::uint64_t>(size_name)(dataset.payload_bytes);
    Map& map = *segment.construct<Map>(map_name)(dataset.layers, boost::hash<std::uint64_t>(),
                                                 std::equal_to<std::uint64_t>(),
                                                 Allocator(segment.get_segment_manager()));
    for (std::uint64_t key = 0; key < dataset.layers; ++key) {
        auto* const payload =
            static_cast<std::byte*>(segment.allocate_aligned(dataset.payload_bytes, 64));
        fill_payload(key, 0, {payload, dataset.payload_bytes});
        map.emplace(key, payload);
    }
}

std::unique_ptr<Reader> interprocess_reader(const std::filesystem::path& file) {
    return std::make_unique<MapReader>(file);
}

std::unique_ptr<Writer> interprocess_writer(const std::filesystem::path& file) {
    return std::make_unique<MapWriter>(file);
}

}  // namespace strata::bench
