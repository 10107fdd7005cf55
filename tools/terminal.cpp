// SPDX-License-Identifier: Apache-2.0
#include "terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

namespace strata::tools {

bool input_is_terminal() noexcept { return ::isatty(STDIN_FILENO) != 0; }
bool output_is_terminal() noexcept { return ::isatty(STDOUT_FILENO) != 0; }
bool errors_are_terminal() noexcept { return ::isatty(STDERR_FILENO) != 0; }

std::size_t terminal_width() noexcept {
    winsize window{};
    const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    return known ? window.ws_col : 80;
}

}  // namespace strata::tools
