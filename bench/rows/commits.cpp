// SPDX-License-Identifier: Apache-2.0
// Commits by one producer, nobody waiting: one layer at a time and in batches, fresh and aged.
#include "bench/harness/clock.hpp"
#include "bench/harness/stats.hpp"
#include "bench/peers/lmdb.hpp"
#include "bench/peers/raw_writer.hpp"
#include "bench/peers/strata_store.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

/// Overwrites random layers for ever.
class Churn {
public:
    Churn(std::unique_ptr<Writer> writer, const Dataset& dataset)
        : writer_(std::move(writer)), layers_(dataset.layers), payload_(dataset.payload_bytes) {}

    void commit(std::size_t changes) {
        writer_->begin();
        for (std::size_t i = 0; i < changes; ++i) {
            const std::uint64_t key = reduce(mix(++serial_), layers_);
            fill_payload(key, serial_, payload_);
            writer_->put(key, payload_);
        }
        writer_->commit();
    }

    struct Times {
        double mean = 0, p50 = 0, p99 = 0;
    };
    /// ns per commit.
    Times time(std::size_t changes, double seconds) {
        std::vector<double> each;
        const Stopwatch watch;
        std::int64_t last = 0;
        do {
            commit(changes);
            const std::int64_t now = watch.ns();
            each.push_back(static_cast<double>(now - last));
            last = now;
        } while (static_cast<double>(last) < seconds * 1e9);
        return {static_cast<double>(last) / static_cast<double>(each.size()), median(each),
                quantile(each, 0.99)};
    }

private:
    std::unique_ptr<Writer> writer_;
    std::uint64_t layers_;
    std::vector<std::byte> payload_;
    std::uint64_t serial_ = 0;
};

/// What all commit rows of one size share.
class Field {
public:
    Field(Context& context, const Dataset& dataset)
        : context_(context),
          dataset_(dataset),
          scratch_(context, "commits"),
          store_(scratch_.path(), dataset),
          strata_(strata_writer(store_.producer()), dataset),
          raw_(raw_writer(dataset), dataset) {
        try {
            lmdb_store_ = std::make_unique<LmdbStore>(scratch_.path() / "lmdb", dataset);
            lmdb_ = std::make_unique<Churn>(lmdb_store_->writer(), dataset);
        } catch (const NotRun& reason) {
            lmdb_absent_ = reason.what();
        }
    }

    /// As much churn as makes LMDB's free list and our allocator look as after hours.
    void age() {
        const std::uint64_t commits = context_.quick() ? 50'000 : dataset_.layers * 2 + 100'000;
        for (std::uint64_t i = 0; i < commits; ++i) {
            strata_.commit(1);
            if (lmdb_) {
                lmdb_->commit(1);
            }
        }
    }

    /// Mean, p50 and p99 of the same commits: three rows.
    void single(const std::string& state, double budget) {
        const std::string stem = "commit/single/" + std::to_string(dataset_.layers) + "/" + state;
        if (!context_.wants(stem)) {
            return;
        }
        Row mean{.name = stem, .title = "one commit of one layer, mean over all", .unit = "ns"};
        Row p50{.name = stem + "/p50", .title = "one commit of one layer, median", .unit = "ns"};
        Row p99{.name = stem + "/p99",
                .title = "one commit of one layer, 99th percentile",
                .unit = "ns"};
        mean.at_least(budget, "LMDB", "strata");
        p50.at_least(budget, "LMDB", "strata");
        const auto entrant = [&](const char* who, Role role, Churn* churn) {
            p50.contestant(who, role);
            p99.contestant(who, role);
            return Entrant{who, role, [&, who, role, churn] {
                               if (churn == nullptr) {
                                   throw NotRun(lmdb_absent_);
                               }
                               const auto times = churn->time(1, context_.round_seconds());
                               if (!context_.warming_up()) {
                                   p50.value(who, role, times.p50);
                                   p99.value(who, role, times.p99);
                               }
                               return times.mean;
                           }};
        };
        std::vector<Entrant> entrants;
        entrants.push_back(entrant("strata", Role::strata, &strata_));
        entrants.push_back(entrant("LMDB", Role::peer, lmdb_.get()));
        entrants.push_back(entrant("in place + futex", Role::ceiling, &raw_));
        run_rounds(context_, mean, entrants);
        p50.others_busy = p99.others_busy = mean.others_busy;
        context_.finish(std::move(mean));
        context_.finish(std::move(p50));
        context_.finish(std::move(p99));
    }

    void batches() {
        for (const std::size_t changes : {10U, 100U, 1000U}) {
            const std::string name =
                "commit/batch/" + std::to_string(dataset_.layers) + "/" + std::to_string(changes);
            if (!context_.wants(name)) {
                continue;
            }
            Row row{.name = name,
                    .title = "one layer of a batch of " + std::to_string(changes),
                    .unit = "ns"};
            if (changes == 1000) {
                row.at_least(3, "LMDB", "strata");
            }
            const auto entrant = [&](const char* who, Role role, Churn* churn) {
                return Entrant{who, role, [&, churn, changes] {
                                   if (churn == nullptr) {
                                       throw NotRun(lmdb_absent_);
                                   }
                                   return churn->time(changes, context_.round_seconds()).mean /
                                          static_cast<double>(changes);
                               }};
            };
            std::vector<Entrant> entrants;
            entrants.push_back(entrant("strata", Role::strata, &strata_));
            entrants.push_back(entrant("LMDB", Role::peer, lmdb_.get()));
            entrants.push_back(entrant("in place + futex", Role::ceiling, &raw_));
            run_rounds(context_, row, entrants);
            context_.finish(std::move(row));
        }
    }

private:
    Context& context_;
    Dataset dataset_;
    ScratchDirectory scratch_;
    StrataStore store_;
    Churn strata_;
    Churn raw_;
    std::unique_ptr<LmdbStore> lmdb_store_;
    std::unique_ptr<Churn> lmdb_;
    std::string lmdb_absent_;
};

}  // namespace

void run_commits(Context& context) {
    for (const std::uint64_t layers : {10'000U, 1'000'000U}) {
        const std::string tail = std::to_string(layers);
        if (!context.wants("commit/single/" + tail) && !context.wants("commit/batch/" + tail)) {
            continue;
        }
        Field field(context, {layers, 256});
        field.single("fresh", 1);
        field.batches();
        if (context.wants("commit/single/" + tail + "/aged")) {
            field.age();
            field.single("aged", 3);
        }
    }
}

}  // namespace strata::bench
