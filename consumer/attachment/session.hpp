// SPDX-License-Identifier: Apache-2.0
// One attachment and all that belongs to it: the open store, the views of its generations, and the
// waiters for the next one. It lives until its Consumer and the last Snapshot are gone.
#pragma once

#include <cstdint>

#include "consumer/attachment/attachment.hpp"
#include "consumer/attachment/notifier.hpp"
#include "consumer/lookup/dimension_names.hpp"
#include "consumer/views/view.hpp"
#include "consumer/views/view_pool.hpp"
#include "ipc/fork_hooks.hpp"

namespace strata::consumer_impl {

class Session final : private ipc::ForkHook {
public:
    /// Opens and checks the control file. Throws what ControlFile throws.
    Session(ipc::StoreDirectory store, const ConsumerOptions& options, const ipc::Trust& trust);
    /// The Consumer is done with it: the session ends now, or with its last snapshot.
    static void release(Session* session) noexcept;
    /// Settles the session with that number, if it still exists: closes what can be closed, and
    /// ends the session if that was all it waited for.
    static void settle(std::uint64_t number) noexcept;

    std::uint64_t number() const noexcept { return number_; }
    const Attachment& attachment() const noexcept { return attachment_; }
    const ipc::StoreDirectory& store() const noexcept { return attachment_.store; }
    const ipc::ControlFile& control() const noexcept { return attachment_.control; }
    ViewPool& views() noexcept { return views_; }
    Notifier& notifier() noexcept { return notifier_; }
    DimensionNames& names() noexcept { return names_; }

    /// What is known of a dimension in a view, mapping its file if need be; null if the generation
    /// has none. Throws Error, std::bad_alloc.
    CachedDimension* dimension_of(View& view, Dimension dimension) {
        const LookupEntry* const known = view.entry_of(dimension).entry;
        return known != nullptr ? known->version.load(std::memory_order_relaxed)
                                : views_.touch(view, dimension);
    }

private:
    ~Session();

    void prepare_fork() noexcept override;
    void parent_after_fork() noexcept override;
    void child_after_fork() noexcept override;

    // By number, for those who release the last hold and cannot know whether the session has ended
    // meanwhile. Guarded by ProcessLock::sessions.
    static Session* first_session;
    Session* next_session_ = nullptr;

    const std::uint64_t number_;  // never used twice in a process
    const Attachment attachment_;
    ViewPool views_;
    Notifier notifier_;
    DimensionNames names_;
};

}  // namespace strata::consumer_impl
