// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <chrono>
#include <optional>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "tests/faults/scenarios.hpp"
#include "tests/faults/world.hpp"

namespace strata::test {

namespace {

using namespace std::chrono_literals;

/// A consumer whose calls are refused, and a snapshot that it holds beside a producer that goes on
/// and reclaims.
class Reader {
public:
    explicit Reader(Subject& subject)
        : self_(subject), options(subject.store().consumer_options()) {
        self_.after_steps([this] { look(); });
    }

    Subject& self() noexcept { return self_; }
    std::optional<Consumer>& consumer() noexcept { return consumer_; }

    void attach() {
        self_.stubborn_step(
            "attach", [&] { consumer_.emplace(Consumer::attach(self_.store().name(), options)); });
    }
    void hold() {
        copies_.reset();
        step("snapshot", [&] { held_ = consumer_->snapshot(); });
    }
    void read() {
        if (!held_) {
            return;
        }
        std::string wrong;
        step("read all", [&] {
            wrong = world_mismatch(held_);
            if (!copies_) {
                copies_.emplace(held_);
            }
        });
        self_.require(wrong.empty(), wrong);
    }
    void release() {
        copies_.reset();
        step("release", [&] { held_ = {}; });
    }
    template <class Action>
    bool step(std::string_view name, Action&& action) {
        return consumer_ && self_.step(name, std::forward<Action>(action));
    }
    const Snapshot& held() const noexcept { return held_; }

    /// With nothing refused any more: this consumer (or a new one) works, and leaves nothing.
    void prove() {
        self_.must("proof", [&] {
            look();
            if (!consumer_) {
                attach();
            }
            if (consumer_->store_replaced()) {
                consumer_->reattach();
            }
            self_.request(Request::publish);
            const Snapshot snapshot = consumer_->snapshot();
            self_.require(snapshot.generation() == consumer_->generation(), "it is behind");
            self_.require(world_mismatch(snapshot).empty(), "it reads something else");
            self_.require(verify(snapshot).ok(), "what it reads does not verify");
        });
        release();
        self_.step("detach", [&] { consumer_.reset(); });
        self_.require(readers(self_.store().name(), self_.store().base()).empty(), "a pin is left");
    }

    Subject& self_;
    ConsumerOptions options;

private:
    void look() {
        self_.request(Request::churn);
        if (held_ && copies_) {
            const std::string wrong = copies_->mismatch(held_);
            self_.require(wrong.empty(), wrong);
        }
    }

    std::optional<Consumer> consumer_;
    Snapshot held_;
    std::optional<Copies> copies_;
};

void life(Subject& self, bool keep_idle_pin) {
    self.request(Request::produce);
    self.request(Request::publish);
    Reader reader(self);
    reader.options.keep_idle_pin = keep_idle_pin;
    self.arm();
    reader.attach();
    reader.hold();
    reader.read();
    reader.step("find many", [&] {
        std::vector<LayerId> ids;
        for (std::uint64_t i = 0; i < 60; ++i) {
            ids.push_back({static_cast<Dimension>(1 + i % 4), i});
        }
        std::vector<Layer> found(ids.size());
        reader.held().find(ids, found);
        (void)reader.held().find(1, "no such name");
    });
    reader.step("verify", [&] { (void)verify(reader.held()); });
    self.request(Request::publish);
    reader.step("another snapshot", [&] {
        const Snapshot newest = reader.consumer()->snapshot();
        (void)changes(reader.held(), newest);
    });
    self.request(Request::churn);
    reader.read();
    if (reader.held()) {
        reader.step("guard", [&] {
            const ReadGuard guard;
            (void)copy_layer(reader.held(), {2, 1});
            guard.check("read");
        });
    }
    // An answer that cannot be had is no "gone".
    bool alive = true;
    bool replaced = false;
    reader.step("ask for the producer", [&] {
        alive = reader.consumer()->producer_alive();
        (void)reader.consumer()->producer_pid();
        replaced = reader.consumer()->store_replaced();
    });
    self.require(alive || self.was_told_absent(),
                 "the producer lives, the consumer says that it does not");
    self.require(!replaced || self.was_told_absent(),
                 "the store is the same, the consumer says that it was replaced");
    reader.step("statistics", [&] { (void)statistics(*reader.consumer()); });
    reader.release();
    reader.hold();
    reader.read();
    reader.step("reattach", [&] { reader.consumer()->reattach(); });
    reader.hold();
    reader.read();
    self.heal();
    reader.prove();
}

void end(Subject& self) {
    self.request(Request::produce);
    self.request(Request::publish);
    Reader reader(self);
    reader.attach();
    reader.hold();
    reader.read();
    self.request(Request::publish);
    self.arm();
    reader.step("newest", [&] { (void)reader.consumer()->snapshot(); });
    reader.release();
    self.request(Request::churn);
    reader.step("newest again", [&] { (void)reader.consumer()->snapshot(); });
    reader.step("detach", [&] { reader.consumer().reset(); });
    self.heal();
    self.require(readers(self.store().name(), self.store().base()).empty(), "a pin is left");
    reader.prove();
}

void waiting(Subject& self) {
    self.request(Request::produce);
    self.request(Request::publish);
    Reader reader(self);
    self.arm();
    reader.attach();
    reader.hold();
    reader.read();
    const auto generation = [&] { return reader.consumer()->generation(); };
    reader.step("wait in vain", [&] { (void)reader.consumer()->wait(generation(), 3ms); });
    self.request(Request::publish_on);
    WaitResult result = WaitResult::changed;
    reader.step("wait", [&] { result = reader.consumer()->wait(generation(), 10s); });
    self.require(result == WaitResult::changed || self.was_told_absent(),
                 "the wait ended with " + std::string(to_string(result)));
    self.request(Request::publish);
    int event = -1;
    const bool has_event =
        reader.step("event descriptor", [&] { event = reader.consumer()->event_descriptor(); });
    self.require(has_event == (event >= 0), "an event descriptor that is none");
    reader.step("acknowledge", [&] { (void)reader.consumer()->acknowledge_event(); });
    self.request(Request::publish);
    reader.step("acknowledge again", [&] { (void)reader.consumer()->acknowledge_event(); });
    self.heal();
    if (event >= 0) {
        self.must("an event", [&] {
            (void)reader.consumer()->acknowledge_event();
            self.request(Request::publish);
            pollfd item{.fd = event, .events = POLLIN, .revents = 0};
            self.require(::poll(&item, 1, 20'000) == 1, "a generation gave no event");
        });
    }
    reader.prove();
}

[[noreturn]] void look_as_child(Subject& self, Reader& reader) {
    try {
        const std::string wrong = world_mismatch(reader.held());
        self.require(wrong.empty(), wrong);
        const Snapshot own = reader.consumer()->snapshot();
        self.require(world_mismatch(own).empty(), "the child reads something else");
    } catch (const std::exception& error) {
        self.require(self.was_refused(), error.what());
    }
    ::_exit(0);
}

void fork_holding(Subject& self) {
    self.request(Request::produce);
    self.request(Request::publish);
    Reader reader(self);
    reader.attach();
    reader.hold();
    reader.read();
    self.arm();
    int status = 0;
    reader.step("fork", [&] {
        const pid_t child = ::fork();
        if (child == 0) {
            look_as_child(self, reader);
        }
        if (child > 0) {  // else it was refused
            ::waitpid(child, &status, 0);
        }
    });
    self.require(status == 0, "the child ended with status " + std::to_string(status));
    reader.read();
    reader.step("newest", [&] { (void)reader.consumer()->snapshot(); });
    self.heal();
    reader.prove();
}

void replaced(Subject& self) {
    self.request(Request::produce);
    self.request(Request::publish);
    Reader reader(self);
    reader.attach();
    reader.hold();
    reader.read();
    self.request(Request::replace);
    self.arm();
    reader.step("wait", [&] { (void)reader.consumer()->wait(~std::uint64_t{0} - 1, 3ms); });
    reader.step("replaced?", [&] { (void)reader.consumer()->store_replaced(); });
    reader.step("reattach", [&] { reader.consumer()->reattach(); });
    reader.read();
    self.heal();
    reader.prove();
}

}  // namespace

std::vector<Scenario> consumer_scenarios() {
    return {
        {.name = "consume", .run = [](Subject& self) { life(self, true); }},
        {.name = "consume-plain", .run = [](Subject& self) { life(self, false); }},
        {.name = "detach", .run = end},
        {.name = "wait", .run = waiting},
        {.name = "fork", .run = fork_holding},
        {.name = "reattach", .run = replaced},
    };
}

}  // namespace strata::test
