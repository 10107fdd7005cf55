// SPDX-License-Identifier: Apache-2.0
#include "audit.hpp"

#include <cstdio>
#include <system_error>

namespace strata::tools {

std::shared_ptr<AuditLog> audit_log(const Settings& settings) {
    if (!settings.audit.empty() && !settings.audit_log) {
        settings.audit_log =
            std::make_shared<AuditLog>(AuditOptions{.path = settings.audit, .commits = true});
    }
    return settings.audit_log;
}

void audited(const Settings& settings, const char* what, const std::filesystem::path& store,
             const std::function<void()>& work) {
    const std::shared_ptr<AuditLog> log = audit_log(settings);
    AuditEntry entry{.operation = what, .store = store.native()};
    try {
        work();
    } catch (const Error& error) {
        if (log) {
            entry.result = to_string(error.code());
            log->record(entry);
        }
        throw;
    }
    if (log) {
        log->record(entry);
    }
}

void finish_audit(const Settings& settings) {
    if (!settings.audit_log) {
        return;
    }
    settings.audit_log->flush();
    const AuditStatistics statistics = settings.audit_log->statistics();
    if (statistics.dropped != 0) {
        std::fprintf(stderr, "strata: note: %llu entries are not in the audit log %s: %s\n",
                     static_cast<unsigned long long>(statistics.dropped),
                     printable(settings.audit.string()).c_str(),
                     std::system_category().message(statistics.last_errno).c_str());
    }
}

}  // namespace strata::tools
