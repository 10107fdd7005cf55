// SPDX-License-Identifier: Apache-2.0
#include "strata/consumer.hpp"

#include <cerrno>
#include <utility>

#include "consumer/session.hpp"
#include "ipc/failure.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/os.hpp"

namespace strata {

using consumer_impl::Session;

namespace {

using SessionPointer = std::unique_ptr<Session, void (*)(Session*)>;
using Clock = std::chrono::steady_clock;

ipc::Trust trust_of(const ConsumerOptions& options) {
    switch (options.trusted_owner) {
        case TrustedOwner::anybody: return {.any_owner = true, .owner = 0};
        case TrustedOwner::user: return {.any_owner = false, .owner = options.owner};
        case TrustedOwner::self_or_root: break;
    }
    return {.any_owner = false, .owner = ipc::os::effective_user()};
}

SessionPointer attach_once(std::string_view name, const ConsumerOptions& options) {
    const ipc::Trust trust = trust_of(options);
    for (;;) {
        auto store = ipc::open_store_directory(options.base_path, name, trust,
                                               ipc::operation_on("attach", name));
        const ipc::os::FileStatus directory = store.status;
        try {
            return {new Session(std::move(store), options, trust), &Session::release};
        } catch (const Error& error) {
            // Removed or replaced between the look at the name and that at the files: look again.
            if (error.code() != Errc::not_a_store ||
                ipc::is_named(options.base_path, name, directory)) {
                throw;
            }
        }
    }
}

// Sleeps until something may have appeared in the base directory, or in the nearest directory above
// that exists. False when the deadline passes.
bool wait_for_directory(const std::filesystem::path& base, Clock::time_point deadline,
                        ipc::FileDescriptor& watch) {
    if (!watch) {
        std::filesystem::path at = std::filesystem::absolute(base);
        for (;;) {
            auto opened = ipc::os::watch_directory(at.string());
            if (opened) {
                watch = std::move(opened.value);
                return true;  // look again: it may have appeared before the watch stood
            }
            if ((opened.error != ENOENT && opened.error != ENOTDIR) || at == at.parent_path()) {
                // No watches to be had (EACCES, EMFILE): look again after a while.
                const auto pause = Clock::now() + std::chrono::milliseconds(20);
                ipc::os::wait_readable(-1, std::min(deadline, pause));
                return Clock::now() < deadline;
            }
            at = at.parent_path();
        }
    }
    const bool fired = ipc::os::wait_readable(watch.get(), deadline);
    watch.reset();  // the base directory may just have been made: choose the place to watch anew
    return fired;
}

SessionPointer attach_session(std::string_view name, const ConsumerOptions& options) {
    if (options.wait_for_store <= std::chrono::milliseconds::zero()) {
        return attach_once(name, options);
    }
    const auto deadline = Clock::now() + options.wait_for_store;
    ipc::FileDescriptor watch;
    for (;;) {
        try {
            return attach_once(name, options);
        } catch (const Error& error) {
            if (error.code() != Errc::store_not_found || Clock::now() >= deadline) {
                throw;
            }
        }
        if (!wait_for_directory(options.base_path, deadline, watch)) {
            return attach_once(name, options);
        }
    }
}

}  // namespace

std::string_view to_string(WaitResult result) noexcept {
    switch (result) {
        case WaitResult::changed: return "changed";
        case WaitResult::timeout: return "timeout";
        case WaitResult::producer_gone: return "producer_gone";
        case WaitResult::store_replaced: return "store_replaced";
    }
    return "unknown";
}

Consumer Consumer::attach(std::string_view name, const ConsumerOptions& options) {
    return Consumer(attach_session(name, options));
}

Consumer::Consumer(SessionPointer session) : session_(std::move(session)) {}
Consumer::Consumer(Consumer&&) noexcept = default;
Consumer& Consumer::operator=(Consumer&&) noexcept = default;
Consumer::~Consumer() = default;

Snapshot Consumer::snapshot() { return consumer_impl::Access::make(session_->take()); }

Snapshot Consumer::snapshot(Generation generation) {
    return consumer_impl::Access::make(session_->take_retained(generation));
}

std::pair<Generation, Generation> Consumer::retained() const noexcept {
    try {
        const Snapshot newest = consumer_impl::Access::make(session_->take());
        return {consumer_impl::Access::view_of(newest)->root.oldest_retained, newest.generation()};
    } catch (...) {  // a damaged store retains nothing
        return {0, 0};
    }
}

Generation Consumer::generation() const noexcept {
    return ipc::load_acquire(session_->control().cells().generation);
}

WaitResult Consumer::wait(Generation seen, std::chrono::nanoseconds timeout) const {
    const auto now = Clock::now();
    const bool forever =
        timeout < std::chrono::nanoseconds::zero() || timeout > Clock::time_point::max() - now;
    return session_->wait(seen, forever ? std::nullopt : std::optional(now + timeout));
}

int Consumer::event_descriptor() { return session_->event_descriptor(); }
Generation Consumer::acknowledge_event() { return session_->acknowledge_event(); }

bool Consumer::producer_alive() const { return producer_pid().has_value(); }

std::optional<std::int64_t> Consumer::producer_pid() const {
    return ipc::find_producer(session_->control().file().get());
}

bool Consumer::store_replaced() const { return session_->replaced(); }

void Consumer::reattach() {
    session_ = attach_session(session_->store().name, session_->options());
}

const std::string& Consumer::name() const noexcept { return session_->store().name; }

const std::filesystem::path& Consumer::path() const noexcept { return session_->path(); }

}  // namespace strata
