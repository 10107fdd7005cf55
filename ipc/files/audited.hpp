// SPDX-License-Identifier: Apache-2.0
// Runs an operation and tells an audit log, if there is one, what came of it.
#pragma once

#include <memory>
#include <utility>

#include "ipc/thread_annotations.hpp"
#include "strata/audit_log.hpp"
#include "strata/error.hpp"

namespace strata::ipc {

/// `work(entry)` does it and completes the entry; what it throws propagates, and is recorded by its
/// code (`failed`: no Error). If it empties `entry.operation` there is nothing to tell. Whatever
/// lock `work` says that it needs, the caller holds.
template <class Work>
auto audited(const std::shared_ptr<AuditLog>& log, AuditEntry entry,
             Work&& work) STRATA_NO_THREAD_ANALYSIS {
    const auto tell = [&](std::string_view result) noexcept {
        if (log && !entry.operation.empty()) {
            entry.result = result;
            log->record(entry);
        }
    };
    try {
        auto done = std::forward<Work>(work)(entry);
        tell("ok");
        return done;
    } catch (const Error& error) {
        tell(to_string(error.code()));
        throw;
    } catch (...) {
        tell("failed");
        throw;
    }
}

}  // namespace strata::ipc
