// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/restart_readers.hpp"

#include <chrono>
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

namespace strata::test {

namespace {

using namespace std::chrono_literals;

// However long the history is.
void await_end(const Channel& channel) {
    while (!channel.ready(1h)) {
    }
}

void hold(const TempStore& store, const Oracle& oracle, const Channel& channel) {
    Consumer consumer = store.attach();
    const Snapshot held = consumer.snapshot();
    STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
    channel.send(1);
    await_end(channel);
    STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
    STRATA_REQUIRE(verify(held).ok());
}

void look_often(const TempStore& store, const Oracle& oracle, const Channel& channel) {
    Consumer consumer = store.attach();
    channel.send(1);
    while (!channel.ready(1ms)) {
        const Snapshot newest = consumer.snapshot();
        STRATA_REQUIRE_EQ(oracle.mismatch(newest), "");
    }
}

void pass_by(const TempStore& store, const Oracle& oracle, const Channel& channel) {
    channel.send(1);
    while (!channel.ready()) {
        STRATA_REQUIRE_EQ(oracle.mismatch(store.attach().snapshot()), "");
    }
}

// The child has the channel and says what is wrong; the parent goes, with its own pin.
void bequeath(const TempStore& store, const Oracle& oracle, const Channel& channel) {
    Consumer consumer = store.attach();
    const Snapshot held = consumer.snapshot();
    const pid_t child = ::fork();
    if (child == 0) {
        try {
            channel.send(1);
            await_end(channel);
            STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
            ::_exit(0);
        } catch (...) {
            ::_exit(1);
        }
    }
    consumer = store.attach();  // lets the parent's pins go, and stays for its child's end
    int status = 0;
    ::waitpid(child, &status, 0);
    STRATA_REQUIRE_EQ(status, 0);
}

}  // namespace

std::string_view to_string(ReaderKind kind) noexcept {
    switch (kind) {
        case ReaderKind::held: return "held";
        case ReaderKind::fresh: return "fresh";
        case ReaderKind::stopped: return "stopped";
        case ReaderKind::passing: return "passing";
        case ReaderKind::forked: break;
    }
    return "forked";
}

RestartReader::RestartReader(const TempStore& store, const Oracle& oracle, ReaderKind kind)
    : kind_(kind) {
    child_.emplace(Child::start([&store, &oracle, kind](const Channel& channel) {
        switch (kind) {
            case ReaderKind::held:
            case ReaderKind::stopped: hold(store, oracle, channel); break;
            case ReaderKind::fresh: look_often(store, oracle, channel); break;
            case ReaderKind::passing: pass_by(store, oracle, channel); break;
            case ReaderKind::forked: bequeath(store, oracle, channel); break;
        }
    }));
    if (child_->receive() != 1) {
        throw Failure("a reader did not begin");
    }
    if (kind == ReaderKind::stopped) {
        child_->kill(SIGSTOP);
    }
}

// Who looks again and again may be caught between two generations, with a pin for each.
unsigned RestartReader::reach() const noexcept {
    return kind_ == ReaderKind::fresh || kind_ == ReaderKind::passing ? 2 : 1;
}

std::string RestartReader::end() {
    child_->kill(SIGCONT);
    child_->send(0);
    return child_->join();
}

}  // namespace strata::test
