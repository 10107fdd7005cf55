// SPDX-License-Identifier: Apache-2.0
// LMDB, as its documentation advises for speed: integer keys, a read transaction that is reset and
// renewed instead of begun, MDB_NOSYNC | MDB_WRITEMAP for the writer, on the same tmpfs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "bench/peers/reader.hpp"

namespace strata::bench {

/// A writer of a data set. What the commit rows ask of each contestant.
class Writer {
public:
    virtual ~Writer() = default;
    virtual void begin() = 0;
    virtual void put(std::uint64_t key, std::span<const std::byte> payload) = 0;
    virtual void commit() = 0;
};

class LmdbStore {
public:
    /// Creates and fills; throws NotRun.
    LmdbStore(const std::filesystem::path& directory, const Dataset& dataset);
    ~LmdbStore();
    LmdbStore(const LmdbStore&) = delete;
    LmdbStore& operator=(const LmdbStore&) = delete;

    /// get in one read transaction that is held.
    std::unique_ptr<Reader> held_reader();
    /// renew, get, reset for each look-up.
    std::unique_ptr<Reader> renewed_reader();
    std::unique_ptr<Writer> writer();
    /// Bytes of the data file that hold something.
    std::uint64_t file_bytes() const;
    /// Cursor over everything in key order; the sum of words_of().
    std::uint64_t scan();

    struct State;

private:
    std::unique_ptr<State> state_;
};

/// A reader's end of a store that another process writes (or nobody): opened MDB_RDONLY.
std::unique_ptr<Reader> lmdb_attach_reader(const std::filesystem::path& directory, bool renewed);

std::string lmdb_version();

}  // namespace strata::bench
