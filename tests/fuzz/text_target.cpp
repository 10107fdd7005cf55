// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/text_target.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "ipc/failure.hpp"
#include "ipc/files/store_files.hpp"
#include "tests/fuzz/require.hpp"
#include "tools/text.hpp"
#include <strata/strata.hpp>

namespace strata::fuzz {

namespace {

bool obeyed_by_terminals(char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7F;
}

void run(std::span<const std::uint8_t> input) {
    const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
    const std::string shown = printable(text);
    require(std::none_of(shown.begin(), shown.end(), obeyed_by_terminals),
            "printable text has no control characters");
    require(valid_utf8(shown), "printable text is UTF-8");
    for (const std::size_t width : {0U, 1U, 3U, 7U, 40U}) {
        const std::string cut = tools::shortened(shown, width);
        require(valid_utf8(cut), "text is cut between characters");
        require(cut.size() <= std::max<std::size_t>(width, 3), "text is cut to the width");
    }
    const std::string quoted = ipc::quoted(text);
    require(std::none_of(quoted.begin(), quoted.end(), obeyed_by_terminals),
            "a quoted name has no control characters");

    std::uint64_t serial = 0;
    if (ipc::parse_region_file_name(text, serial)) {
        require(text.find('/') == std::string_view::npos || text.find('\0') != 0,
                "a region file's name is a name");
    }
    if (typed([&] { check_store_name(text); })) {
        require(!text.empty() && text.size() <= max_store_name_bytes &&
                    text.find('/') == std::string_view::npos && text != "." && text != "..",
                "a store's name names something inside the base directory");
        require(std::none_of(text.begin(), text.end(), obeyed_by_terminals),
                "a store's name has no control characters");
    }
    (void)layer_number(text);
}

}  // namespace

RunInput text_target() { return run; }

}  // namespace strata::fuzz
