// SPDX-License-Identifier: Apache-2.0
#include "wordnet/events.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace wordnet {

namespace {

int checked(int result, const char* what) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), what);
    return result;
}

int open_signal_descriptor() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    checked(sigprocmask(SIG_BLOCK, &signals, nullptr), "sigprocmask");
    return checked(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");
}

int open_timer(std::chrono::milliseconds period) {
    const int fd =
        checked(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create");
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(period);
    const std::chrono::nanoseconds rest = period - seconds;
    // The first beat comes at once: 0 would mean never.
    const itimerspec spec = {{seconds.count(), rest.count()}, {0, 1}};
    checked(timerfd_settime(fd, 0, &spec, nullptr), "timerfd_settime");
    return fd;
}

}  // namespace

Descriptor::~Descriptor() {
    if (fd_ >= 0) close(fd_);
}

StopSignal::StopSignal() : descriptor_(open_signal_descriptor()) {}

bool StopSignal::raised() const {
    // The signal is left unread, so that it stays raised.
    pollfd entry = {descriptor(), POLLIN, 0};
    return poll(&entry, 1, 0) > 0;
}

Metronome::Metronome(std::chrono::milliseconds period) : descriptor_(open_timer(period)) {}

void Metronome::acknowledge() const {
    std::uint64_t beats = 0;
    // EAGAIN: none was due.
    if (read(descriptor(), &beats, sizeof beats) < 0 && errno != EAGAIN) {
        throw std::system_error(errno, std::generic_category(), "read timerfd");
    }
}

void wait_for_any(std::initializer_list<int> descriptors, std::chrono::milliseconds timeout) {
    std::vector<pollfd> entries;
    for (const int fd : descriptors)
        entries.push_back({fd, POLLIN, 0});
    const auto wait_ms = timeout.count() < 0
                             ? -1
                             : static_cast<int>(std::min<std::int64_t>(timeout.count(), INT_MAX));
    if (poll(entries.data(), entries.size(), wait_ms) < 0 && errno != EINTR) {
        throw std::system_error(errno, std::generic_category(), "poll");
    }
}

}  // namespace wordnet
