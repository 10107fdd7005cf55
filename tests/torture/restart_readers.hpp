// SPDX-License-Identifier: Apache-2.0
// Readers beside producers that follow each other: each kind is a process that reads in its own way
// until it is told to stop, and compares all that it sees.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"

namespace strata::test {

enum class ReaderKind : unsigned char {
    held,     ///< one snapshot, for ever
    fresh,    ///< another snapshot every millisecond
    stopped,  ///< SIGSTOP while it holds one
    passing,  ///< attaches, reads, detaches, all the time
    forked,   ///< a child holds what it inherited; its parent is gone
};
inline constexpr ReaderKind reader_kinds[] = {ReaderKind::held, ReaderKind::fresh,
                                              ReaderKind::stopped, ReaderKind::passing,
                                              ReaderKind::forked};

std::string_view to_string(ReaderKind kind) noexcept;

class RestartReader {
public:
    /// Returns once it reads.
    RestartReader(const TempStore& store, const Oracle& oracle, ReaderKind kind);

    /// How many generations it may reach at one time.
    unsigned reach() const noexcept;
    /// It compares, and ends. Empty, or what was wrong.
    std::string end();

private:
    ReaderKind kind_;
    std::optional<Child> child_;
};

}  // namespace strata::test
