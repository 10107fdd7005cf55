// SPDX-License-Identifier: Apache-2.0
// What real data sets take: bytes of memory for each layer, in strata and in LMDB, loaded in one
// transaction and in batches of 1000. A data set is a text file; each line is a layer, called by
// its first word, which is not part of the payload, or numbered by its place in the file.
// usage: strata_memory [--payload BYTES] FILE...    BYTES: the most that is taken of a line
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <strata/strata.hpp>

#if STRATA_BENCH_LMDB
#include <lmdb.h>
#endif

namespace {

struct Record {
    std::string name;
    std::string payload;
};

struct DataSet {
    std::string title;
    std::vector<Record> records;
    std::uint64_t payload_bytes = 0;
    std::uint64_t name_bytes = 0;
};

// Of several lines with one first word the first counts, so that both stores hold as many.
DataSet read_lines(const std::filesystem::path& file, std::size_t most_payload_bytes) {
    DataSet data;
    data.title = file.filename().string();
    std::ifstream in(file);
    if (!in) {
        throw std::runtime_error("cannot read " + file.string());
    }
    std::unordered_set<std::string> known;
    for (std::string line; std::getline(in, line);) {
        const std::size_t end = line.find_first_of(" \t,;|");
        std::string name = line.substr(0, end);
        if (name.empty() || name.size() > 511 || !known.insert(name).second) {  // LMDB's most
            continue;
        }
        std::string payload =
            end == std::string::npos ? name : line.substr(end + 1, most_payload_bytes);
        payload.resize(std::min(payload.size(), most_payload_bytes));
        data.payload_bytes += payload.size();
        data.name_bytes += name.size();
        data.records.push_back({std::move(name), std::move(payload)});
    }
    if (data.records.empty()) {
        throw std::runtime_error(file.string() + " has no line that begins with a word");
    }
    return data;
}

enum class Keys : unsigned char { numbers, names };

constexpr std::uint64_t limit = std::uint64_t{4} << 30;

/// All memory that the store's files hold, trimmed.
std::uint64_t loaded_bytes(const std::string& name, const DataSet& data, Keys keys,
                           std::size_t batch_records) {
    auto producer = strata::Producer::create(name, {.memory_limit = limit, .replace = true});
    auto batch = producer.batch();
    std::uint64_t number = 0;
    for (const Record& record : data.records) {
        if (keys == Keys::names) {
            batch.put(1, record.name, record.payload);
        } else {
            batch.put(strata::LayerId{1, number++}, record.payload);
        }
        if (batch.size() == batch_records) {
            batch.crystallize();
        }
    }
    batch.crystallize();
    producer.trim();
    return producer.stats().committed_bytes;
}

std::uint64_t strata_bytes(const DataSet& data, Keys keys, std::size_t batch_records) {
    const std::string name = "strata-memory";
    const std::uint64_t bytes = loaded_bytes(name, data, keys, batch_records);
    strata::remove_store(name);
    return bytes;
}

#if STRATA_BENCH_LMDB
void check(int error, const char* call) {
    if (error != 0) {
        throw std::runtime_error(std::string(call) + ": " + mdb_strerror(error));
    }
}

/// All pages up to the last that was ever used.
std::optional<std::uint64_t> lmdb_bytes(const DataSet& data, Keys keys, std::size_t batch_records) {
    const std::filesystem::path directory = "/dev/shm/strata-memory-lmdb";
    std::filesystem::remove_all(directory);
    std::filesystem::create_directory(directory);
    MDB_env* environment = nullptr;
    check(mdb_env_create(&environment), "mdb_env_create");
    check(mdb_env_set_mapsize(environment, limit), "mdb_env_set_mapsize");
    check(mdb_env_open(environment, directory.c_str(), MDB_NOSYNC | MDB_WRITEMAP, 0644),
          "mdb_env_open");
    MDB_txn* transaction = nullptr;
    MDB_dbi table = 0;
    const auto begin = [&] {
        check(mdb_txn_begin(environment, nullptr, 0, &transaction), "mdb_txn_begin");
        const unsigned flags = keys == Keys::numbers ? MDB_CREATE | MDB_INTEGERKEY : MDB_CREATE;
        check(mdb_dbi_open(transaction, nullptr, flags, &table), "mdb_dbi_open");
    };
    begin();
    std::uint64_t number = 0;
    for (const Record& record : data.records) {
        std::uint64_t place = number++;
        std::string name = record.name;
        std::string payload = record.payload;
        MDB_val key{keys == Keys::names ? name.size() : sizeof(place),
                    keys == Keys::names ? static_cast<void*>(name.data()) : &place};
        MDB_val value{payload.size(), payload.data()};
        check(mdb_put(transaction, table, &key, &value, 0), "mdb_put");
        if (number % batch_records == 0) {
            check(mdb_txn_commit(transaction), "mdb_txn_commit");
            begin();
        }
    }
    check(mdb_txn_commit(transaction), "mdb_txn_commit");
    MDB_envinfo info{};
    check(mdb_env_info(environment, &info), "mdb_env_info");
    MDB_stat page{};
    check(mdb_env_stat(environment, &page), "mdb_env_stat");
    mdb_env_close(environment);
    std::filesystem::remove_all(directory);
    return (info.me_last_pgno + 1) * page.ms_psize;
}
#else
std::optional<std::uint64_t> lmdb_bytes(const DataSet&, Keys, std::size_t) { return std::nullopt; }
#endif

void print(const DataSet& data, Keys keys, const char* load, std::size_t batch_records) {
    const auto count = static_cast<double>(data.records.size());
    const auto strata = static_cast<double>(strata_bytes(data, keys, batch_records));
    const auto lmdb = lmdb_bytes(data, keys, batch_records);
    const double given = static_cast<double>(data.payload_bytes) +
                         (keys == Keys::names ? static_cast<double>(data.name_bytes) : 0);
    std::printf("%-18s %-8s %-16s %9zu %8.1f %8.1f", data.title.c_str(),
                keys == Keys::names ? "names" : "numbers", load, data.records.size(), given / count,
                strata / count);
    if (lmdb) {
        std::printf(" %8.1f %7.2f\n", static_cast<double>(*lmdb) / count,
                    strata / static_cast<double>(*lmdb));
    } else {
        std::printf("  not run\n");
    }
}

}  // namespace

int main(int argc, char** argv) try {
    std::size_t most_payload_bytes = 1 << 20;
    std::vector<std::filesystem::path> files;
    for (int i = 1; i < argc; ++i) {
        if (std::string_view(argv[i]) == "--payload" && i + 1 < argc) {
            most_payload_bytes = std::strtoull(argv[++i], nullptr, 10);
        } else {
            files.emplace_back(argv[i]);
        }
    }
    if (files.empty()) {
        std::fprintf(stderr, "usage: strata_memory [--payload BYTES] FILE...\n");
        return 2;
    }
    std::printf("%-18s %-8s %-16s %9s %8s %8s %8s %7s\n", "DATA", "KEYS", "LOADED IN", "LAYERS",
                "GIVEN", "STRATA", "LMDB", "RATIO");
    for (const std::filesystem::path& file : files) {
        const DataSet data = read_lines(file, most_payload_bytes);
        for (const Keys keys : {Keys::numbers, Keys::names}) {
            print(data, keys, "one transaction", data.records.size() + 1);
            print(data, keys, "batches of 1000", 1000);
        }
    }
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "strata_memory: %s\n", error.what());
    return 1;
}
