// SPDX-License-Identifier: Apache-2.0
// Names out of a store were chosen by others and may hold any bytes. These functions are how the
// library, its dumps and the command `strata` show them: what they return is UTF-8, steers no
// terminal and breaks no parser.
#pragma once

#include <string>
#include <string_view>

#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// For terminals and logs. Bytes that are no UTF-8, and characters that are obeyed, reorder what is
/// around them or cannot be seen (controls, bidirectional and other format characters, line and
/// paragraph separators, zero-width characters) become `\xNN`, byte by byte. All else stays, so
/// that text which went through it once is not changed again.
[[nodiscard]] std::string printable(std::string_view text);

/// For a JSON document that a serialiser made: such characters become `\uNNNN` (they stand in
/// strings only), bytes that are no UTF-8 become U+FFFD. Line ends between values stay.
[[nodiscard]] std::string printable_json(std::string_view document);

/// For a label's value in the text format of Prometheus, without the quotes: as printable(), with
/// its escapes; and different texts stay different, which printable() does not promise of a text
/// that looks like an escape. (A scrape with two samples of the same labels is refused whole.)
[[nodiscard]] std::string printable_label(std::string_view text);

bool valid_utf8(std::string_view text) noexcept;

}  // namespace strata::inline STRATA_ABI_NAMESPACE
