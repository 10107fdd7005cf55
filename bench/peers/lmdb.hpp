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
#include "bench/peers/writer.hpp"

namespace strata::bench {

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
    /// What mdb_copy does, into a directory that is there and has none yet. Throws NotRun.
    void copy_to(const std::filesystem::path& directory) const;
    /// Cursor over everything in key order; the sum of `sum_of`.
    std::uint64_t scan(std::uint64_t (*sum_of)(const std::byte*) noexcept);

    struct State;

private:
    std::unique_ptr<State> state_;
};

/// Ends of a store in processes of their own. Readers open it MDB_RDONLY. They throw NotRun.
std::unique_ptr<Reader> lmdb_attach_reader(const std::filesystem::path& directory);
/// renew and reset once per call of sum().
std::unique_ptr<Reader> lmdb_request_reader(const std::filesystem::path& directory);
std::unique_ptr<Writer> lmdb_attach_writer(const std::filesystem::path& directory);

/// A store that is there, opened so that each commit is durable when it returns, as LMDB does by
/// itself: pages written and flushed, then the page that names them. A writer a thread; they take
/// turns.
std::function<std::unique_ptr<Writer>()> lmdb_durable(const std::filesystem::path& directory);

std::string lmdb_version();

}  // namespace strata::bench
