// SPDX-License-Identifier: Apache-2.0
// Where the root record of a retained or bookmarked generation lies. Callers hold a pin and, unless
// the answer is confirmed, compare the epoch afterwards, as for the newest root
// (docs/reclamation.md, C17).
#pragma once

#include <cstdint>
#include <string_view>

#include "consumer/attachment/attachment.hpp"
#include "ipc/files/control_file.hpp"
#include "ipc/format/layout.hpp"
#include "strata/types.hpp"

namespace strata::consumer_impl {

struct RetainedRoot {
    std::uint64_t offset = 0;  ///< of its record
    bool confirmed = false;    ///< the pin is known to protect it
};

/// The oldest generation that can be asked for while `newest` is the newest one.
Generation oldest_retained(const ipc::ControlFile& control, const ipc::RootRecord& newest) noexcept;

/// Where the root record of `generation` is, or of another one whose number has taken its slot: the
/// caller compares. Throws generation_not_retained, and what ControlFile::root_at throws.
RetainedRoot retained_root(const ipc::ControlFile& control, Generation generation,
                           std::uint64_t pinned_epoch, std::string_view operation);

/// Where the newest root record is that was published at `time_ns` or before. Throws as above.
RetainedRoot root_current_at(const ipc::ControlFile& control, std::int64_t time_ns,
                             std::uint64_t pinned_epoch, std::string_view operation);

/// Where the root record of a bookmark is. Confirmed by a pin that is no older than the bookmark:
/// removing it leaves it pinned for the readers that were there (C25). Throws bookmark_not_found,
/// corrupt, and what ipc::read_bookmarks throws.
struct BookmarkedRoot {
    RetainedRoot root{};
    Generation generation = 0;
};
BookmarkedRoot bookmarked_root(const Attachment& attachment, std::string_view name,
                               std::uint64_t pinned_epoch);

}  // namespace strata::consumer_impl
