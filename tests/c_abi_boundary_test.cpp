// SPDX-License-Identifier: Apache-2.0
// Nothing that C++ throws crosses the C ABI, memory that runs out least of all.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include <doctest/doctest.h>

#include "bindings/c/boundary.hpp"
#include "tests/support/failing_allocations.hpp"
#include "tests/support/temp_store.hpp"

using strata::test::FailAfter;
using strata::test::TempBase;

namespace {

// Runs `call` with a failure at each of its allocations in turn, until it succeeds. Every other
// outcome is out_of_memory, with its text. Returns how many allocations could fail.
template <class Call>
std::uint64_t fail_everywhere(Call&& call) {
    for (std::uint64_t n = 0;; ++n) {
        CAPTURE(n);
        strata_error error = STRATA_ERROR_INIT;
        const strata_status status = [&] {
            const FailAfter fault(n);
            return call(&error);
        }();
        if (status == STRATA_OK) {
            return n;
        }
        REQUIRE(std::string(strata_status_name(status)) == "out_of_memory");
        REQUIRE(error.code == status);
        REQUIRE(std::string(error.message) == "the process is out of memory");
        REQUIRE(n < 10'000);
    }
}

template <class Thrown>
strata_error error_of(const Thrown& thrown) {
    strata_error error = STRATA_ERROR_INIT;
    const strata_status status = strata::bindings::guarded("call", &error, [&] { throw thrown; });
    CHECK(status == error.code);
    return error;
}

}  // namespace

TEST_CASE("every exception becomes a status") {
    CHECK(error_of(std::bad_alloc()).code == STRATA_OUT_OF_MEMORY);
    CHECK(error_of(std::length_error("vector")).code == STRATA_OUT_OF_MEMORY);
    const strata_error refused = error_of(std::system_error(EAGAIN, std::generic_category()));
    CHECK(refused.code == STRATA_SYSTEM);
    CHECK(refused.os_error == EAGAIN);
    const strata_error odd = error_of(std::runtime_error("odd"));
    CHECK(odd.code == STRATA_INTERNAL);
    CHECK(std::string(odd.message) == "odd");
    CHECK(std::string(odd.operation) == "call");
    CHECK(error_of(42).code == STRATA_INTERNAL);
}

TEST_CASE("hints do not speak C++") {
    const auto told = [](const std::string& hint) {
        const strata_error error = error_of(strata::Error({.code = strata::Errc::type_mismatch,
                                                           .operation = "a::b",
                                                           .path = "/C::D",
                                                           .hint = hint}));
        CHECK(std::string(error.message).starts_with("a::b: /C::D"));
        CHECK(std::string(error.message).ends_with("; " + std::string(error.hint)));
        return std::string(error.hint);
    };
    CHECK(told("retain more (ProducerOptions::retain, retain_for)") ==
          "retain more (retain, retain_for)");
    CHECK(told("strata::Consumer::reattach") == "reattach");
    CHECK(told("the same type (put_value<T>, as<T>)") == "the same type (put_value, as)");
    CHECK(told("`raise`: 3 < 4 :: ä") == "`raise`: 3 < 4 :: ä");
    const strata_error cut = error_of(strata::Error(
        {.code = strata::Errc::corrupt, .operation = "read", .hint = std::string(3000, 'x')}));
    CHECK(std::string(cut.hint) == std::string(sizeof cut.hint - 1, 'x'));
    CHECK(std::string(cut.message).size() == sizeof cut.message - 1);
}

TEST_CASE("an error of the library keeps its parts; long texts are cut between characters") {
    std::string detail;
    while (detail.size() < 2000) {
        detail += "ä";
    }
    const strata_error error = error_of(strata::Error({.code = strata::Errc::limit_exceeded,
                                                       .operation = "put",
                                                       .path = "/a/b",
                                                       .detail = detail,
                                                       .hint = "raise it",
                                                       .errno_value = ENOSPC,
                                                       .needed = 1,
                                                       .limit = 2,
                                                       .current = 3}));
    CHECK(error.code == STRATA_LIMIT_EXCEEDED);
    CHECK(error.os_error == ENOSPC);
    CHECK(error.needed == 1);
    CHECK(error.limit == 2);
    CHECK(error.current == 3);
    CHECK(std::string(error.operation) == "put");
    CHECK(std::string(error.path) == "/a/b");
    CHECK(std::string(error.hint) == "raise it");
    const std::string message = error.message;
    CHECK(message.size() >= sizeof error.message - 4);
    CHECK(strata::valid_utf8(message));
}

TEST_CASE("structs of any size that a header could have are read and written within it") {
    struct Known {
        std::uint32_t struct_size;
        std::uint32_t first;
        std::uint64_t second;
    };
    constexpr std::size_t most = strata::bindings::most_struct_size;
    constexpr std::byte untouched{0xA5};
    alignas(Known) static std::array<std::byte, most + 16> room;
    Known* const caller = reinterpret_cast<Known*>(room.data());
    const auto set_up = [&](std::uint32_t size, std::byte rest) {
        room.fill(rest);
        caller->struct_size = size;
    };
    const auto refused = [](auto&& act) {
        strata_error error = STRATA_ERROR_INIT;
        return strata::bindings::guarded("call", &error, act) == STRATA_INVALID_ARGUMENT;
    };
    for (const std::uint32_t size : {0U, 3U, std::uint32_t{most} + 1, ~0U}) {
        CAPTURE(size);
        set_up(size, untouched);
        CHECK(refused([&] { strata::bindings::options_of(caller); }));
        CHECK(refused([&] { strata::bindings::give_struct(caller, Known{}); }));
        CHECK(room[4] == untouched);
    }
    for (const std::uint32_t size : {4U, 8U, 15U, 16U, 17U, 24U, std::uint32_t{most}}) {
        CAPTURE(size);
        set_up(size, untouched);
        const Known given{.struct_size = 0, .first = 0x01010101, .second = 0x0202020202020202};
        strata::bindings::give_struct(caller, given);
        CHECK(caller->struct_size == size);
        for (std::size_t i = 4; i < room.size(); ++i) {
            const std::byte expected = i >= size ? untouched
                                       : i < 8   ? std::byte{1}
                                       : i < 16  ? std::byte{2}
                                                 : std::byte{0};
            REQUIRE(room[i] == expected);
        }

        // What is behind the caller's struct is not its options.
        set_up(size, std::byte{0});
        std::fill(room.begin() + size, room.end(), untouched);
        Known known = strata::bindings::options_of(caller);
        CHECK(known.first == 0);
        CHECK(known.second == 0);
        // An option counts up to the last byte; one that is not known is refused there, too.
        if (size > 4) {
            room[size - 1] = std::byte{3};
            CHECK(refused([&] { known = strata::bindings::options_of(caller); }) == (size > 16));
            CHECK((known.first != 0) == (size == 8));
            CHECK((known.second != 0) == (size == 15 || size == 16));
        }
    }
    CHECK(strata::bindings::options_of<Known>(nullptr).second == 0);
}

TEST_CASE("an error of any size is filled as far as it goes, or left alone") {
    const auto fill = [](std::uint32_t size, strata_error& error) {
        std::memset(&error, 0x7F, sizeof error);
        error.struct_size = size;
        return strata::bindings::guarded("call", &error, [] {
            throw strata::Error({.code = strata::Errc::corrupt,
                                 .operation = "read",
                                 .detail = std::string(3000, 'x'),
                                 .current = ~std::uint64_t{0}});
        });
    };
    strata_error error;
    for (const std::uint32_t size : {0U, 3U, 64U * 1024 + 1}) {
        CHECK(fill(size, error) == STRATA_CORRUPT);
        CHECK(error.code == 0x7F7F7F7F);
    }
    constexpr std::size_t message = offsetof(strata_error, message);
    for (const std::uint32_t size : {4U, 8U, std::uint32_t{message}, std::uint32_t{message} + 1,
                                     std::uint32_t{message} + 9, std::uint32_t{sizeof error}}) {
        CAPTURE(size);
        CHECK(fill(size, error) == STRATA_CORRUPT);
        CHECK(error.struct_size == size);
        CHECK(error.code == (size > 4 ? int{STRATA_CORRUPT} : 0x7F7F7F7F));
        CHECK((error.current == ~std::uint64_t{0}) == (size >= message));
        const std::size_t room = std::min<std::size_t>(size - std::min<std::size_t>(size, message),
                                                       sizeof error.message);
        if (room > 0) {
            REQUIRE(std::memchr(error.message, 0, room) == error.message + room - 1);
            CHECK(std::string(error.message) ==
                  ("read: " + std::string(3000, 'x')).substr(0, room - 1));
        }
        if (size < sizeof error) {
            CHECK(reinterpret_cast<const char*>(&error)[size] == 0x7F);
        }
    }
}

TEST_CASE("memory that runs out anywhere is a status, and nothing is lost") {
    const TempBase base;
    const std::string path = base.path();
    strata_producer_options producer_options = STRATA_PRODUCER_OPTIONS_INIT;
    producer_options.base_path = path.c_str();
    producer_options.memory_limit = 64 << 20;
    producer_options.region_max_bytes = 64 << 20;
    strata_producer* producer = nullptr;
    REQUIRE(strata_produce("store", 5, &producer_options, &producer, nullptr) == STRATA_OK);
    strata_batch* batch = nullptr;
    CHECK(fail_everywhere(
              [&](strata_error* error) { return strata_batch_new(producer, &batch, error); }) > 0);
    REQUIRE(strata_put(batch, 1, 1, "first", 5, nullptr, nullptr) == STRATA_OK);
    REQUIRE(strata_crystallize(batch, nullptr, nullptr) == STRATA_OK);
    fail_everywhere([&](strata_error* error) {
        return strata_put_name(batch, 1, "name", 4, "text", 4, nullptr, nullptr, error);
    });
    std::uint64_t generation = 0;
    CHECK(fail_everywhere([&](strata_error* error) {
              return strata_crystallize(batch, &generation, error);
          }) > 0);
    CHECK(generation == 3);  // the failed ones published nothing

    strata_attach_options options = STRATA_ATTACH_OPTIONS_INIT;
    options.base_path = path.c_str();
    strata_consumer* consumer = nullptr;
    CHECK(fail_everywhere([&](strata_error* error) {
              return strata_attach("store", 5, &options, &consumer, error);
          }) > 5);
    strata_snapshot* snapshot = nullptr;
    CHECK(fail_everywhere([&](strata_error* error) {
              return strata_snapshot_take(consumer, &snapshot, error);
          }) > 0);
    strata_layer layer{};
    fail_everywhere([&](strata_error* error) {
        return strata_get_name(snapshot, 1, "name", 4, &layer, error);
    });
    CHECK(std::string(static_cast<const char*>(layer.data), layer.size) == "text");
    std::uint32_t number = 0;
    CHECK(fail_everywhere([&](strata_error* error) {
              return strata_dimension_number(snapshot, "D1", 2, &number, error);
          }) > 0);
    CHECK(number == 1);
    strata_changes* changes = nullptr;
    CHECK(fail_everywhere([&](strata_error* error) {
              return strata_changes_between(nullptr, snapshot, &changes, error);
          }) > 0);
    strata_cursor* cursor = nullptr;
    CHECK(fail_everywhere([&](strata_error* error) {
              return strata_cursor_open(snapshot, 1, &cursor, error);
          }) > 0);
    char* json = nullptr;
    CHECK(fail_everywhere([&](strata_error* error) {
              return strata_producer_statistics_json(producer, &json, nullptr, error);
          }) > 0);
    strata_free(json);
    strata_cursor_close(cursor);
    strata_changes_free(changes);
    strata_snapshot_release(snapshot);
    strata_detach(consumer);
    strata_batch_free(batch);
    strata_producer_close(producer);
}
