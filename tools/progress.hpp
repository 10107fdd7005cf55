// SPDX-License-Identifier: Apache-2.0
// A bar for work that takes long.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace strata::tools {

/// Whether a bar on standard error would not get into the way of what standard output shows.
bool output_is_elsewhere() noexcept;

/// One line on standard error if that is a terminal, redrawn at most ten times a second; silent
/// elsewhere. Gone when the object goes.
class ProgressBar {
public:
    explicit ProgressBar(bool wanted) noexcept;
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;
    ~ProgressBar() { clear(); }

    bool visible() const noexcept { return visible_; }
    /// True if it is time to draw again: what is shown need not be worked out more often.
    bool due() const noexcept;
    /// `done` of `total`, and a word about it. Without a total only the word.
    void show(std::uint64_t done, std::uint64_t total, const std::string& text);
    void clear();

private:
    bool visible_;
    bool drawn_ = false;
    std::chrono::steady_clock::time_point shown_at_{};
};

}  // namespace strata::tools
