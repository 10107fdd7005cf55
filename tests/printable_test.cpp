// SPDX-License-Identifier: Apache-2.0
// The one place that makes texts of others harmless: for terminals, in JSON, in Prometheus' text.
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/failure.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace std::string_view_literals;

namespace {

/// UTF-8 of any number below 2^21, surrogates and what is beyond Unicode as well.
std::string encoded(std::uint32_t code) {
    const auto tail = [&](unsigned shift) {
        return static_cast<char>(0x80 | (code >> shift & 63));
    };
    if (code < 0x80) return {static_cast<char>(code)};
    if (code < 0x800) return {static_cast<char>(0xC0 | code >> 6), tail(0)};
    if (code < 0x10000) return {static_cast<char>(0xE0 | code >> 12), tail(6), tail(0)};
    return {static_cast<char>(0xF0 | code >> 18), tail(12), tail(6), tail(0)};
}

}  // namespace

TEST_CASE("what a terminal obeys, reorders or hides is shown as its bytes") {
    CHECK(printable("plain text, \\x41, \"quoted\"") == "plain text, \\x41, \"quoted\"");
    CHECK(printable("Gr\u00F6\u00DFe \u65E5\u672C \U0001F642") ==
          "Gr\u00F6\u00DFe \u65E5\u672C \U0001F642");
    CHECK(printable("\x1b]0;title\x07"sv) == "\\x1b]0;title\\x07");
    CHECK(printable("a\0b"sv) == "a\\x00b");
    CHECK(printable("\x7f\n\t") == "\\x7f\\x0a\\x09");
    CHECK(printable("\u009B31m") == "\\xc2\\x9b31m");  // C1: the short form of ESC [
    CHECK(printable("a\u202Eb") == "a\\xe2\\x80\\xaeb");
    for (const std::uint32_t code :
         {0x00ADU, 0x061CU, 0x180EU, 0x200BU, 0x200DU,  0x200EU,  0x200FU,
          0x2028U, 0x2029U, 0x202AU, 0x202EU, 0x2060U,  0x2066U,  0x2069U,
          0x3164U, 0xFEFFU, 0xFFF9U, 0xFFFFU, 0xE0001U, 0xE0041U, 0xE0FFFU}) {
        CAPTURE(code);
        const std::string shown = printable(encoded(code));
        CHECK(shown.starts_with("\\x"));
        CHECK(shown.size() == 4 * encoded(code).size());
    }
    for (const std::uint32_t code : {0x20U, 0x7EU, 0xA0U, 0xACU, 0xAEU, 0x200AU, 0x2010U, 0x2027U,
                                     0x202FU, 0x205FU, 0x2070U, 0xFFFDU, 0xE000U, 0xE1000U}) {
        CAPTURE(code);
        CHECK(printable(encoded(code)) == encoded(code));
    }
}

TEST_CASE("bytes that are no UTF-8 are shown one by one, whatever surrounds them") {
    CHECK(printable("a\xff"
                    "b") == "a\\xffb");
    CHECK(printable("\xc3") == "\\xc3");                            // cut short
    CHECK(printable("\xc3\"") == "\\xc3\"");                        // what follows is not swallowed
    CHECK(printable("\xc0\xaf") == "\\xc0\\xaf");                   // overlong
    CHECK(printable("\xe0\x80\xaf") == "\\xe0\\x80\\xaf");          // overlong
    CHECK(printable(encoded(0xD800)) == "\\xed\\xa0\\x80");         // a surrogate
    CHECK(printable(encoded(0xDFFF)) == "\\xed\\xbf\\xbf");         // another
    CHECK(printable(encoded(0x110000)) == "\\xf4\\x90\\x80\\x80");  // beyond Unicode
    CHECK(printable("\xf5\x80\x80\x80") == "\\xf5\\x80\\x80\\x80");
    CHECK(valid_utf8("\u00E4\u20AC\U0010FFFD"));
    CHECK_FALSE(valid_utf8("\u00E4\xc3"));
    // Every number: characters are kept or escaped as a whole, and the result is UTF-8.
    std::uint32_t hidden = 0;
    std::uint32_t stretches = 0;
    bool was_hidden = false;
    for (std::uint32_t code = 0; code < 0x120000; ++code) {
        const std::string bytes = encoded(code);
        const std::string shown = printable(bytes);
        const bool character = code < 0xD800 || (code > 0xDFFF && code < 0x110000);
        if ((shown != bytes && shown.size() != 4 * bytes.size()) || !valid_utf8(shown) ||
            valid_utf8(bytes) != character) {
            FAIL_CHECK(code);
        }
        const bool is_hidden = character && shown != bytes;
        hidden += is_hidden ? 1 : 0;
        stretches += is_hidden && !was_hidden ? 1 : 0;
        was_hidden = is_hidden;
    }
    // What Unicode 15.1 calls a control, a format or a separator of lines or paragraphs, ignorable
    // by default, or, in the first plane, no character.
    CHECK(hidden == 4307);
    CHECK(stretches == 29);
}

TEST_CASE("text that went through once is not changed again") {
    for (const std::string_view text : {"\x1b[2J"sv, "\xff\\x1b"sv, "a\u202E\\"sv}) {
        CHECK(printable(printable(text)) == printable(text));
    }
}

TEST_CASE("a JSON document stays JSON, and says the same in harmless characters") {
    CHECK(printable_json("{\n  \"a\": \"b\"\n}") == "{\n  \"a\": \"b\"\n}");
    CHECK(printable_json("\"\u202E\"") == "\"\\u202e\"");
    CHECK(printable_json("\"\x7f\u009B\"") == "\"\\u007f\\u009b\"");
    CHECK(printable_json("\"\U000E0041\"") == "\"\\udb40\\udc41\"");
    CHECK(printable_json("\"\xc3\"") == "\"\uFFFD\"");
    CHECK(printable_json("\"\u00E4\"") == "\"\u00E4\"");
    CHECK(printable_json("{\r\n\t}") == "{\r\n\t}");
    CHECK(printable_json("\x01\v\x1f") == "\\u0001\\u000b\\u001f");
    CHECK(printable_json("\U000E0FFF\U000110BD") == "\\udb43\\udfff\\ud804\\udcbd");
}

TEST_CASE("labels are escaped for Prometheus, and different names stay different labels") {
    CHECK(printable_label("a\\b\"c\nd") == "a\\\\b\\\"c\\\\x0ad");
    CHECK(printable_label("\u00E4") == "\u00E4");
    const std::vector<std::string_view> names = {"\xff",    "\\xff",      "\\x5cxff", "\\\xff",
                                                 "\\\\xff", "\\x5c\\xff", "\\",       "\\x"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            CHECK(printable_label(names[i]) != printable_label(names[j]));
        }
    }
}

TEST_CASE("an error's line is printable whatever its parts hold, and a long name is cut") {
    const Error error({.code = Errc::system,
                       .operation = "read \x1b[2J",
                       .path = "/tmp/\u202Ename\xff",
                       .detail = "a\nb",
                       .hint = "\u200B"});
    CHECK(std::string(error.what()) ==
          "read \\x1b[2J: /tmp/\\xe2\\x80\\xaename\\xff: a\\x0ab; \\xe2\\x80\\x8b");
    CHECK(error.path() == "/tmp/\u202Ename\xff");  // the parts are as they were given
    CHECK(ipc::quoted("\u202E") == "\"\\xe2\\x80\\xae\"");
    const std::string most(80, 'a');
    CHECK(ipc::quoted(most) == "\"" + most + "\"");
    CHECK(ipc::quoted(most + "a") == "\"" + most + "...\"");
    const std::string fewer(79, 'a');
    CHECK(ipc::quoted(fewer + "\u00E4b") == "\"" + fewer + "...\"");
    CHECK(ipc::quoted(std::string(100, '\x80')).size() < 500);
}

TEST_CASE("the dump and the summary of a store with any names are valid and harmless") {
    StoreStatistics s;
    s.name = "a\x1b\xff\u202E";
    s.dimension_list.push_back({.dimension = 1, .name = "\u009B\"\\\n\xc3"});
    std::ostringstream dump;
    dump_json(s, dump);
    CHECK(valid_utf8(dump.str()));
    CHECK(printable_json(dump.str()) == dump.str());
    CHECK(dump.str().find("\"name\": \"a\\u001B\uFFFD\\u202e\"") != std::string::npos);
    const std::string text = summary(s);
    CHECK(text.starts_with(
        "Memory State Dump @ an unknown time\na\\x1b\\xff\\xe2\\x80\\xae: generation"));
    CHECK(text.find("\n  1 \\xc2\\x9b\"\\\\x0a\\xc3: 0 layers") != std::string::npos);
}
