// SPDX-License-Identifier: Apache-2.0
#include "producer/commit/committer.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/format/layout.hpp"

namespace strata::producer_impl {

Generation Committer::commit(BatchState& batch) {
    if (batch.size() == 0) {
        return current();
    }
    if (const Generation next = parts_.current.next_number(); next >= ipc::generation_end) {
        throw Error(
            {.code = Errc::limit_exceeded,
             .operation = ipc::operation_on("crystallize", parts_.directory.name),
             .path = parts_.directory.path,
             .detail = "there are no generations beyond " + std::to_string(ipc::generation_end - 1),
             .hint = "publish its content in a new store",
             .needed = next,
             .limit = ipc::generation_end - 1,
             .current = next - 1});
    }
    parts_.durability.admit(parts_.current.next_number());
    batch.follow_relocations();
    std::int64_t now_ns = 0;
    {
        Commit commit(parts_, scratch_, batch);
        STRATA_CRASH_POINT("commit.begin");
        if (!commit.build()) {
            batch.clear();
            return current();
        }
        now_ns = commit.published_at_ns();
        check_name(now_ns);
        commit.prepare_publishing();
        commit.publish();
        for (Region* const region : commit.entered_regions()) {
            statistics_.write_first_table(*region, now_ns);
        }
    }
    STRATA_CRASH_POINT("commit.published");
    batch.forget();
    try {
        parts_.memory.reclaim_portion(now_ns, portion(now_ns));
    } catch (const std::bad_alloc&) {  // what is published must not look refused: the next commit
                                       // reclaims
    }
    STRATA_CRASH_POINT("commit.reclaimed");
    statistics_.write(now_ns);
    return current();
}

// Blocks to examine after a commit: more than it has retired, so that a scan ends before the next
// query; and one for each microsecond since the last commit, so that a producer that commits rarely
// soon frees what a reader has released.
std::size_t Committer::portion(std::int64_t now_ns) noexcept {
    constexpr std::int64_t ns_per_block = 1000;
    constexpr std::int64_t most_for_idleness = 512;  // some 20 us
    const std::int64_t idle_ns = now_ns - std::exchange(last_commit_ns_, now_ns);
    return 16 + 2 * scratch_.trail.retired.size() +
           static_cast<std::size_t>(
               std::clamp<std::int64_t>(idle_ns / ns_per_block, 0, most_for_idleness));
}

// Now and then, for new consumers never see what is published in files that have lost their name.
void Committer::check_name(std::int64_t now_ns) {
    constexpr std::int64_t period_ns = 100'000'000;
    if (now_ns >= last_name_check_ns_ && now_ns - last_name_check_ns_ < period_ns) {
        return;
    }
    // Unknown: the next query tells.
    if (ipc::is_replaced(parts_.directory, parts_.control.region().file()).value) {
        ipc::fail(Errc::store_replaced, ipc::operation_on("crystallize", parts_.directory.name),
                  parts_.directory.path,
                  "the store was removed, or another one stands under its name",
                  "create it anew; attached consumers read what was published before");
    }
    last_name_check_ns_ = now_ns;
}

}  // namespace strata::producer_impl
