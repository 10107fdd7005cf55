// SPDX-License-Identifier: Apache-2.0
#include "consumer/attachment/session.hpp"

#include <mutex>
#include <utility>

#include "ipc/crash_point.hpp"

namespace strata::consumer_impl {

namespace {

std::mutex& registry_mutex() noexcept { return ipc::process_mutex(ipc::ProcessLock::sessions); }

// Numbers of sessions, never given out twice in a process. Guarded by the registry's mutex.
constinit std::uint64_t last_number = 0;

std::uint64_t next_number() {
    const std::lock_guard lock(registry_mutex());
    return ++last_number;
}

}  // namespace

constinit Session* Session::first_session = nullptr;

Session::Session(ipc::StoreDirectory store, const ConsumerOptions& options, const ipc::Trust& trust)
    : number_(next_number()),
      attachment_(std::move(store), options, trust),
      views_(*this, attachment_, number_),
      notifier_(attachment_, views_) {
    register_hook();
    const std::lock_guard lock(registry_mutex());
    next_session_ = std::exchange(first_session, this);
}

Session::~Session() { unregister_hook(); }

void Session::release(Session* session) noexcept {
    const std::uint64_t number = session->number_;
    session->notifier_.stop();  // its thread uses the rest
    session->views_.release();
    // From here on the session may be gone: the thread that drops the last snapshot settles it too.
    STRATA_CRASH_POINT("session.released");
    settle(number);
}

void Session::settle(std::uint64_t number) noexcept {
    Session* ended = nullptr;
    STRATA_CRASH_POINT("session.told");
    {
        const std::lock_guard lock(registry_mutex());
        Session** link = &first_session;
        while (*link != nullptr && (*link)->number_ != number) {
            link = &(*link)->next_session_;
        }
        if (*link == nullptr) {
            return;
        }
        if ((*link)->views_.settle()) {
            ended = std::exchange(*link, (*link)->next_session_);
        }
    }
    STRATA_CRASH_POINT("session.settled");
    delete ended;
}

// The registry's mutex is held by the handlers.
void Session::prepare_fork() noexcept {
    views_.prepare_fork();
    notifier_.prepare_fork();
    names_.prepare_fork();
}

void Session::parent_after_fork() noexcept {
    names_.after_fork();
    notifier_.parent_after_fork();
    views_.parent_after_fork();
}

void Session::child_after_fork() noexcept {
    names_.after_fork();
    notifier_.child_after_fork();
    views_.child_after_fork();
}

}  // namespace strata::consumer_impl
