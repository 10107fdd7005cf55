// SPDX-License-Identifier: Apache-2.0
// Peers with an engine of their own, for the read rows.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "bench/peers/reader.hpp"

namespace strata::bench {

/// SQLite: rowid table, mmap_size over the whole file, one prepared SELECT inside one read
/// transaction, sqlite3_column_blob without a copy. Creates and fills on the first call for a file.
/// Throws NotRun.
std::unique_ptr<Reader> sqlite_reader(const std::filesystem::path& file, const Dataset& dataset);
std::string sqlite_version();

/// Redis over a Unix socket with hiredis, persistence off. Starts a server of its own and fills it;
/// `pipeline` requests are under way together. Throws NotRun.
class RedisServer {
public:
    RedisServer(const std::filesystem::path& directory, const Dataset& dataset);
    RedisServer(const RedisServer&) = delete;
    RedisServer& operator=(const RedisServer&) = delete;
    ~RedisServer();
    std::unique_ptr<Reader> reader(std::size_t pipeline) const;

private:
    std::filesystem::path socket_;
    int pid_ = 0;
};

/// tkrzw's HashDBM on a memory-mapped file, read through a RecordProcessor (no copy). Throws
/// NotRun.
std::unique_ptr<Reader> tkrzw_reader(const std::filesystem::path& file, const Dataset& dataset);

}  // namespace strata::bench
