// SPDX-License-Identifier: Apache-2.0
// iceoryx 2.0.3: loan, fill, publish; take by polling or with a WaitSet, as in its icedelivery and
// waitset examples. RouDi with monitoring off, as its own latency benchmark (iceperf) advises.
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/harness/clock.hpp"
#include "bench/harness/row.hpp"
#include "bench/harness/workload.hpp"
#include "bench/peers/channel.hpp"

#if STRATA_BENCH_ICEORYX
#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_posh/popo/publisher.hpp>
#include <iceoryx_posh/popo/subscriber.hpp>
#include <iceoryx_posh/popo/wait_set.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>

namespace strata::bench {

namespace {

struct Message {
    std::int64_t stamp;
    std::byte filling[message_bytes - 16];
    std::int64_t complement;
};
static_assert(sizeof(Message) == message_bytes);

iox::capro::ServiceDescription service() { return {"strata", "bench", "message"}; }

void start_runtime(const char* end) {
    iox::log::LogManager::GetLogManager().SetDefaultLogLevel(
        iox::log::LogLevel::kOff, iox::log::LogLevelOutput::kHideLogLevel);
    iox::runtime::PoshRuntime::initRuntime(
        {iox::cxx::TruncateToCapacity,
         std::string("strata_bench_") + end + std::to_string(getpid())});
}

class IceoryxPublisher final : public Publisher {
public:
    IceoryxPublisher() {
        start_runtime("publisher_");
        publisher_ = std::make_unique<iox::popo::Publisher<Message>>(service());
    }
    void publish(std::uint64_t) override {
        while (!publisher_->hasSubscribers()) {
            usleep(1000);
        }
        const std::int64_t stamp = now_ns();
        publisher_->loan().and_then([&](auto& sample) {
            sample->stamp = stamp;
            sample->complement = ~stamp;
            sample.publish();
        });
    }

private:
    std::unique_ptr<iox::popo::Publisher<Message>> publisher_;
};

class IceoryxSubscriber final : public Subscriber {
public:
    explicit IceoryxSubscriber(Waiting waiting) : waiting_(waiting) {
        start_runtime("subscriber_");
        subscriber_ = std::make_unique<iox::popo::Subscriber<Message>>(service());
        if (waiting_ == Waiting::asleep) {
            wait_set_ = std::make_unique<iox::popo::WaitSet<>>();
            wait_set_->attachState(*subscriber_, iox::popo::SubscriberState::HAS_DATA)
                .or_else([](auto) { throw NotRun("WaitSet::attachState"); });
        }
    }
    ~IceoryxSubscriber() override {
        wait_set_.reset();
        subscriber_.reset();
    }
    std::int64_t next() override {
        for (;;) {
            if (wait_set_) {
                wait_set_->wait();
            }
            std::int64_t latency = -1;
            subscriber_->take().and_then([&](auto& sample) {
                const std::int64_t stamp = sample->stamp;
                const std::int64_t complement = sample->complement;
                latency = now_ns() - stamp;
                check_sum("iceoryx", static_cast<std::uint64_t>(stamp),
                          ~static_cast<std::uint64_t>(complement));
            });
            if (latency >= 0) {
                return latency;
            }
        }
    }

private:
    Waiting waiting_;
    std::unique_ptr<iox::popo::Subscriber<Message>> subscriber_;
    std::unique_ptr<iox::popo::WaitSet<>> wait_set_;
};

class IceoryxChannel final : public Channel {
public:
    explicit IceoryxChannel(Waiting waiting) : waiting_(waiting) {}
    std::unique_ptr<Publisher> publisher() override { return std::make_unique<IceoryxPublisher>(); }
    std::unique_ptr<Subscriber> subscriber() override {
        return std::make_unique<IceoryxSubscriber>(waiting_);
    }

private:
    Waiting waiting_;
};

}  // namespace

RouDi::RouDi(const std::filesystem::path& log) {
    pid_ = fork();
    if (pid_ < 0) {
        throw NotRun("fork");
    }
    if (pid_ == 0) {
        const int fd = open(log.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        dup2(fd, 1);
        dup2(fd, 2);
        execlp("iox-roudi", "iox-roudi", "--monitoring-mode", "off", "--log-level", "warning",
               static_cast<char*>(nullptr));
        _exit(127);
    }
    usleep(500'000);  // it has no other sign of being ready that a client could wait for
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) != 0) {
        pid_ = 0;
        throw NotRun("iox-roudi does not start (is it installed, does another one run?)");
    }
}

RouDi::~RouDi() {
    if (pid_ > 0) {
        kill(pid_, SIGTERM);
        waitpid(pid_, nullptr, 0);
    }
}

std::unique_ptr<Channel> iceoryx_channel(Waiting waiting) {
    return std::make_unique<IceoryxChannel>(waiting);
}

}  // namespace strata::bench

#else

namespace strata::bench {

namespace {
const char* const absent = "libiceoryx-posh-dev was not there at build time";
}

RouDi::RouDi(const std::filesystem::path&) { throw NotRun(absent); }
RouDi::~RouDi() { (void)pid_; }
std::unique_ptr<Channel> iceoryx_channel(Waiting) { throw NotRun(absent); }

}  // namespace strata::bench

#endif
