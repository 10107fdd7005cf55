// SPDX-License-Identifier: Apache-2.0
// The groups of rows. Each runs those of its rows that the context wants.
#pragma once

#include <span>

#include "bench/harness/context.hpp"

namespace strata::bench {

void run_reads(Context& context);
void run_shapes(Context& context);
void run_snapshots(Context& context);
void run_commits(Context& context);
void run_durable(Context& context);
void run_volumes(Context& context);
void run_attach(Context& context);
void run_restart(Context& context);
void run_index_memory(Context& context);
void run_latency(Context& context);
void run_readers(Context& context);
void run_scan(Context& context);
void run_churn(Context& context);
void run_kill(Context& context);
void run_waiters(Context& context);
void run_consumer_memory(Context& context);
void run_retention(Context& context);
void run_ycsb(Context& context);
void run_growth(Context& context);
void run_mapped(Context& context);
// Parts of others.
void run_shaped_changes(Context& context);
void run_mapped_reads(Context& context);
void run_mapped_cold(Context& context);

struct Group {
    const char* name;
    const char* what;
    void (*run)(Context&);
};
std::span<const Group> all_groups();

}  // namespace strata::bench
