// SPDX-License-Identifier: Apache-2.0
#include "producer/ingest.hpp"

#include <algorithm>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/os.hpp"
#include "strata/producer.hpp"

namespace strata {

using producer_impl::Ingest;
using producer_impl::IngestItem;
using producer_impl::ItemPointer;
using producer_impl::ItemQueue;

namespace producer_impl {

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

// What went wrong, as a strata::Error whatever it was.
Error error_of(const std::exception_ptr& exception) {
    try {
        std::rethrow_exception(exception);
    } catch (const Error& error) {
        return error;
    } catch (const std::exception& other) {
        return Error({.code = Errc::system, .operation = "crystallize", .detail = other.what()});
    }
}

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

Ingest::Ingest(Batch batch, const CrystallizerOptions& options)
    : options_(checked(options)),
      process_(ipc::os::process_id()),
      batch_(std::move(batch)),
      queue_(make_item_queue(options.queue, options.queue_capacity)),
      thread_([this] { run(); }) {}

Ingest::~Ingest() {
    if (process_ != ipc::os::process_id()) {  // a forked child: the thread is the parent's
        thread_.detach();
        return;
    }
    stop();
}

IngestTicket Ingest::hand_in(ItemPointer item, bool wait) {
    IngestTicket ticket(item);
    bool blocked = false;
    const auto pushed = queue_->push(item, wait, blocked);
    if (blocked) {
        blocked_.fetch_add(1, std::memory_order_relaxed);
    }
    if (pushed == ItemQueue::Pushed::closed) {
        ipc::fail(Errc::invalid_argument, "hand in", "", "the crystallizer was stopped");
    }
    if (pushed == ItemQueue::Pushed::full) {
        refused_.fetch_add(1, std::memory_order_relaxed);
        return {};
    }
    handed_in_.fetch_add(ticket.item_->kind == IngestItem::Kind::flush ? 0 : 1,
                         std::memory_order_relaxed);
    return ticket;
}

Generation Ingest::flush() {
    auto marker = std::make_shared<IngestItem>();
    marker->kind = IngestItem::Kind::flush;
    return hand_in(std::move(marker), true).wait();
}

void Ingest::stop() {
    const std::lock_guard lock(stop_mutex_);
    queue_->close();
    if (thread_.joinable()) {
        thread_.join();
    }
}

CrystallizerStats Ingest::stats() const {
    return {.handed_in = handed_in_.load(std::memory_order_relaxed),
            .published = published_.load(std::memory_order_relaxed),
            .failed = failed_.load(std::memory_order_relaxed),
            .refused = refused_.load(std::memory_order_relaxed),
            .blocked = blocked_.load(std::memory_order_relaxed),
            .commits = commits_.load(std::memory_order_relaxed)};
}

void Ingest::run() {
    const ipc::os::BlockedSignals no_signals;  // they are for the program's own threads
    std::vector<ItemPointer> items;
    items.reserve(options_.queue_capacity);
    Group group;
    std::optional<ItemQueue::Clock::time_point> deadline;  // of the group that is being gathered
    bool more = true;
    while (more || !group.empty()) {
        items.clear();
        more = queue_->fetch(items, deadline);
        for (std::size_t at = 0; at < items.size();) {
            if (group.empty()) {
                deadline = ItemQueue::Clock::now() + options_.max_delay;
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

std::size_t Ingest::gather(std::vector<ItemPointer>& items, std::size_t from, Group& group) {
    while (from < items.size() && group.size() < options_.max_changes &&
           group_bytes_ < options_.max_bytes) {
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

}  // namespace producer_impl

bool IngestTicket::done() const noexcept {
    return item_->state.load(std::memory_order_acquire) == IngestItem::done;
}

std::optional<IngestResult> IngestTicket::wait_for(std::chrono::nanoseconds timeout) const {
    const auto now = ItemQueue::Clock::now();
    const bool forever = timeout > ItemQueue::Clock::time_point::max() - now;
    const auto deadline =
        forever ? std::nullopt : std::optional(ItemQueue::Clock::time_point(now + timeout));
    for (;;) {
        std::uint32_t state = item_->state.load(std::memory_order_acquire);
        if (state == IngestItem::done) {
            return item_->result;
        }
        if (state == IngestItem::pending &&
            !item_->state.compare_exchange_strong(state, IngestItem::awaited,
                                                  std::memory_order_acq_rel)) {
            continue;
        }
        if (!ipc::os::futex_wait(reinterpret_cast<const std::uint32_t*>(&item_->state),
                                 IngestItem::awaited, deadline) &&
            !done()) {
            return std::nullopt;
        }
    }
}

IngestResult IngestTicket::result() const { return *wait_for(std::chrono::nanoseconds::max()); }

Generation IngestTicket::wait() const {
    const IngestResult outcome = result();
    if (outcome.error) {
        throw Error(*outcome.error);
    }
    return outcome.generation;
}

namespace {

ItemPointer make_put(LayerId id, std::span<const std::byte> payload, const LayerOptions& options,
                     Crystallizer::Callback callback) {
    auto item = std::make_shared<IngestItem>();
    item->id = id;
    item->payload.assign(payload.begin(), payload.end());
    item->frequency = options.frequency;
    item->keywords.assign(options.keywords.begin(), options.keywords.end());
    item->alignment = options.alignment;
    item->type_tag = options.type_tag;
    item->callback = std::move(callback);
    return item;
}

ItemPointer make_erase(LayerId id, Crystallizer::Callback callback) {
    auto item = std::make_shared<IngestItem>();
    item->kind = IngestItem::Kind::erase;
    item->id = id;
    item->callback = std::move(callback);
    return item;
}

}  // namespace

Crystallizer::Crystallizer(Producer& producer, const CrystallizerOptions& options)
    : ingest_(std::make_unique<Ingest>(producer.batch(), options)) {}
Crystallizer::~Crystallizer() = default;

IngestTicket Crystallizer::put(LayerId id, std::span<const std::byte> payload,
                               const LayerOptions& options, Callback callback) {
    return ingest_->hand_in(make_put(id, payload, options, std::move(callback)), true);
}
IngestTicket Crystallizer::try_put(LayerId id, std::span<const std::byte> payload,
                                   const LayerOptions& options, Callback callback) {
    return ingest_->hand_in(make_put(id, payload, options, std::move(callback)), false);
}
IngestTicket Crystallizer::erase(LayerId id, Callback callback) {
    return ingest_->hand_in(make_erase(id, std::move(callback)), true);
}
IngestTicket Crystallizer::try_erase(LayerId id, Callback callback) {
    return ingest_->hand_in(make_erase(id, std::move(callback)), false);
}
Generation Crystallizer::flush() { return ingest_->flush(); }
void Crystallizer::stop() { ingest_->stop(); }
CrystallizerStats Crystallizer::stats() const { return ingest_->stats(); }

}  // namespace strata
