// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <filesystem>

#include "tests/faults/scenarios.hpp"

namespace strata::test {

namespace {

namespace fs = std::filesystem;

void look_at_stores(Subject& self) {
    const TempStore& store = self.store();
    self.request(Request::abandon);
    self.request(Request::produce);
    self.request(Request::hold);
    self.after_steps([&] { self.request(Request::check); });
    self.arm();
    self.step("list", [&] { (void)list_stores(store.base()); });
    // What cannot be found out is an error, or unknown; it is no "nobody" and no "none".
    std::optional<StoreInfo> info;
    self.step("inspect", [&] { info = inspect(store.name(), store.base()); });
    self.require(!info || info->dimensions == 4, "an inspection with other numbers");
    self.require(!info || info->producer_pid, "inspect does not find the producer");
    self.require(!info || !info->readers.empty(), "inspect does not find the reader");
    bool found = true;
    self.step("readers", [&] { found = !readers(store.name(), store.base()).empty(); });
    self.require(found, "the reader is not found");
    std::optional<bool> used;
    self.step("in use?", [&] { used = store_in_use(store.name(), store.base()); });
    self.require(used != false, "a store in use counts as unused");
    self.step("leftovers", [&] { found = leftovers(store.base()).size() == 1; });
    self.require(found || self.was_told_absent(), "the leftover is not found");
    self.step("statistics", [&] { (void)statistics(store.name(), store.base()); });
    self.heal();
    self.must("end", [&] {
        self.request(Request::release);
        self.request(Request::end_producer);
        remove_leftover(leftovers(store.base()).at(0).path);
    });
}

void remove(Subject& self) {
    const TempStore& store = self.store();
    self.request(Request::abandon);
    self.request(Request::hold);
    self.after_steps([&] { self.request(Request::check); });
    self.arm();
    // Success means that nothing of it is left.
    const fs::path half = leftovers(store.base()).at(0).path;
    const bool cleaned = self.step("remove a leftover", [&] { remove_leftover(half); });
    self.require(!cleaned || !fs::exists(half) || self.was_told_absent(),
                 "the leftover is still there");
    const bool removed =
        self.step("remove the store", [&] { remove_store(store.name(), store.base()); });
    const auto left = std::count_if(fs::directory_iterator(store.base()), fs::directory_iterator(),
                                    [&](const auto& entry) { return entry.path() != half; });
    self.require(!removed || left == 0 || self.was_told_absent(), "the store is still there");
    self.heal();
    self.must("release", [&] { self.request(Request::release); });
}

}  // namespace

std::vector<Scenario> store_scenarios() {
    return {
        {.name = "inspect", .run = look_at_stores},
        {.name = "remove", .run = remove},
    };
}

const std::vector<Scenario>& scenarios() {
    static const std::vector<Scenario> all = [] {
        std::vector<Scenario> made;
        for (auto& part : {producer_scenarios(), slow_reader_scenarios(), consumer_scenarios(),
                           bookmark_scenarios(), store_scenarios()}) {
            made.insert(made.end(), part.begin(), part.end());
        }
        return made;
    }();
    return all;
}

const Scenario& scenario_named(std::string_view name) {
    const auto found = std::find_if(scenarios().begin(), scenarios().end(),
                                    [&](const Scenario& s) { return s.name == name; });
    if (found == scenarios().end()) {
        throw Failure("there is no scenario \"" + std::string(name) + "\"");
    }
    return *found;
}

}  // namespace strata::test
