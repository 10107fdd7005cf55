// SPDX-License-Identifier: Apache-2.0
// What an audit log records of a report.
#pragma once

#include <utility>

#include "strata/audit_log.hpp"

namespace strata::volume_impl {

/// Copies the numbers of `report`, which it returns, to `told`. For transfers, backups and
/// restores.
template <class Report>
Report told_of(AuditEntry& told, Report report) {
    told.generation = report.generation;
    told.dimensions = report.dimensions;
    told.layers = report.layers;
    told.bytes = report.content_bytes;
    return report;
}

}  // namespace strata::volume_impl
