// SPDX-License-Identifier: Apache-2.0
// One process publishes 256-byte messages, another sees them: what the latency rows ask for.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

namespace strata::bench {

/// How the subscriber waits.
enum class Waiting : unsigned char { spinning, asleep };

class Publisher {
public:
    virtual ~Publisher() = default;
    /// Sends message `serial` (1, 2, ...), stamped with now_ns() taken before anything is done.
    virtual void publish(std::uint64_t serial) = 0;
};

class Subscriber {
public:
    virtual ~Subscriber() = default;
    /// Returns when the next message is in hand: nanoseconds since it was sent. Throws WrongAnswer.
    virtual std::int64_t next() = 0;
};

/// Both ends are made in processes of their own, the publisher first.
class Channel {
public:
    virtual ~Channel() = default;
    virtual std::unique_ptr<Publisher> publisher() = 0;
    virtual std::unique_ptr<Subscriber> subscriber() = 0;
};

inline constexpr std::size_t message_bytes = 256;

inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/// The limit: a stamp and a counter in one cache line; a futex on the counter if asleep.
std::unique_ptr<Channel> raw_channel(Waiting waiting);

/// What a strata channel's latency counts from and to.
enum class Span : unsigned char {
    store_to_seen,  ///< from the producer's own time stamp of the generation to wait()/generation()
    put_to_read,    ///< from before put() to the payload read from a snapshot
};
std::unique_ptr<Channel> strata_channel(const std::filesystem::path& base, Waiting waiting,
                                        Span span);

/// RouDi, iceoryx's daemon, for as long as the object lives. Throws NotRun.
class RouDi {
public:
    explicit RouDi(const std::filesystem::path& log);
    RouDi(const RouDi&) = delete;
    RouDi& operator=(const RouDi&) = delete;
    ~RouDi();

private:
    int pid_ = 0;
};
/// Polling or with a WaitSet, as its examples do. RouDi must run. Throws NotRun.
std::unique_ptr<Channel> iceoryx_channel(Waiting waiting);

}  // namespace strata::bench
