// SPDX-License-Identifier: Apache-2.0
// The audit log of a command that changes something: `--audit`, or STRATA_AUDIT_LOG.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "console.hpp"

namespace strata::tools {

/// Null: none is wanted. Opened, or made, by the first call: a command that only looks at stores
/// must not call it.
std::shared_ptr<AuditLog> audit_log(const Settings& settings);

/// `work()` of a store that is no producer's, as the log is told: `what` and what came of it.
void audited(const Settings& settings, const char* what, const std::filesystem::path& store,
             const std::function<void()>& work);

/// At the end: says on standard error what the log lacks.
void finish_audit(const Settings& settings);

}  // namespace strata::tools
