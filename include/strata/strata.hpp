// SPDX-License-Identifier: Apache-2.0
// Everything that a user of strata needs, in one include.
#pragma once

// First: it says what is missing before anything else fails.
// clang-format off
#include "strata/version.hpp"  // IWYU pragma: export
// clang-format on

#include "strata/audit_log.hpp"           // IWYU pragma: export
#include "strata/batch.hpp"               // IWYU pragma: export
#include "strata/bookmark.hpp"            // IWYU pragma: export
#include "strata/buffered_directory.hpp"  // IWYU pragma: export
#include "strata/changes.hpp"             // IWYU pragma: export
#include "strata/consumer.hpp"            // IWYU pragma: export
#include "strata/context_index.hpp"       // IWYU pragma: export
#include "strata/core_dimensions.hpp"     // IWYU pragma: export
#include "strata/crystallizer.hpp"        // IWYU pragma: export
#include "strata/error.hpp"               // IWYU pragma: export
#include "strata/inspect.hpp"             // IWYU pragma: export
#include "strata/layer.hpp"               // IWYU pragma: export
#include "strata/leftovers.hpp"           // IWYU pragma: export
#include "strata/mapped_directory.hpp"    // IWYU pragma: export
#include "strata/printable.hpp"           // IWYU pragma: export
#include "strata/producer.hpp"            // IWYU pragma: export
#include "strata/proto_dimension.hpp"     // IWYU pragma: export
#include "strata/read_guard.hpp"          // IWYU pragma: export
#include "strata/readers.hpp"             // IWYU pragma: export
#include "strata/result.hpp"              // IWYU pragma: export
#include "strata/rollback.hpp"            // IWYU pragma: export
#include "strata/snapshot.hpp"            // IWYU pragma: export
#include "strata/statistics.hpp"          // IWYU pragma: export
#include "strata/store.hpp"               // IWYU pragma: export
#include "strata/store_watch.hpp"         // IWYU pragma: export
#include "strata/text_values.hpp"         // IWYU pragma: export
#include "strata/types.hpp"               // IWYU pragma: export
#include "strata/verify.hpp"              // IWYU pragma: export
