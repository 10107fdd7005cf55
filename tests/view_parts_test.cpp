// SPDX-License-Identifier: Apache-2.0
// The parts of a consumer's pool of views, each alone: the stock that views are taken from, and the
// retired ones, which are closed when nobody holds them.
#include <atomic>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "consumer/views/retired_views.hpp"
#include "consumer/views/slot_set.hpp"
#include "consumer/views/view_stock.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::consumer_impl;

namespace {

// A number that no session has, so that nobody is told; never the same, as those of sessions.
std::uint64_t session_of_nobody() {
    static std::uint64_t last = std::uint64_t{1} << 40;
    return ++last;
}

/// Views of a session that takes no notice of them, and the newest of them.
struct Views {
    test::TempStore store;
    Producer producer = Producer::create(store.name(), store.producer_options());
    Consumer consumer = Consumer::attach(store.name(), store.consumer_options());
    Snapshot snapshot = consumer.snapshot();
    const View& real = *Access::view_of(snapshot);
    ViewStock stock{*real.session, *real.cache};
    std::atomic<View*> current{nullptr};
    RetiredViews retired{session_of_nobody(), current};

    /// Of that generation, counted once.
    View* open(Generation generation, std::uint32_t kind) {
        stock.prepare();
        retired.reserve(stock.size());
        View* const view = stock.take();
        view->generation = generation;
        view->refs.fetch_add(1 + retired.marks_when_opened(kind) - View::closed);
        return view;
    }
    /// The newest; counted by nobody.
    View* open_newest(Generation generation) {
        View* const view = open(generation, 0);
        view->refs.fetch_sub(1);
        current = view;
        return view;
    }
    std::vector<View*> close_unheld() {
        std::vector<View*> closed;
        closed.reserve(stock.size());
        retired.close_unheld([&](View* view) {
            closed.push_back(view);
            stock.give_back(view);
        });
        return closed;
    }
};

using Closed = std::vector<View*>;

}  // namespace

TEST_CASE("the stock gives views out again, and knows which generations are open") {
    Views views;
    View* const first = views.open(5, View::retired);
    View* const second = views.open(9, View::retired);
    CHECK(first != second);
    CHECK(views.stock.open() == 2);
    CHECK(views.stock.any_open(5, 5));
    CHECK(views.stock.any_open(6, 9));
    CHECK_FALSE(views.stock.any_open(6, 8));
    first->refs = View::closed;
    views.stock.give_back(first);
    CHECK(views.stock.open() == 1);
    CHECK_FALSE(views.stock.any_open(5, 5));  // whatever it says of the life before
    CHECK(views.open(10, View::retired) == first);
    CHECK(views.stock.size() == 2);
}

TEST_CASE("a retired view that is counted stays, and is closed without a trace afterwards") {
    Views views;
    views.open_newest(9);
    View* const view = views.open(5, View::retired);
    views.retired.add(view);
    CHECK(views.retired.any_held(5, 5));
    CHECK(views.close_unheld().empty());
    CHECK((view->refs & ~View::fenced) == (View::retired | 1));
    view->refs.fetch_sub(1);
    CHECK_FALSE(views.retired.any_held(5, 5));
    CHECK(views.close_unheld() == Closed{view});
    CHECK(view->refs == View::closed);
    CHECK(views.retired.size() == 0);
    CHECK(views.stock.open() == 1);
}

TEST_CASE("a view in a slot stays, its holder is told, and closing it is possible then") {
    Views views;
    View* const view = views.open_newest(5);
    HazardSlot* const slot = views.retired.slot_of_this_thread();
    REQUIRE(slot != nullptr);
    CHECK(views.retired.slot_of_this_thread() == slot);
    announce_store(slot->held, view);
    views.open_newest(6);
    views.retired.retire(view);
    CHECK(views.retired.size() == 1);
    CHECK(views.retired.any_held(5, 5));
    CHECK(views.close_unheld().empty());
    CHECK((view->refs & View::flags) == View::retired);
    CHECK((slot->notice & HazardSlot::nudged) != 0);
    CHECK(slot->withdraw());  // the session has to be told
    CHECK_FALSE(views.retired.any_held(5, 5));
    CHECK(views.close_unheld() == Closed{view});
    CHECK((slot->notice & HazardSlot::nudged) == 0);
    CHECK_FALSE(slot->withdraw());
}

TEST_CASE("who holds one view keeps no other open") {
    Views views;
    views.open_newest(9);
    View* const counted = views.open(5, View::retired);
    View* const free = views.open(6, View::retired);
    View* const noted = views.open(7, View::retired);
    for (View* const view : {counted, free, noted}) {
        views.retired.add(view);
    }
    HazardSlot* const slot = views.retired.slot_of_this_thread();
    REQUIRE(slot != nullptr);
    announce_store(slot->held, noted);
    free->refs.fetch_sub(1);
    noted->refs.fetch_sub(1);
    CHECK_FALSE(views.retired.any_held(6, 6));
    CHECK(views.retired.any_held(6, 7));
    CHECK(views.close_unheld() == Closed{free});
    CHECK(views.retired.size() == 2);
    slot->withdraw();
    counted->refs.fetch_sub(1);
    CHECK(views.close_unheld().size() == 2);
}

TEST_CASE("the newest view may be taken at any time, until it is retired; a closed one is not") {
    Views views;
    View* const view = views.open_newest(5);
    CHECK(views.retired.any_held(5, 5));
    CHECK_FALSE(views.retired.any_held(6, 9));
    views.retired.retire(view);
    views.retired.retire(view);  // it is
    CHECK(views.retired.size() == 1);
    CHECK_FALSE(views.retired.any_held(5, 5));
    CHECK(views.close_unheld() == Closed{view});
    views.retired.retire(view);
    CHECK(views.retired.size() == 0);
}

TEST_CASE("a slot whose thread has ended keeps what it holds, and is used again afterwards") {
    Views views;
    views.open_newest(9);
    View* const view = views.open(5, View::retired);
    views.retired.add(view);
    view->refs.fetch_sub(1);
    HazardSlot* slot = nullptr;
    std::thread([&] {
        slot = views.retired.slot_of_this_thread();
        if (slot != nullptr) {
            announce_store(slot->held, view);
        }
    }).join();
    REQUIRE(slot != nullptr);
    views.retired.recycle_slots();
    CHECK_FALSE(slot->is_abandoned());
    CHECK(slot->owner != 0);
    CHECK(views.close_unheld().empty());
    slot->withdraw();
    CHECK(slot->is_abandoned());
    CHECK(views.close_unheld() == Closed{view});
    views.retired.recycle_slots();
    CHECK(slot->owner == 0);
}

TEST_CASE("the slot of a thread that has ended is given back once, and is in the set no more") {
    SlotSet slots(session_of_nobody());
    HazardSlot* first = nullptr;
    std::thread([&] { first = slots.of_this_thread(); }).join();
    REQUIRE(first != nullptr);
    CHECK_FALSE(slots.empty());
    slots.recycle_abandoned();
    CHECK(slots.empty());
    SlotSet others(session_of_nobody());
    CHECK(others.of_this_thread() == first);
}
