// SPDX-License-Identifier: Apache-2.0
#include "producer/ingest/ingest.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "ipc/deadline.hpp"
#include "ipc/failure.hpp"
#include "ipc/os.hpp"
#include "strata/producer.hpp"

namespace strata::producer_impl {

namespace {

const CrystallizerOptions& checked(const CrystallizerOptions& options) {
    if (options.queue_capacity < 1 || options.queue_capacity > 65534) {
        ipc::fail(Errc::invalid_argument, "make a crystallizer", "",
                  "queue_capacity is " + std::to_string(options.queue_capacity) +
                      ": it has to be from 1 to 65534");
    }
    if (options.max_changes < 1 || options.max_delay < std::chrono::microseconds::zero()) {
        ipc::fail(Errc::invalid_argument, "make a crystallizer", "",
                  "max_changes has to be 1 at least, and max_delay not negative");
    }
    return options;
}

constexpr std::size_t first_group = 1024;

// The crystallizer for which the calling thread commits, if it is such a thread.
thread_local constinit const Ingest* committing = nullptr;

bool wants_memory(const Error& error) noexcept {
    return error.code() == Errc::limit_exceeded || error.code() == Errc::no_space;
}

}  // namespace

LayerOptions IngestItem::options() const {
    return {.frequency = frequency,
            .keywords = {keywords.begin(), keywords.end()},
            .alignment = alignment,
            .type_tag = type_tag};
}

void IngestItem::finish(IngestResult outcome) {
    result = std::move(outcome);
    if (callback) {
        callback(id, result);
        callback = nullptr;
    }
    payload = {};
    // Release; partner: the acquire loads in IngestTicket.
    if (state.exchange(done, std::memory_order_acq_rel) == awaited) {
        ipc::os::futex_wake(reinterpret_cast<const std::uint32_t*>(&state));
    }
}

Ingest::Ingest(Batch batch, const CrystallizerOptions& options, const std::string& store_path)
    : options_(checked(options)),
      batch_(std::move(batch)),
      queue_(std::make_unique<ItemQueue>(options.queue_capacity)),
      out_of_memory_({.code = Errc::system,
                      .operation = "crystallize",
                      .detail = "out of private memory",
                      .errno_value = ENOMEM}) {
    // Here, where its want can be told: the thread has nobody to throw to.
    items_.reserve(options.queue_capacity);
    group_.reserve(std::min(options.max_changes, first_group));
    if (!thread_.start([this] { run(); })) {
        ipc::fail_errno(EAGAIN, "make a crystallizer", store_path, "cannot start its thread");
    }
}

Ingest::~Ingest() {
    if (!process_.of_this_process()) {  // a forked child: the thread is the parent's
        thread_.abandon();
        // Leaked on purpose: the parent's threads may have slept in it, and destroying a condition
        // variable waits for its sleepers.
        [[maybe_unused]] const auto* const leaked = queue_.release();
        return;
    }
    if (committing == this) {
        ipc::bug("a Crystallizer is destroyed in one of its own callbacks");
    }
    stop();
}

void Ingest::check_process(std::string_view operation) const {
    if (!process_.of_this_process()) {
        ipc::fail(Errc::wrong_process, operation, "",
                  "the crystallizer belongs to the process that forked this one");
    }
}

void Ingest::check_can_wait(const Ingest* owner, std::string_view operation) {
    if (owner != nullptr && committing == owner) {
        ipc::fail(
            Errc::would_deadlock, operation, "",
            "called in a callback of the same crystallizer, whose thread would wait for itself",
            "wait for it in another thread");
    }
}

IngestTicket Ingest::submit(ItemPointer item, bool wait) {
    check_process("submit");
    item->owner = this;
    IngestTicket ticket(item);
    bool blocked = false;
    const bool own_thread = committing == this;
    const auto pushed = queue_->push(item, wait && !own_thread, blocked);
    if (blocked) {
        blocked_.fetch_add(1, std::memory_order_relaxed);
    }
    if (pushed == ItemQueue::Pushed::closed) {
        ipc::fail(Errc::invalid_argument, "submit", "", "the crystallizer was stopped");
    }
    if (pushed == ItemQueue::Pushed::full) {
        refused_.fetch_add(1, std::memory_order_relaxed);
        if (wait) {
            check_can_wait(this, "submit");  // for room that only this thread can make
        }
        return {};
    }
    submitted_.fetch_add(ticket.item_->kind == IngestItem::Kind::flush ? 0 : 1,
                         std::memory_order_relaxed);
    return ticket;
}

Generation Ingest::flush() {
    check_can_wait(this, "flush");
    auto marker = std::make_shared<IngestItem>();
    marker->kind = IngestItem::Kind::flush;
    return submit(std::move(marker), true).wait();
}

void Ingest::stop() {
    check_process("stop");
    check_can_wait(this, "stop");
    const std::lock_guard lock(stop_mutex_);
    queue_->close();
    if (thread_.running()) {
        thread_.join();
    }
}

CrystallizerStats Ingest::stats() const {
    return {.submitted = submitted_.load(std::memory_order_relaxed),
            .published = published_.load(std::memory_order_relaxed),
            .failed = failed_.load(std::memory_order_relaxed),
            .refused = refused_.load(std::memory_order_relaxed),
            .blocked = blocked_.load(std::memory_order_relaxed),
            .commits = commits_.load(std::memory_order_relaxed)};
}

void Ingest::run() {
    committing = this;
    std::vector<ItemPointer>& items = items_;
    Group& group = group_;
    std::optional<ItemQueue::Clock::time_point> deadline;  // of the group that is being gathered
    bool more = true;
    while (more || !group.empty()) {
        items.clear();
        more = queue_->fetch(items, deadline);
        for (std::size_t at = 0; at < items.size();) {
            if (group.empty()) {
                deadline = ipc::deadline_after(options_.max_delay);
            }
            at = gather(items, at, group);
            if (at < items.size()) {
                commit(group);
            }
        }
        const bool full = group.size() >= options_.max_changes ||
                          group_bytes_ >= options_.max_bytes || group_urgent_;
        if (!group.empty() && (full || !more || ItemQueue::Clock::now() >= *deadline)) {
            commit(group);
        }
        if (group.empty()) {
            deadline.reset();
        }
    }
}

// Without memory the group is as large as it can be; it has room for one change at least.
bool Ingest::has_room(Group& group) noexcept {
    if (group.size() == group.capacity()) {
        try {
            group.reserve(2 * group.capacity());
        } catch (const std::bad_alloc&) {
            return false;
        }
    }
    return true;
}

// What went wrong, as a strata::Error whatever it was.
Error Ingest::error_of(const std::exception_ptr& exception) const noexcept {
    try {
        std::rethrow_exception(exception);
    } catch (const Error& error) {
        return error;
    } catch (const std::bad_alloc&) {
        return out_of_memory_;
    } catch (const std::exception& other) {
        try {
            return Error(
                {.code = Errc::system, .operation = "crystallize", .detail = other.what()});
        } catch (const std::bad_alloc&) {
            return out_of_memory_;
        }
    }
}

std::size_t Ingest::gather(std::vector<ItemPointer>& items, std::size_t from, Group& group) {
    while (from < items.size() && group.size() < options_.max_changes &&
           group_bytes_ < options_.max_bytes && has_room(group)) {
        group_bytes_ += items[from]->payload.size();
        group_urgent_ = group_urgent_ || items[from]->kind == IngestItem::Kind::flush;
        group.push_back(std::move(items[from]));
        ++from;
    }
    return from;
}

void Ingest::apply(const IngestItem& item) {
    switch (item.kind) {
        case IngestItem::Kind::put: batch_.put(item.id, item.payload, item.options()); break;
        case IngestItem::Kind::erase: batch_.erase(item.id); break;
        case IngestItem::Kind::flush: break;
    }
}

void Ingest::finish(const ItemPointer& item, IngestResult result) {
    if (item->kind != IngestItem::Kind::flush) {
        (result.error ? failed_ : published_).fetch_add(1, std::memory_order_relaxed);
    }
    item->finish(std::move(result));
}

void Ingest::commit(Group& group) {
    bool together = true;
    try {
        for (const ItemPointer& item : group) {
            apply(*item);
        }
        const bool anything = !batch_.empty();  // else somebody only flushes
        last_ = batch_.crystallize();
        commits_.fetch_add(anything ? 1 : 0, std::memory_order_relaxed);
    } catch (...) {
        together = false;
        batch_.clear();
    }
    if (together) {
        for (const ItemPointer& item : group) {
            finish(item, {.generation = last_, .error = std::nullopt});
        }
    } else {
        commit_singly(group);
    }
    group.clear();
    group_bytes_ = 0;
    group_urgent_ = false;
}

// Something in the group cannot be published: each change for itself, so that the error reaches the
// one whose change it is.
void Ingest::commit_singly(Group& group) {
    std::optional<Error> no_memory;  // the last answer to a put of no_memory_bytes
    std::size_t no_memory_bytes = 0;
    for (const ItemPointer& item : group) {
        const bool is_put = item->kind == IngestItem::Kind::put;
        if (no_memory && is_put && item->payload.size() >= no_memory_bytes) {
            // Asking again for as much would take as long as the first time, for each of them.
            finish(item, {.generation = 0, .error = no_memory});
            continue;
        }
        try {
            apply(*item);
            last_ = batch_.crystallize();
            commits_.fetch_add(item->kind == IngestItem::Kind::flush ? 0 : 1,
                               std::memory_order_relaxed);
            finish(item, {.generation = last_, .error = std::nullopt});
            if (item->kind == IngestItem::Kind::erase) {
                no_memory.reset();  // there may be room again
            }
        } catch (...) {
            batch_.clear();
            const Error error = error_of(std::current_exception());
            if (is_put && wants_memory(error)) {
                no_memory = error;
                no_memory_bytes = item->payload.size();
            }
            finish(item, {.generation = 0, .error = error});
        }
    }
}

}  // namespace strata::producer_impl
