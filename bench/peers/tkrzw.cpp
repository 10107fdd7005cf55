// SPDX-License-Identifier: Apache-2.0
#include <string_view>

#include "bench/harness/row.hpp"
#include "bench/peers/databases.hpp"

#if STRATA_BENCH_TKRZW
#include <tkrzw_dbm_hash.h>
#include <tkrzw_file_mmap.h>

namespace strata::bench {

namespace {

std::string_view key_text(const std::uint64_t& key) {
    return {reinterpret_cast<const char*>(&key), sizeof key};
}

/// The record is visible inside the processor only: its words are summed there.
class SumRecord final : public tkrzw::DBM::RecordProcessor {
public:
    std::string_view ProcessFull(std::string_view, std::string_view value) override {
        const std::span payload(reinterpret_cast<const std::byte*>(value.data()), value.size());
        first = load_word(payload.data());
        words = words_of(payload);
        return NOOP;
    }
    std::uint64_t first = 0;
    std::uint64_t words = 0;
};

class TkrzwReader final : public Reader {
public:
    TkrzwReader(const std::filesystem::path& file, const Dataset& dataset)
        : database_(std::make_unique<tkrzw::MemoryMapParallelFile>()) {
        tkrzw::HashDBM::TuningParameters tuning;
        tuning.num_buckets = static_cast<std::int64_t>(dataset.layers) * 2;
        tuning.record_crc_mode = tkrzw::HashDBM::RECORD_CRC_NONE;
        if (!database_.OpenAdvanced(file.string(), true, tkrzw::File::OPEN_TRUNCATE, tuning)
                 .IsOK()) {
            throw NotRun("tkrzw cannot open its file");
        }
        std::vector<std::byte> payload(dataset.payload_bytes);
        for (std::uint64_t key = 0; key < dataset.layers; ++key) {
            fill_payload(key, 0, payload);
            database_.Set(key_text(key),
                          {reinterpret_cast<const char*>(payload.data()), payload.size()});
        }
    }
    ~TkrzwReader() override { database_.Close(); }

    std::uint64_t sum(std::span<const std::uint64_t> keys) override {
        std::uint64_t total = 0;
        for (const std::uint64_t key : keys) {
            SumRecord record;
            database_.Process(key_text(key), &record, false);
            total += record.words;
        }
        return total;
    }
    std::uint64_t chase(std::uint64_t start, std::size_t steps, std::uint64_t layers) override {
        std::uint64_t total = 0;
        std::uint64_t key = start;
        for (std::size_t step = 0; step < steps; ++step) {
            SumRecord record;
            database_.Process(key_text(key), &record, false);
            total += record.words;
            key = next_key(record.first, step, layers);
        }
        return total;
    }

private:
    tkrzw::HashDBM database_;
};

}  // namespace

std::unique_ptr<Reader> tkrzw_reader(const std::filesystem::path& file, const Dataset& dataset) {
    return std::make_unique<TkrzwReader>(file, dataset);
}

}  // namespace strata::bench

#else

namespace strata::bench {

std::unique_ptr<Reader> tkrzw_reader(const std::filesystem::path&, const Dataset&) {
    throw NotRun("libtkrzw-dev was not there at build time");
}

}  // namespace strata::bench

#endif
