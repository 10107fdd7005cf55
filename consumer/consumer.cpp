// SPDX-License-Identifier: Apache-2.0
#include "strata/consumer.hpp"

#include <cerrno>
#include <utility>

#include "consumer/attachment/session.hpp"
#include "consumer/views/retained_roots.hpp"
#include "ipc/caught.hpp"
#include "ipc/deadline.hpp"
#include "ipc/failure.hpp"
#include "ipc/files/life_file.hpp"
#include "ipc/os.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

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
            // Removed or replaced between opening the name and opening the files: try again.
            if (error.code() != Errc::not_a_store) {
                throw;
            }
            const auto named = ipc::is_named(options.base_path, name, directory);
            if (!named || named.value) {
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
                return true;  // try again: it may have appeared before the watch was set up
            }
            if ((opened.error != ENOENT && opened.error != ENOTDIR) || at == at.parent_path()) {
                // No watches available (EACCES, EMFILE): check again after a while.
                const auto pause = Clock::now() + std::chrono::milliseconds(20);
                ipc::os::wait_readable(-1, std::min(deadline, pause));
                return Clock::now() < deadline;
            }
            at = at.parent_path();
        }
    }
    const bool fired = ipc::os::wait_readable(watch.get(), deadline);
    watch.reset();  // the base directory may just have been created: choose again what to watch
    return fired || Clock::now() < deadline;
}

SessionPointer attach_session(std::string_view name, const ConsumerOptions& options) {
    if (options.wait_for_store <= std::chrono::milliseconds::zero()) {
        return attach_once(name, options);
    }
    const auto deadline = ipc::deadline_after(options.wait_for_store);
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
        case WaitResult::cancelled: return "cancelled";
    }
    return "unknown";
}

Consumer Consumer::attach(std::string_view name, const ConsumerOptions& options) {
    return Consumer(attach_session(name, options));
}

Result<Consumer> Consumer::attach(std::nothrow_t, std::string_view name,
                                  const ConsumerOptions& options) noexcept {
    return ipc::caught("attach", [&] { return attach(name, options); });
}

Consumer::Consumer(SessionPointer session) : session_(std::move(session)) {}
Consumer::Consumer(Consumer&&) noexcept = default;
Consumer& Consumer::operator=(Consumer&&) noexcept = default;
Consumer::~Consumer() = default;

consumer_impl::Session& Consumer::session() const noexcept {
    return ipc::part_of(session_, "Consumer");
}

Snapshot Consumer::snapshot() { return consumer_impl::Access::make(session().views().take()); }

Snapshot Consumer::snapshot(Generation generation) {
    return consumer_impl::Access::make(session().views().take_retained(generation));
}

Snapshot Consumer::snapshot_at(std::chrono::system_clock::time_point time) {
    const auto since_epoch = std::chrono::nanoseconds(time.time_since_epoch());
    return consumer_impl::Access::make(session().views().take_at(since_epoch.count()));
}

Snapshot Consumer::snapshot_at(std::string_view bookmark) {
    return consumer_impl::Access::make(session().views().take_bookmark(bookmark));
}

std::vector<Bookmark> Consumer::bookmarks() const {
    return ipc::standing_bookmarks(session().attachment().read_bookmarks());
}

Result<Snapshot> Consumer::snapshot(std::nothrow_t) noexcept {
    return ipc::caught("take a snapshot", [&] { return snapshot(); });
}

Result<Snapshot> Consumer::snapshot(std::nothrow_t, Generation generation) noexcept {
    return ipc::caught("take a snapshot", [&] { return snapshot(generation); });
}

std::pair<Generation, Generation> Consumer::retained() const noexcept {
    try {
        const Snapshot newest = consumer_impl::Access::make(session().views().take());
        const ipc::RootRecord& root = consumer_impl::Access::view_of(newest)->root;
        return {consumer_impl::oldest_retained(session().control(), root), root.generation};
    } catch (...) {  // a damaged store retains nothing
        return {0, 0};
    }
}

Generation Consumer::durable_generation() const {
    const ipc::ControlCells& cells = session().control().cells();
    // Acquire; partners: the release stores of Durability. First the failure, which comes later.
    const std::uint64_t failure = ipc::load_acquire(cells.durability) >> 8;
    const Generation durable = ipc::load_acquire(cells.durable);
    if (failure != 0) {
        throw Error({.code = Errc::durability_lost,
                     .operation = ipc::operation_on("read", session().store().name),
                     .path = session().store().path,
                     .detail = "a flush of the producer failed; generation " +
                               std::to_string(durable) +
                               " is the last that survives a power failure",
                     .errno_value = static_cast<int>(failure),
                     .current = durable});
    }
    return durable;
}

Generation Consumer::generation() const noexcept {
    return ipc::load_acquire(session().control().cells().generation);
}

WaitResult Consumer::wait(Generation seen, const WaitOptions& options) const {
    return session().notifier().wait(seen, options);
}

int Consumer::event_descriptor() { return session().notifier().event_descriptor().get(); }
Generation Consumer::acknowledge_event() { return session().notifier().acknowledge_event(); }

bool Consumer::producer_alive() const { return producer_pid().has_value(); }

std::optional<std::int64_t> Consumer::producer_pid() const {
    return ipc::producer_pid(session().store(), session().control(),
                             ipc::operation_on("look for the producer of", name()));
}

bool Consumer::store_replaced() const {
    const auto replaced = ipc::is_replaced(session().store(), session().control().file());
    if (!replaced) {
        ipc::fail_errno(replaced.error, ipc::operation_on("look at", name()), path().string(),
                        "cannot find out whether it was replaced");
    }
    return replaced.value;
}

void Consumer::reattach() {
    SessionPointer next = attach_session(session().store().name, session().attachment().options);
    next->notifier().continue_acknowledging(session().notifier());
    session_ = std::move(next);
}

ConsumerStatistics Consumer::statistics() const noexcept { return session().views().statistics(); }

const std::string& Consumer::name() const noexcept { return session().store().name; }

const std::filesystem::path& Consumer::path() const noexcept { return session().attachment().path; }

}  // namespace strata::inline STRATA_ABI_NAMESPACE
