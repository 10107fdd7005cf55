// SPDX-License-Identifier: Apache-2.0
// Bytes, sizes and times as text and back.
#include "strata/text_values.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

using namespace strata;
using namespace std::string_view_literals;

TEST_CASE("base64 is that of RFC 4648") {
    for (const auto& [bytes, text] : {std::pair{""sv, ""sv},
                                      {"f"sv, "Zg=="sv},
                                      {"fo"sv, "Zm8="sv},
                                      {"foo"sv, "Zm9v"sv},
                                      {"foob"sv, "Zm9vYg=="sv},
                                      {"fooba"sv, "Zm9vYmE="sv},
                                      {"foobar"sv, "Zm9vYmFy"sv},
                                      {"\xfb\xff\0"sv, "+/8A"sv}}) {
        CHECK(base64(bytes) == text);
        CHECK(parse_base64(text) == bytes);
    }
    std::string all;
    for (int i = 0; i < 256; ++i) {
        all += static_cast<char>(i);
        CHECK(parse_base64(base64(all)) == all);
    }
}

TEST_CASE("there is one base64 for each content, and nothing else is read as one") {
    for (const std::string_view text :
         {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v=", "Zm9v====", "Zg==Zg==", "=Zg=",
          "Zm 9v", "Zm9v\n", "-_8A", "Zm9\xc3"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_base64(text));
    }
}

TEST_CASE("sizes are whole numbers with units of 1024") {
    constexpr std::uint64_t kib = 1024;
    const std::pair<std::string_view, std::uint64_t> sizes[] = {
        {"0", 0},
        {"17", 17},
        {"17B", 17},
        {"17 B", 17},
        {"1K", kib},
        {"1KiB", kib},
        {"2 MiB", 2 * kib * kib},
        {"2M", 2 * kib * kib},
        {"3G", 3 * kib * kib * kib},
        {"3GiB", 3 * kib * kib * kib},
        {"4T", 4 * kib * kib * kib * kib},
        {"4 TiB", 4 * kib * kib * kib * kib},
        {"16777215T", 16777215 * kib * kib * kib * kib},
        {"18446744073709551615", std::numeric_limits<std::uint64_t>::max()}};
    for (const auto& size : sizes) {
        CAPTURE(size.first);
        CHECK(parse_size(size.first) == size.second);
    }
}

TEST_CASE("what is no size is refused, and so is what does not fit") {
    for (const std::string_view text : {"",
                                        " ",
                                        "B",
                                        "MiB",
                                        " 1",
                                        "+1",
                                        "-1",
                                        "1.5K",
                                        "1e3",
                                        "0x10",
                                        "1  MiB",
                                        "1\tMiB",
                                        "1KB",
                                        "1mib",
                                        "1Kib",
                                        "1 MiB ",
                                        "1 0",
                                        "16777216T",
                                        "18446744073709551616",
                                        "99999999999999999999K"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_size(text));
    }
}

TEST_CASE("times are those of RFC 3339, cut off at the digits that are asked for") {
    using namespace std::chrono;
    const auto time = [](nanoseconds since_1970) {
        return system_clock::time_point(duration_cast<system_clock::duration>(since_1970));
    };
    CHECK(rfc3339(time(0ns)) == "1970-01-01T00:00:00Z");
    CHECK(rfc3339(time(0ns), 3) == "1970-01-01T00:00:00.000Z");
    const auto leap_day = time(951'782'399s + 987'654'321ns);
    CHECK(rfc3339(leap_day) == "2000-02-28T23:59:59Z");
    CHECK(rfc3339(leap_day, 1) == "2000-02-28T23:59:59.9Z");
    CHECK(rfc3339(leap_day, 6) == "2000-02-28T23:59:59.987654Z");
    CHECK(rfc3339(leap_day, 9) == "2000-02-28T23:59:59.987654321Z");
    CHECK(rfc3339(leap_day, 12) == rfc3339(leap_day, 9));
    CHECK(rfc3339(time(951'782'400s)) == "2000-02-29T00:00:00Z");
    CHECK(rfc3339(time(-1ns), 9) == "1969-12-31T23:59:59.999999999Z");
    CHECK(rfc3339(time(-1ns)) == "1969-12-31T23:59:59Z");
}
