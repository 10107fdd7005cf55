// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <chrono>
#include <cstring>

#include "bench/harness/clock.hpp"
#include "bench/harness/workload.hpp"
#include "bench/peers/channel.hpp"
#include "bench/peers/strata_store.hpp"
#include <strata/strata.hpp>

namespace strata::bench {

namespace {

constexpr LayerId message_id{1, 5};
constexpr const char* channel_name = "channel";

Producer create(const std::filesystem::path& base) {
    ProducerOptions options;
    options.base_path = base;
    options.replace = true;
    return Producer::create(channel_name, options);
}

class StrataPublisher final : public strata::bench::Publisher {
public:
    explicit StrataPublisher(const std::filesystem::path& base)
        : producer_(create(base)), batch_(producer_.batch()) {
        batch_.put(message_id, message_);
        batch_.crystallize();
    }
    void publish(std::uint64_t) override {
        const std::int64_t stamp = now_ns();
        const std::int64_t complement = ~stamp;
        std::memcpy(message_.data(), &stamp, 8);
        std::memcpy(message_.data() + message_bytes - 8, &complement, 8);
        batch_.put(message_id, message_);
        batch_.crystallize();
    }

private:
    Producer producer_;
    Batch batch_;
    std::array<std::byte, message_bytes> message_{};
};

class StrataSubscriber final : public Subscriber {
public:
    StrataSubscriber(const std::filesystem::path& base, Waiting waiting, Span span)
        : consumer_(Consumer::attach(channel_name, consumer_options(base))),
          waiting_(waiting),
          span_(span),
          seen_(consumer_.generation()) {
        (void)consumer_.snapshot().get(message_id);  // the first touch maps the region
    }
    std::int64_t next() override {
        using namespace std::chrono_literals;
        if (waiting_ == Waiting::asleep) {
            while (consumer_.wait(seen_, 10s) != WaitResult::changed) {
            }
        } else {
            while (consumer_.generation() == seen_) {
                relax();
            }
        }
        const auto seen_at = std::chrono::system_clock::now();
        const Snapshot snapshot = consumer_.snapshot();
        const Layer layer = snapshot.find(message_id);
        const std::uint64_t stamp = load_word(layer.data());
        const std::uint64_t complement = load_word(layer.data() + message_bytes - 8);
        const std::int64_t read_at = now_ns();
        check_sum("strata channel", stamp, ~complement);
        seen_ = snapshot.generation();
        return span_ == Span::put_to_read
                   ? read_at - static_cast<std::int64_t>(stamp)
                   : std::chrono::nanoseconds(seen_at - snapshot.published_at()).count();
    }

private:
    Consumer consumer_;
    Waiting waiting_;
    Span span_;
    Generation seen_;
};

class StrataChannel final : public Channel {
public:
    StrataChannel(std::filesystem::path base, Waiting waiting, Span span)
        : base_(std::move(base)), waiting_(waiting), span_(span) {}
    std::unique_ptr<Publisher> publisher() override {
        return std::make_unique<StrataPublisher>(base_);
    }
    std::unique_ptr<Subscriber> subscriber() override {
        return std::make_unique<StrataSubscriber>(base_, waiting_, span_);
    }

private:
    std::filesystem::path base_;
    Waiting waiting_;
    Span span_;
};

}  // namespace

std::unique_ptr<Channel> strata_channel(const std::filesystem::path& base, Waiting waiting,
                                        Span span) {
    return std::make_unique<StrataChannel>(base, waiting, span);
}

}  // namespace strata::bench
