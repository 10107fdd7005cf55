// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/partner.hpp"

#include <filesystem>
#include <optional>

#include "tests/faults/world.hpp"

namespace strata::test {

namespace {

class Partner {
public:
    Partner(const TempStore& store, const Channel& channel) : store_(store), channel_(channel) {}

    void act(Request request) {
        switch (request) {
            case Request::prepare: prepare(); break;
            case Request::produce: producer_.emplace(store_.open()); break;
            case Request::publish: publish(); break;
            case Request::churn: churn(); break;
            case Request::publish_on: publish_on(); break;
            case Request::end_producer: producer_.reset(); break;
            case Request::mark: producer_->set_bookmark("marked"); break;
            case Request::replace: replace(); break;
            case Request::die_badly: die_badly(); break;
            case Request::abandon: abandon(); break;
            case Request::hold: hold(); break;
            case Request::check: check(); break;
            case Request::release: release(); break;
        }
    }

private:
    // Some generations, a dimension that went and pages that were given back: a successor has to
    // find its way through all of that.
    void prepare() {
        producer_.emplace(store_.create());
        for (int i = 0; i < 3; ++i) {
            publish();
        }
        Batch batch = producer_->batch();
        batch.put({7, 1}, std::string(30'000, 'x'));
        batch.crystallize();
        batch.remove_dimension(7);
        batch.crystallize();
        producer_->trim();
        producer_.reset();
    }
    void publish() {
        Batch batch = producer_->batch();
        put_world(batch, ++version_);
        batch.crystallize();
    }
    void churn() {
        for (int i = 0; i < 4; ++i) {
            publish();
            producer_->reclaim();
        }
    }
    void publish_on() {
        channel_.send_text("ok");  // at once: the other side goes on meanwhile
        while (!channel_.ready(std::chrono::milliseconds(1))) {
            publish();
        }
    }
    void replace() {
        producer_.reset();
        ProducerOptions options = store_.producer_options();
        options.replace = true;
        producer_.emplace(Producer::create(store_.name(), options));
        publish();
    }
    void die_badly() {
        producer_.emplace(store_.open());
        Batch batch = producer_->batch();
        batch.put({7, 1}, std::string(30'000, 'x'));
        batch.crystallize();
        hold();
        batch.remove_dimension(7);
        batch.crystallize();
        producer_.reset();
        const auto control = store_.file("control.mmap");
        std::filesystem::resize_file(control, std::filesystem::file_size(control) + 100);
    }
    void abandon() {
        const auto half = store_.base() / ("." + store_.name() + ".new-4194303-1");
        std::filesystem::copy(store_.path(), half);
    }
    void hold() {
        held_ = store_.attach().snapshot();
        copies_.emplace(held_);
    }
    void check() {
        const std::string wrong = copies_ ? copies_->mismatch(held_) : "";
        if (!wrong.empty()) {
            throw Failure(wrong);
        }
    }
    void release() {
        held_ = {};
        copies_.reset();
    }

    const TempStore& store_;
    const Channel& channel_;
    std::optional<Producer> producer_;
    std::uint64_t version_ = 0;
    Snapshot held_;
    std::optional<Copies> copies_;
};

}  // namespace

void serve(const TempStore& store, const Channel& channel) {
    Partner partner(store, channel);
    while (const auto word = channel.receive_or_end()) {
        const auto request = static_cast<Request>(*word);
        std::string reply = "ok";
        try {
            partner.act(request);
        } catch (const std::exception& error) {
            reply = std::string("the partner, at request ") + std::to_string(*word) + ": " +
                    error.what();
        }
        if (request != Request::publish_on) {
            channel.send_text(reply.substr(0, 2000));
        }
    }
}

std::string ask(const Channel& channel, Request request) {
    channel.send(static_cast<std::uint64_t>(request));
    std::string reply = channel.receive_text();
    if (reply == "ok") {
        return "";
    }
    return reply.empty() ? "the partner is gone" : reply;
}

}  // namespace strata::test
