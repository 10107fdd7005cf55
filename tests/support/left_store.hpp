// SPDX-License-Identifier: Apache-2.0
// A store without a producer, and how each way to open or read it is refused.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

namespace strata::test {

// A store with one dimension of a hundred layers and no producer.
class LeftStore : public TempStore {
public:
    LeftStore() : TempStore(Regions::own) {
        Producer producer = create();
        Batch batch = producer.batch();
        for (std::uint64_t i = 0; i < 100; ++i) {
            batch.put({1, i}, payload_of(i, 0, 100), {.keywords = {"key"}});
        }
        batch.crystallize();
    }
    std::filesystem::path control() const { return file("control.mmap"); }
    std::filesystem::path lock() const { return file("producer.lock"); }
    std::filesystem::path region() const { return file("region-1.mmap"); }
};

// Every refusal has to say what was tried, where, and what was found.
inline void check_complete(const Error& error) {
    CHECK_FALSE(error.operation().empty());
    CHECK_FALSE(error.path().empty());
    CHECK_FALSE(error.detail().empty());
    const std::string line = error.what();
    CHECK(line.find(error.operation()) == 0);
    CHECK(line.find(error.path()) != std::string::npos);
    CHECK(line.find(error.detail()) != std::string::npos);
}

inline std::string attach_code(const TempStore& store) {
    const auto error = error_of([&] { (void)store.attach().snapshot(); });
    if (error) check_complete(*error);
    return error ? std::string(to_string(error->code())) : "no error";
}

// Twice: a refused producer must not keep the lock.
inline std::string open_code(const TempStore& store) {
    const auto error = error_of([&] { store.open(); });
    if (error) check_complete(*error);
    const auto again = error_of([&] { store.open(); });
    CHECK(error.has_value() == again.has_value());
    CHECK((!error || !again || error->code() == again->code()));
    return error ? std::string(to_string(error->code())) : "no error";
}

// Reading a layer of the dimension with the bad region.
inline std::string get_code(const TempStore& store) {
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    CHECK(snapshot.has_dimension(1));          // there it is, if unreadable
    CHECK(snapshot.dimensions().size() == 1);  // the directory is sound
    const auto error = error_of([&] { (void)snapshot.get({1, 1}); });
    if (error) check_complete(*error);
    const std::string code = error ? std::string(to_string(error->code())) : "no error";
    // None of them takes the error for "there is none".
    std::vector<Layer> found(1);
    CHECK(code_of([&] { (void)snapshot.find({1, 1}); }) == code);
    CHECK(code_of([&] { snapshot.find(std::vector<LayerId>{{1, 1}}, found); }) == code);
    CHECK(code_of([&] { (void)snapshot.find(1, "name"); }) == code);
    CHECK(code_of([&] { (void)snapshot.in(1); }) == code);
    CHECK(code_of([&] { (void)snapshot.dimension(1); }) == code);
    CHECK(code_of([&] { (void)changes(Snapshot(), snapshot); }) == code);
    return code;
}

}  // namespace strata::test
