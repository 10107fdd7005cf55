// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <algorithm>
#include <cstdio>

#include "terminal.hpp"

namespace strata::tools {

bool output_is_elsewhere() noexcept { return !output_is_terminal(); }

ProgressBar::ProgressBar(bool wanted) noexcept : visible_(wanted && errors_are_terminal()) {}

bool ProgressBar::due() const noexcept {
    return visible_ &&
           std::chrono::steady_clock::now() - shown_at_ >= std::chrono::milliseconds(100);
}

void ProgressBar::show(std::uint64_t done, std::uint64_t total, const std::string& text) {
    if (!due()) {
        return;
    }
    shown_at_ = std::chrono::steady_clock::now();
    drawn_ = true;
    // One column less than there are, so that no terminal wraps.
    const std::size_t width = terminal_width() - 1;
    std::string line;
    if (total > 0) {
        const double part = static_cast<double>(std::min(done, total)) / static_cast<double>(total);
        char percent[8];
        std::snprintf(percent, sizeof(percent), "%3d %%", static_cast<int>(100 * part));
        const std::size_t taken = text.size() + 9;
        if (width >= taken + 4) {
            const std::size_t room = width - taken;
            const auto filled = static_cast<std::size_t>(static_cast<double>(room) * part);
            line = "[" + std::string(filled, '#') + std::string(room - filled, '.') + "] ";
        }
        line += percent;
        line += " ";
    }
    line += text;
    std::size_t end = std::min(line.size(), width);
    while (end > 0 && end < line.size() && (line[end] & 0xC0) == 0x80) {
        --end;  // not through a character
    }
    line.resize(end);
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
    std::fflush(stderr);
}

void ProgressBar::clear() {
    if (drawn_) {
        std::fputs("\r\033[K", stderr);
        std::fflush(stderr);
    }
    drawn_ = false;
}

}  // namespace strata::tools
