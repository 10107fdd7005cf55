// SPDX-License-Identifier: Apache-2.0
#include "bench/harness/clock.hpp"
#include "bench/harness/process.hpp"
#include "bench/peers/channel.hpp"

namespace strata::bench {

namespace {

struct Line {
    std::atomic<std::uint32_t> serial;
    std::int64_t stamp;
};

class RawPublisher final : public Publisher {
public:
    RawPublisher(Line& line, Waiting waiting) : line_(line), waiting_(waiting) {}
    void publish(std::uint64_t serial) override {
        line_.stamp = now_ns();
        line_.serial.store(static_cast<std::uint32_t>(serial), std::memory_order_release);
        if (waiting_ == Waiting::asleep) {
            futex_wake(line_.serial);
        }
    }

private:
    Line& line_;
    Waiting waiting_;
};

class RawSubscriber final : public Subscriber {
public:
    RawSubscriber(Line& line, Waiting waiting)
        : line_(line), waiting_(waiting), seen_(line.serial.load()) {}
    std::int64_t next() override {
        while (line_.serial.load(std::memory_order_acquire) == seen_) {
            waiting_ == Waiting::asleep ? futex_wait(line_.serial, seen_) : relax();
        }
        const std::int64_t now = now_ns();
        ++seen_;
        return now - line_.stamp;
    }

private:
    Line& line_;
    Waiting waiting_;
    std::uint32_t seen_;
};

class RawChannel final : public Channel {
public:
    explicit RawChannel(Waiting waiting) : memory_(sizeof(Line)), waiting_(waiting) {}
    std::unique_ptr<Publisher> publisher() override {
        return std::make_unique<RawPublisher>(line(), waiting_);
    }
    std::unique_ptr<Subscriber> subscriber() override {
        return std::make_unique<RawSubscriber>(line(), waiting_);
    }

private:
    Line& line() const { return *static_cast<Line*>(memory_.data()); }
    SharedMemory memory_;
    Waiting waiting_;
};

}  // namespace

std::unique_ptr<Channel> raw_channel(Waiting waiting) {
    return std::make_unique<RawChannel>(waiting);
}

}  // namespace strata::bench
