// SPDX-License-Identifier: Apache-2.0
// Every system call that the library may make, by kind (a multiplexed call such as fcntl is one
// kind for each command), and the errnos with which it is refused: those of its manual page and a
// few foreign ones. A call that is not in the table makes a recording run fail.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace strata::test {

/// What tells the kinds of a multiplexed call: some bits of one argument.
struct Command {
    unsigned argument = 0;
    std::uint64_t mask = 0;
    std::uint64_t value = 0;
};

struct CallKind {
    std::string_view name{};  ///< e.g. "fcntl.OFD_SETLK"
    long number = 0;          ///< of the system call
    Command command{};
    std::vector<int> errors{};
};

/// The kind of a call; nullptr: not in the table.
const CallKind* kind_of(long number, std::span<const std::uint64_t> arguments);
const CallKind* kind_named(std::string_view name);

/// Calls that are never refused, each for a reason that stands in the table.
std::span<const long> exempt_calls();
/// Bits of a futex operation that mark a call of the C library itself, which ends the process if
/// the kernel refuses it.
inline constexpr std::uint32_t exempt_futex_bits = 128 | 256;  // private; real-time clock (joining)

std::string errno_name(int value);
/// 0 if there is none of that name.
int errno_named(std::string_view name);

}  // namespace strata::test
