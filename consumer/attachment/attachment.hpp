// SPDX-License-Identifier: Apache-2.0
// The store that a consumer has opened: what does not change while it is attached.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ipc/files/bookmarks_file.hpp"
#include "ipc/files/control_file.hpp"
#include "ipc/files/store_files.hpp"
#include "strata/consumer.hpp"

namespace strata::consumer_impl {

struct Attachment {
    Attachment(ipc::StoreDirectory opened, const ConsumerOptions& options, const ipc::Trust& trust);

    /// Whether the name now belongs to another store, or to none. If unknown, the last answer.
    bool replaced() const;
    /// If unknown, true: it may be alive, so a wait goes on.
    bool producer_alive() const noexcept;
    /// As the file is now. Throws what ipc::read_bookmarks throws.
    std::vector<ipc::BookmarkRecord> read_bookmarks() const;

    const ConsumerOptions options;
    const ipc::Trust trust;
    const ipc::StoreDirectory store;
    const std::filesystem::path path;
    const std::string operation;  ///< "read NAME", for errors
    const ipc::ControlFile control;
};

}  // namespace strata::consumer_impl
