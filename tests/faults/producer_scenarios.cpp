// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <sstream>

#include "tests/faults/scenarios.hpp"
#include "tests/faults/writer.hpp"

namespace strata::test {

namespace {

void create(Subject& self) {
    Writer writer(self);
    self.arm();
    writer.create();
    writer.put(11, 20, 700);
    self.heal();
    writer.prove();
}

void create_in_new_base(Subject& self) {
    Writer writer(self);
    writer.options.base_path = self.store().base() / "inner" / "base";
    self.arm();
    std::optional<Producer> producer;
    const auto make = [&] { producer.emplace(Producer::open_or_create("new", writer.options)); };
    self.stubborn_step("create in a new base directory", make);
    self.step("close", [&] { producer.reset(); });
    self.heal();
    self.must("create or open it then", [&] {
        producer.emplace(Producer::open_or_create("new", writer.options));
        publish(*producer, {1, 1}, "text");
        producer.reset();
        remove_store("new", writer.options.base_path);
        for (const Leftover& leftover : leftovers(writer.options.base_path)) {
            remove_leftover(leftover.path);
        }
        self.require(std::filesystem::is_empty(writer.options.base_path), "something is left");
        std::filesystem::remove_all(self.store().base() / "inner");
    });
}

void replace(Subject& self) {
    Writer writer(self);
    writer.options.replace = true;
    self.request(Request::hold);
    self.request(Request::abandon);
    self.arm();
    const bool created = writer.create();
    writer.put(11, 5, 700);
    self.heal();
    if (created) {
        writer.prove();
    }
}

void open(Subject& self) {
    Writer writer(self);
    self.request(Request::die_badly);
    self.arm();
    writer.open();
    writer.put_often(11);
    writer.put(12, 2, 70'000);
    self.heal();
    writer.prove();
}

// Everything that a producer does while it has its store, beside a snapshot that is held.
void steady(Subject& self) {
    Writer writer(self);
    writer.options.retain = 1;
    self.must("open", [&] { writer.open(); });
    writer.put_often(11);
    writer.put(11, 30, 700);
    self.request(Request::hold);
    self.arm();
    writer.put(11, 30, 700);
    writer.put(12, 3, 70'000);  // a new file, which grows
    writer.step("add a dimension", [&] { writer.producer().add_dimension(13, {.name = "Third"}); });
    writer.step("reclaim", [&] { writer.producer().reclaim(); });
    writer.put(12, 3, 90'000);
    writer.put(11, 30, 800);
    writer.step("trim", [&] { writer.producer().trim(); });
    writer.put(12, 3, 60'000);  // into holes
    writer.erase(11, 3);
    writer.remove(12);
    writer.put(11, 30, 900);
    writer.step("reclaim again", [&] { writer.producer().reclaim(); });
    writer.step("statistics", [&] { (void)statistics(writer.producer()); });
    writer.step("limits", [&] {
        const std::uint64_t limit = writer.producer().memory_limit();
        writer.producer().set_memory_limit(limit / 2);
        writer.producer().set_memory_limit(limit);
    });
    self.request(Request::release);
    writer.put(11, 30, 1'000);
    writer.step("trim all", [&] { writer.producer().trim(); });
    self.heal();
    writer.prove();
}

void end(Subject& self) {
    Writer writer(self);
    writer.open();
    writer.put_often(11);
    writer.put(11, 30, 700);
    writer.put(12, 2, 70'000);
    writer.remove(12);
    self.request(Request::hold);
    self.arm();
    writer.close();
    writer.open();
    writer.close();
    self.heal();
    writer.prove();
}

void proto_and_queue(Subject& self) {
    Writer writer(self);
    writer.open();
    self.arm();
    writer.step("proto-dimension", [&] {
        ProtoDimension proto = writer.producer().proto_dimension(8, "Proto");
        proto.put(1, std::string(50'000, 'x'));
        proto.crystallize();
    });
    writer.step("drop the proto-dimension", [&] {
        ProtoDimension proto = writer.producer().proto_dimension(8);
        proto.discard();
    });
    writer.step("crystallizer", [&] {
        Crystallizer crystallizer(writer.producer());
        std::vector<IngestTicket> tickets;
        for (std::uint64_t layer = 0; layer < 30; ++layer) {
            tickets.push_back(crystallizer.put({9, layer}, std::string(4'000, 'q')));
        }
        crystallizer.flush();
        crystallizer.stop();
        for (const IngestTicket& ticket : tickets) {
            (void)ticket.result();
        }
    });
    writer.step("statistics in a file", [&] {
        const auto file = self.store().base() / "statistics.json";
        dump_json(statistics(writer.producer()), file);
    });
    self.heal();
    std::filesystem::remove(self.store().base() / "statistics.json");
    self.must("remove what was made", [&] {
        Batch batch = writer.producer().batch();
        batch.remove_dimension(8);
        batch.remove_dimension(9);
        batch.crystallize();
        writer.close();
    });
    writer.prove();
}

}  // namespace

std::vector<Scenario> producer_scenarios() {
    return {
        {.name = "create", .prepared = false, .run = create},
        {.name = "create-base", .prepared = false, .run = create_in_new_base},
        {.name = "replace", .run = replace},
        {.name = "open", .run = open},
        {.name = "steady", .run = steady},
        {.name = "end", .run = end},
        {.name = "queue", .run = proto_and_queue},
    };
}

}  // namespace strata::test
