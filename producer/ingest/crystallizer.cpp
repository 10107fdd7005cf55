// SPDX-License-Identifier: Apache-2.0
#include "strata/crystallizer.hpp"

#include <utility>

#include "ipc/deadline.hpp"
#include "ipc/failure.hpp"
#include "ipc/os.hpp"
#include "producer/ingest/ingest.hpp"
#include "strata/producer.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using producer_impl::Ingest;
using producer_impl::IngestItem;
using producer_impl::ItemPointer;
using producer_impl::ItemQueue;

namespace {

IngestItem& checked(const ItemPointer& item) noexcept { return ipc::part_of(item, "IngestTicket"); }

}  // namespace

bool IngestTicket::done() const noexcept {
    return checked(item_).state.load(std::memory_order_acquire) == IngestItem::done;
}

std::optional<IngestResult> IngestTicket::wait_for(std::chrono::nanoseconds timeout) const {
    const auto deadline = ipc::deadline_after(timeout);
    for (;;) {
        std::uint32_t state = checked(item_).state.load(std::memory_order_acquire);
        if (state == IngestItem::done) {
            return item_->result;
        }
        Ingest::check_can_wait(item_->owner, "wait for a change");
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
    : ingest_(std::make_unique<Ingest>(producer.batch(), options, producer.path().string())) {}
Crystallizer::~Crystallizer() = default;

IngestTicket Crystallizer::put(LayerId id, std::span<const std::byte> payload,
                               const LayerOptions& options, Callback callback) {
    return ingest_->submit(make_put(id, payload, options, std::move(callback)), true);
}
IngestTicket Crystallizer::try_put(LayerId id, std::span<const std::byte> payload,
                                   const LayerOptions& options, Callback callback) {
    return ingest_->submit(make_put(id, payload, options, std::move(callback)), false);
}
IngestTicket Crystallizer::erase(LayerId id, Callback callback) {
    return ingest_->submit(make_erase(id, std::move(callback)), true);
}
IngestTicket Crystallizer::try_erase(LayerId id, Callback callback) {
    return ingest_->submit(make_erase(id, std::move(callback)), false);
}
Generation Crystallizer::flush() { return ingest_->flush(); }
void Crystallizer::stop() { ingest_->stop(); }
CrystallizerStats Crystallizer::stats() const { return ingest_->stats(); }

}  // namespace strata::inline STRATA_ABI_NAMESPACE
