// SPDX-License-Identifier: Apache-2.0
// Things to wait for, as descriptors: the wish to stop, a beat. So the programs sleep in poll(2)
// until something happens.
#pragma once

#include <chrono>
#include <initializer_list>
#include <utility>

namespace wordnet {

/// Owns a file descriptor.
class Descriptor {
public:
    explicit Descriptor(int fd) noexcept : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor();
    int get() const noexcept { return fd_; }

private:
    int fd_;
};

/// Takes SIGINT and SIGTERM out of the way and makes them a readable descriptor. To be created
/// before any thread, so that all of them inherit the signal mask. Throws std::system_error.
class StopSignal {
public:
    StopSignal();
    int descriptor() const noexcept { return descriptor_.get(); }
    /// True once one of them has arrived.
    bool raised() const;

private:
    Descriptor descriptor_;
};

/// Becomes readable once per period (timerfd). Throws std::system_error.
class Metronome {
public:
    explicit Metronome(std::chrono::milliseconds period);
    int descriptor() const noexcept { return descriptor_.get(); }
    /// Takes note of the beats that are due.
    void acknowledge() const;

private:
    Descriptor descriptor_;
};

/// Sleeps until one of the descriptors is readable, or for `timeout`; a negative one means for
/// ever. Throws std::system_error.
void wait_for_any(std::initializer_list<int> descriptors, std::chrono::milliseconds timeout);

}  // namespace wordnet
