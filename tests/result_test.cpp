// SPDX-License-Identifier: Apache-2.0
// The functions that take std::nothrow, and errors as std::error_code has them.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <dlfcn.h>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

#include "tests/support/failing_allocations.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;

namespace {

thread_local std::uint64_t exceptions_made = 0;

/// The error of `result` is the one that `action` throws, in all its parts.
template <class T, class Action>
void same_as_thrown(const Result<T>& result, Action&& action) {
    const std::optional<Error> thrown = error_of(std::forward<Action>(action));
    REQUIRE(thrown.has_value());
    REQUIRE(!result.has_value());
    CHECK(!result);
    CHECK(result.error().code() == thrown->code());
    CHECK(std::string(result.error().what()) == thrown->what());
    CHECK(result.error().hint() == thrown->hint());
    CHECK(result.error().needed() == thrown->needed());
    CHECK(result.error().error_code() == thrown->error_code());
}

}  // namespace

// Counts what is thrown, also what is caught again inside.
extern "C" void* __cxa_allocate_exception(std::size_t bytes) noexcept {
    using Allocate = void* (*)(std::size_t) noexcept;
    static const auto allocate =
        reinterpret_cast<Allocate>(::dlsym(RTLD_NEXT, "__cxa_allocate_exception"));
    ++exceptions_made;
    return allocate(bytes);
}

TEST_CASE("a store is created, opened, filled and read without an exception") {
    const TempStore store;
    const std::uint64_t before = exceptions_made;
    {
        Result<Producer> made =
            Producer::create(std::nothrow, store.name(), store.producer_options());
        REQUIRE(made);
        Batch batch = made->batch();
        batch.put({1, 5}, "joy");
        batch.put(1, "called", "calm");
        const Result<Generation> published = batch.crystallize(std::nothrow);
        REQUIRE(published);
        CHECK(*published == made->generation());
        CHECK(batch.empty());
    }
    CHECK(Producer::open_or_create(std::nothrow, store.name(), store.producer_options()));
    const Result<Producer> opened =
        Producer::open(std::nothrow, store.name(), store.producer_options());
    REQUIRE(opened);
    Result<Consumer> attached =
        Consumer::attach(std::nothrow, store.name(), store.consumer_options());
    REQUIRE(attached);
    const Result<Snapshot> snapshot = attached->snapshot(std::nothrow);
    REQUIRE(snapshot);
    CHECK(snapshot->get(std::nothrow, {1, 5}).value().text() == "joy");
    CHECK(snapshot->get(std::nothrow, 1, "called")->text() == "calm");
    CHECK(attached->snapshot(std::nothrow, snapshot->generation())->generation() ==
          opened->generation());
    CHECK(exceptions_made == before);
}

TEST_CASE("a result has the very error that is thrown otherwise") {
    const TempStore store;
    const ProducerOptions options = store.producer_options();
    same_as_thrown(Consumer::attach(std::nothrow, store.name(), store.consumer_options()),
                   [&] { (void)store.attach(); });
    same_as_thrown(Producer::open(std::nothrow, store.name(), options),
                   [&] { (void)store.open(); });
    same_as_thrown(Producer::open_or_create(std::nothrow, "a/b", options),
                   [&] { (void)Producer::open_or_create("a/b", options); });
    Producer producer = store.create();
    same_as_thrown(Producer::create(std::nothrow, store.name(), options),
                   [&] { (void)store.create(); });
    Batch batch = producer.batch();
    batch.put({1, 1}, "content");
    batch.put({1, 2}, "other");
    batch.crystallize();
    Batch late = producer.batch();
    late.put({1, 3}, "late");
    batch.remove_dimension(1);
    batch.crystallize();
    same_as_thrown(late.crystallize(std::nothrow), [&] { late.crystallize(); });
    CHECK(late.size() == 1);  // it has its changes still

    Consumer consumer = store.attach();
    same_as_thrown(consumer.snapshot(std::nothrow, 1), [&] { (void)consumer.snapshot(1); });
}

TEST_CASE("a layer that is not there is told without any exception") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    batch.put({1, 5}, "joy");
    batch.put({1, layer_number("taken")}, "by number");
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    const auto absent = [&](auto... key) {
        const std::uint64_t before = exceptions_made;
        const Result<Layer> result = snapshot.get(std::nothrow, key...);
        CHECK(exceptions_made == before);
        same_as_thrown(result, [&] { (void)snapshot.get(key...); });
        CHECK(exceptions_made > before);  // the count counts
        return result.error().code();
    };
    CHECK(absent(LayerId{1, 6}) == Errc::layer_not_found);
    CHECK(absent(LayerId{2, 6}) == Errc::dimension_not_found);
    CHECK(absent(Dimension{1}, "nobody") == Errc::layer_not_found);
    CHECK(absent(Dimension{1}, "taken") == Errc::layer_not_found);
    CHECK(absent(Dimension{3}, "nobody") == Errc::dimension_not_found);
    CHECK(Snapshot().get(std::nothrow, {1, 5}).error().code() == Errc::dimension_not_found);
}

TEST_CASE("out of memory is an error like others") {
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "content");
    bool succeeded = false;
    for (std::uint64_t n = 0; !succeeded; ++n) {
        CAPTURE(n);
        REQUIRE(n < 1000);
        const ConsumerOptions options = store.consumer_options();
        const Result<Consumer> attached = [&] {
            const FailAfter fault(n);
            return Consumer::attach(std::nothrow, store.name(), options);
        }();
        succeeded = attached.has_value();
        if (!succeeded) {
            CHECK(attached.error().code() == Errc::system);
            CHECK(attached.error().errno_value() == ENOMEM);
            CHECK(attached.error().error_code() == std::errc::not_enough_memory);
            CHECK(std::string(attached.error().what()).starts_with("allocate: "));
        }
        CHECK((succeeded || n < 100));
    }
    const Snapshot snapshot = store.attach().snapshot();
    const FailAfter fault(0);
    const Result<Layer> absent = snapshot.get(std::nothrow, {1, 2});  // no room for its text
    CHECK(!absent);
    CHECK(absent.error().errno_value() == ENOMEM);
}

TEST_CASE("a result is used as std::expected is") {
    static_assert(!std::is_copy_constructible_v<Result<Producer>>);
    static_assert(std::is_nothrow_move_constructible_v<Result<Producer>>);
    Result<std::string> text("some text, longer than what a string has inside");
    CHECK(text.value().size() == text->size());
    CHECK(*text == std::as_const(text).value());
    const std::string moved = std::move(text).value();
    CHECK(moved.starts_with("some"));
    CHECK(text->empty());
    Result<std::string> none(Error({.code = Errc::corrupt, .operation = "read", .path = "/a/b"}));
    CHECK(code_of([&] { (void)none.value(); }) == "corrupt");
    CHECK(code_of([&] { (void)std::as_const(none).value(); }) == "corrupt");
    CHECK(code_of([&] { (void)std::move(none).value(); }) == "corrupt");
    CHECK(none.error().path() == "/a/b");
    CHECK(std::move(none).value_or("instead") == "instead");
    CHECK(Result<int>(7).value_or(8) == 7);
    none = std::string("now there is one");
    CHECK(none.has_value());
}

TEST_CASE("every code is a std::error_code, and compares with what std calls the same") {
    CHECK(std::string(error_category().name()) == "strata");
    for (int value = 1; value <= static_cast<int>(Errc::bookmark_not_found); ++value) {
        const std::error_code code = static_cast<Errc>(value);
        CHECK(code.value() == value);
        CHECK(code.message() == to_string(static_cast<Errc>(value)));
        CHECK(code.message() != "unknown");
        CHECK(code == static_cast<Errc>(value));
        CHECK(code != std::error_code(value, std::generic_category()));
        CHECK(code != std::error_condition());  // which means that there was no error
    }
    const auto same = [](Errc code, std::errc condition) {
        CAPTURE(to_string(code));
        CHECK(make_error_code(code) == condition);
    };
    same(Errc::store_not_found, std::errc::no_such_file_or_directory);
    same(Errc::file_not_found, std::errc::no_such_file_or_directory);
    same(Errc::store_exists, std::errc::file_exists);
    same(Errc::file_exists, std::errc::file_exists);
    same(Errc::permission_denied, std::errc::permission_denied);
    same(Errc::not_trusted, std::errc::permission_denied);
    same(Errc::producer_active, std::errc::device_or_resource_busy);
    same(Errc::invalid_argument, std::errc::invalid_argument);
    same(Errc::invalid_name, std::errc::invalid_argument);
    same(Errc::layer_too_large, std::errc::file_too_large);
    same(Errc::limit_exceeded, std::errc::not_enough_memory);
    same(Errc::no_space, std::errc::no_space_on_device);
    same(Errc::format_version, std::errc::not_supported);
    same(Errc::byte_order, std::errc::not_supported);
    same(Errc::wrong_process, std::errc::operation_not_permitted);
    same(Errc::would_deadlock, std::errc::resource_deadlock_would_occur);
    same(Errc::durability_lost, std::errc::io_error);
    CHECK(make_error_code(Errc::corrupt) != std::errc::io_error);
    const std::error_condition itself = make_error_code(Errc::corrupt).default_error_condition();
    CHECK(itself.category() == error_category());
    CHECK(itself.value() == static_cast<int>(Errc::corrupt));

    const Error full({.code = Errc::no_space, .operation = "put", .errno_value = ENOSPC});
    CHECK(full.error_code() == Errc::no_space);
    CHECK(full.error_code() == std::errc::no_space_on_device);
    const Error system({.code = Errc::system, .operation = "map", .errno_value = EMFILE});
    CHECK(system.error_code() == std::errc::too_many_files_open);
    const Error other({.code = Errc::system, .operation = "map"});
    CHECK(other.error_code() == Errc::system);
}
