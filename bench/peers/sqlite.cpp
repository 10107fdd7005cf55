// SPDX-License-Identifier: Apache-2.0
#include "bench/harness/row.hpp"
#include "bench/peers/databases.hpp"

#if STRATA_BENCH_SQLITE
#include <sqlite3.h>

namespace strata::bench {

namespace {

class Database {
public:
    explicit Database(const std::filesystem::path& file) {
        if (sqlite3_open(file.c_str(), &handle_) != SQLITE_OK) {
            throw NotRun("sqlite3_open");
        }
        run("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA mmap_size=8589934592;"
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-65536");
    }
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database() { sqlite3_close_v2(handle_); }  // statements may go after it

    void run(const char* sql) const {
        if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
            throw NotRun(std::string("SQLite: ") + sqlite3_errmsg(handle_));
        }
    }
    sqlite3_stmt* prepare(const char* sql) const {
        sqlite3_stmt* statement = nullptr;
        if (sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
            SQLITE_OK) {
            throw NotRun(std::string("SQLite: ") + sqlite3_errmsg(handle_));
        }
        return statement;
    }

private:
    sqlite3* handle_ = nullptr;
};

struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

void fill(const Database& database, const Dataset& dataset) {
    database.run("CREATE TABLE layers (id INTEGER PRIMARY KEY, payload BLOB); BEGIN");
    const Statement insert(database.prepare("INSERT INTO layers VALUES (?, ?)"));
    std::vector<std::byte> payload(dataset.payload_bytes);
    for (std::uint64_t key = 0; key < dataset.layers; ++key) {
        fill_payload(key, 0, payload);
        sqlite3_bind_int64(insert.get(), 1, static_cast<sqlite3_int64>(key));
        sqlite3_bind_blob(insert.get(), 2, payload.data(), static_cast<int>(payload.size()),
                          SQLITE_STATIC);
        sqlite3_step(insert.get());
        sqlite3_reset(insert.get());
    }
    database.run("COMMIT");
}

}  // namespace

std::unique_ptr<Reader> sqlite_reader(const std::filesystem::path& file, const Dataset& dataset) {
    const bool is_new = !std::filesystem::exists(file);
    auto database = std::make_unique<Database>(file);
    if (is_new) {
        fill(*database, dataset);
    }
    database->run("BEGIN");
    Statement select(database->prepare("SELECT payload FROM layers WHERE id = ?"));
    return make_reader([database = std::move(database), select = std::move(select)](
                           std::uint64_t key) -> std::span<const std::byte> {
        // The blob of the look-up before is given up only here: the caller still reads it.
        sqlite3_reset(select.get());
        sqlite3_bind_int64(select.get(), 1, static_cast<sqlite3_int64>(key));
        if (sqlite3_step(select.get()) != SQLITE_ROW) {
            return nothing_found();
        }
        return {static_cast<const std::byte*>(sqlite3_column_blob(select.get(), 0)),
                static_cast<std::size_t>(sqlite3_column_bytes(select.get(), 0))};
    });
}

std::string sqlite_version() { return sqlite3_libversion(); }

}  // namespace strata::bench

#else

namespace strata::bench {

std::unique_ptr<Reader> sqlite_reader(const std::filesystem::path&, const Dataset&) {
    throw NotRun("libsqlite3-dev was not there at build time");
}
std::string sqlite_version() { return "absent"; }

}  // namespace strata::bench

#endif
