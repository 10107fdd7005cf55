// SPDX-License-Identifier: Apache-2.0
// Refusing system calls of another process by seccomp's user notification: its filter hands calls
// over to the Refuser, which lets them go on or answers with an errno. All threads and children of
// the process are concerned, and no call of the C library escapes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <sys/types.h>

#include "tests/faults/plan.hpp"
#include "tests/faults/stage.hpp"

namespace strata::test {

/// Why this system cannot refuse calls; empty if it can.
std::string refusing_impossible();

/// For the calling process, for good: its calls of that number (none: all but the exempt ones) wait
/// for a Refuser's answer. Sends the descriptor that the Refuser needs to `channel`.
void install_filter(std::optional<long> number, int channel);

class Refuser {
public:
    /// `subject`: whose main thread has this id. Receives the descriptor from `channel`. Without a
    /// plan nothing is refused, and calls are counted.
    Refuser(pid_t subject, int channel, const std::optional<Plan>& plan, Stage& stage);
    Refuser(const Refuser&) = delete;
    Refuser& operator=(const Refuser&) = delete;
    ~Refuser();

    /// For poll(2).
    int descriptor() const noexcept { return listener_; }
    /// Answers one call. False if there was none.
    bool answer();

    /// Calls that could have been refused.
    const std::map<CallSite, std::uint64_t>& counts() const noexcept { return counts_; }
    /// Calls that are not in the table.
    const std::set<long>& unknown() const noexcept { return unknown_; }

private:
    ThreadClass class_of(pid_t thread);
    bool refuses(const CallSite& site);
    void close_anyway(std::uint64_t call, int descriptor) const;

    pid_t subject_;
    std::optional<Plan> plan_;
    Stage& stage_;
    int listener_ = -1;
    std::map<CallSite, std::uint64_t> counts_;
    std::map<pid_t, ThreadClass> threads_;
    std::set<long> unknown_;
    std::uint64_t refused_ = 0;
};

}  // namespace strata::test
