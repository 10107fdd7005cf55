// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/lmdb.hpp"

#include "bench/harness/row.hpp"

#if STRATA_BENCH_LMDB
#include <lmdb.h>

namespace strata::bench {

namespace {

void check(int error, const char* call) {
    if (error != 0) {
        throw NotRun(std::string(call) + ": " + mdb_strerror(error));
    }
}

constexpr std::size_t map_bytes = std::size_t{16} << 30;

MDB_env* open_environment(const std::filesystem::path& directory, unsigned flags) {
    MDB_env* environment = nullptr;
    check(mdb_env_create(&environment), "mdb_env_create");
    const int error = [&] {
        mdb_env_set_mapsize(environment, map_bytes);
        mdb_env_set_maxreaders(environment, 256);
        return mdb_env_open(environment, directory.c_str(), flags, 0644);
    }();
    if (error != 0) {
        mdb_env_close(environment);
        check(error, "mdb_env_open");
    }
    return environment;
}

/// A read transaction and what a look-up needs.
class ReadTransaction {
public:
    explicit ReadTransaction(MDB_env* environment, std::shared_ptr<void> keep = {})
        : keep_(std::move(keep)) {
        check(mdb_txn_begin(environment, nullptr, MDB_RDONLY, &transaction_), "mdb_txn_begin");
        check(mdb_dbi_open(transaction_, nullptr, 0, &table_), "mdb_dbi_open");
    }
    ReadTransaction(const ReadTransaction&) = delete;
    ReadTransaction& operator=(const ReadTransaction&) = delete;
    ~ReadTransaction() { mdb_txn_abort(transaction_); }

    std::span<const std::byte> get(std::uint64_t number) const noexcept {
        MDB_val key{sizeof number, &number};
        MDB_val value{};
        if (mdb_get(transaction_, table_, &key, &value) != 0) {
            return nothing_found();
        }
        return {static_cast<const std::byte*>(value.mv_data), value.mv_size};
    }
    void reset() noexcept { mdb_txn_reset(transaction_); }
    void renew() { check(mdb_txn_renew(transaction_), "mdb_txn_renew"); }
    MDB_txn* raw() const noexcept { return transaction_; }
    MDB_dbi table() const noexcept { return table_; }

private:
    std::shared_ptr<void> keep_;  // the environment, if it goes with its last transaction
    MDB_txn* transaction_ = nullptr;
    MDB_dbi table_ = 0;
};

std::unique_ptr<Reader> held(MDB_env* environment, std::shared_ptr<void> keep) {
    auto transaction = std::make_unique<ReadTransaction>(environment, std::move(keep));
    return make_reader([transaction = std::move(transaction)](std::uint64_t key) {
        return transaction->get(key);
    });
}

// As with strata, the payload is summed after the transaction is reset: nobody writes meanwhile.
std::unique_ptr<Reader> renewed(MDB_env* environment, std::shared_ptr<void> keep) {
    auto transaction = std::make_unique<ReadTransaction>(environment, std::move(keep));
    transaction->reset();
    return make_reader([transaction = std::move(transaction)](std::uint64_t key) {
        transaction->renew();
        const auto payload = transaction->get(key);
        transaction->reset();
        return payload;
    });
}

class RequestReader final : public Reader {
public:
    explicit RequestReader(std::unique_ptr<ReadTransaction> transaction)
        : transaction_(std::move(transaction)) {
        transaction_->reset();
    }
    std::uint64_t sum(std::span<const std::uint64_t> keys) override {
        transaction_->renew();
        std::uint64_t total = 0;
        for (const std::uint64_t key : keys) {
            total += words_of(transaction_->get(key));
        }
        transaction_->reset();
        return total;
    }
    std::uint64_t chase(std::uint64_t, std::size_t, std::uint64_t) override { return 0; }

private:
    std::unique_ptr<ReadTransaction> transaction_;
};

class LmdbWriter final : public Writer {
public:
    LmdbWriter(MDB_env* environment, MDB_dbi table, std::shared_ptr<void> keep = {})
        : keep_(std::move(keep)), environment_(environment), table_(table) {}

    void begin() override {
        check(mdb_txn_begin(environment_, nullptr, 0, &transaction_), "mdb_txn_begin");
    }
    void put(std::uint64_t number, std::span<const std::byte> payload) override {
        MDB_val key{sizeof number, &number};
        MDB_val value{payload.size(), const_cast<std::byte*>(payload.data())};
        check(mdb_put(transaction_, table_, &key, &value, 0), "mdb_put");
    }
    void commit() override { check(mdb_txn_commit(transaction_), "mdb_txn_commit"); }

private:
    std::shared_ptr<void> keep_;
    MDB_env* environment_;
    MDB_dbi table_;
    MDB_txn* transaction_ = nullptr;
};

}  // namespace

struct LmdbStore::State {
    MDB_env* environment = nullptr;
    MDB_dbi table = 0;
    std::filesystem::path directory{};

    ~State() { mdb_env_close(environment); }
};

LmdbStore::LmdbStore(const std::filesystem::path& directory, const Dataset& dataset)
    : state_(std::make_unique<State>()) {
    std::filesystem::create_directories(directory);
    state_->directory = directory;
    // MDB_NOTLS: several read transactions in one thread, as the rows need.
    state_->environment =
        open_environment(directory, MDB_NOSYNC | MDB_WRITEMAP | MDB_NOTLS | MDB_NORDAHEAD);
    MDB_txn* transaction = nullptr;
    check(mdb_txn_begin(state_->environment, nullptr, 0, &transaction), "mdb_txn_begin");
    check(mdb_dbi_open(transaction, nullptr, MDB_INTEGERKEY, &state_->table), "mdb_dbi_open");
    std::vector<std::byte> payload(dataset.payload_bytes);
    for (std::uint64_t number = 0; number < dataset.layers; ++number) {
        fill_payload(number, 0, payload);
        MDB_val key{sizeof number, &number};
        MDB_val value{payload.size(), payload.data()};
        check(mdb_put(transaction, state_->table, &key, &value, MDB_APPEND), "mdb_put");
    }
    check(mdb_txn_commit(transaction), "mdb_txn_commit");
}

LmdbStore::~LmdbStore() = default;

std::unique_ptr<Reader> LmdbStore::held_reader() { return held(state_->environment, {}); }
std::unique_ptr<Reader> LmdbStore::renewed_reader() { return renewed(state_->environment, {}); }

std::unique_ptr<Writer> LmdbStore::writer() {
    return std::make_unique<LmdbWriter>(state_->environment, state_->table);
}

std::uint64_t LmdbStore::file_bytes() const {
    MDB_envinfo info{};
    MDB_stat stat{};
    mdb_env_info(state_->environment, &info);
    mdb_env_stat(state_->environment, &stat);
    return (info.me_last_pgno + 1) * stat.ms_psize;
}

void LmdbStore::copy_to(const std::filesystem::path& directory) const {
    check(mdb_env_copy2(state_->environment, directory.c_str(), 0), "mdb_env_copy2");
}

std::uint64_t LmdbStore::scan(std::uint64_t (*sum_of)(const std::byte*) noexcept) {
    const ReadTransaction transaction(state_->environment);
    MDB_cursor* cursor = nullptr;
    check(mdb_cursor_open(transaction.raw(), transaction.table(), &cursor), "mdb_cursor_open");
    std::uint64_t total = 0;
    MDB_val key{};
    MDB_val value{};
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        total += sum_of(static_cast<const std::byte*>(value.mv_data));
    }
    mdb_cursor_close(cursor);
    return total;
}

namespace {

std::shared_ptr<void> closed_at_end(MDB_env* environment) {
    return {environment, [](void* opened) { mdb_env_close(static_cast<MDB_env*>(opened)); }};
}

}  // namespace

std::unique_ptr<Reader> lmdb_attach_reader(const std::filesystem::path& directory) {
    MDB_env* const environment = open_environment(directory, MDB_RDONLY | MDB_NORDAHEAD);
    return held(environment, closed_at_end(environment));
}

std::unique_ptr<Reader> lmdb_request_reader(const std::filesystem::path& directory) {
    MDB_env* const environment = open_environment(directory, MDB_RDONLY | MDB_NORDAHEAD);
    return std::make_unique<RequestReader>(
        std::make_unique<ReadTransaction>(environment, closed_at_end(environment)));
}

namespace {

std::function<std::unique_ptr<Writer>()> writers(const std::filesystem::path& directory,
                                                 unsigned flags) {
    MDB_env* const environment = open_environment(directory, flags | MDB_NORDAHEAD);
    std::shared_ptr<void> keep = closed_at_end(environment);
    MDB_txn* transaction = nullptr;
    MDB_dbi table = 0;
    check(mdb_txn_begin(environment, nullptr, 0, &transaction), "mdb_txn_begin");
    check(mdb_dbi_open(transaction, nullptr, 0, &table), "mdb_dbi_open");
    check(mdb_txn_commit(transaction), "mdb_txn_commit");
    return [environment, table, keep] {
        return std::make_unique<LmdbWriter>(environment, table, keep);
    };
}

}  // namespace

std::unique_ptr<Writer> lmdb_attach_writer(const std::filesystem::path& directory) {
    return writers(directory, MDB_NOSYNC | MDB_WRITEMAP)();
}

std::function<std::unique_ptr<Writer>()> lmdb_durable(const std::filesystem::path& directory) {
    return writers(directory, 0);
}

std::string lmdb_version() { return mdb_version(nullptr, nullptr, nullptr); }

}  // namespace strata::bench

#else

namespace strata::bench {

struct LmdbStore::State {};

namespace {
const char* const absent = "liblmdb-dev was not there at build time";
}

LmdbStore::LmdbStore(const std::filesystem::path&, const Dataset&) { throw NotRun(absent); }
LmdbStore::~LmdbStore() = default;
std::unique_ptr<Reader> LmdbStore::held_reader() { throw NotRun(absent); }
std::unique_ptr<Reader> LmdbStore::renewed_reader() { throw NotRun(absent); }
std::unique_ptr<Writer> LmdbStore::writer() { throw NotRun(absent); }
std::uint64_t LmdbStore::file_bytes() const { return 0; }
void LmdbStore::copy_to(const std::filesystem::path&) const { throw NotRun(absent); }
std::uint64_t LmdbStore::scan(std::uint64_t (*)(const std::byte*) noexcept) {
    throw NotRun(absent);
}
std::unique_ptr<Reader> lmdb_attach_reader(const std::filesystem::path&) { throw NotRun(absent); }
std::unique_ptr<Reader> lmdb_request_reader(const std::filesystem::path&) { throw NotRun(absent); }
std::unique_ptr<Writer> lmdb_attach_writer(const std::filesystem::path&) { throw NotRun(absent); }
std::function<std::unique_ptr<Writer>()> lmdb_durable(const std::filesystem::path&) {
    throw NotRun(absent);
}
std::string lmdb_version() { return absent; }

}  // namespace strata::bench

#endif
