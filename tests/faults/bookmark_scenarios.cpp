// SPDX-License-Identifier: Apache-2.0
// Bookmarks whose calls are refused: a name is set, moved or taken away as a whole or not at all,
// and what it names stays what it was, also for the next producer.
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include "tests/faults/scenarios.hpp"
#include "tests/faults/world.hpp"
#include "tests/faults/writer.hpp"

namespace strata::test {

namespace {

/// A producer's bookmarks as they have to be.
class Marker {
public:
    Marker(Subject& subject, Writer& writer) : self_(subject), writer_(writer) {}

    void set(const std::string& name) {
        if (writer_.step("set a bookmark", [&] { writer_.producer().set_bookmark(name); })) {
            self_.must("copy what it names", [&] {
                copies_.insert_or_assign(name, Copies(self_.store().attach().snapshot()));
            });
        }
        look();
    }
    void remove(const std::string& name) {
        if (copies_.contains(name) &&
            writer_.step("remove a bookmark", [&] { writer_.producer().remove_bookmark(name); })) {
            copies_.erase(name);
        }
        look();
    }
    /// As others see them, who have only the files.
    void look() {
        if (self_.was_told_absent()) {
            return;  // a producer that was told that there are none knows of none
        }
        self_.must("look at the bookmarks", [&] {
            Consumer consumer = self_.store().attach();
            const std::size_t found = consumer.bookmarks().size();
            self_.require(
                found == copies_.size(),
                std::to_string(found) + " bookmarks instead of " + std::to_string(copies_.size()));
            for (const auto& [name, copies] : copies_) {
                const std::string wrong = copies.mismatch(consumer.snapshot_at(name));
                self_.require(wrong.empty(), "bookmark " + name + ": " + wrong);
            }
        });
    }
    /// With nothing refused any more.
    void end() {
        look();
        if (!writer_.active()) {
            writer_.open();
        }
        self_.must("remove all bookmarks", [&] {
            for (const Bookmark& bookmark : writer_.producer().bookmarks()) {
                writer_.producer().remove_bookmark(bookmark.name);
            }
        });
    }

private:
    Subject& self_;
    Writer& writer_;
    std::map<std::string, Copies> copies_;
};

void set_and_remove(Subject& self) {
    Writer writer(self);
    self.must("open", [&] { writer.open(); });
    writer.put(11, 30, 700);
    Marker marker(self, writer);
    self.arm();
    marker.set("first");
    writer.put(11, 30, 800);
    marker.set("second");
    writer.put(11, 30, 900);
    marker.set("first");  // moves on
    writer.put(11, 30, 700);
    writer.step("reclaim", [&] { writer.producer().reclaim(); });
    marker.remove("second");
    writer.step("reclaim again", [&] { writer.producer().reclaim(); });
    writer.put(11, 30, 800);
    marker.look();
    self.heal();
    marker.end();
    writer.prove();
}

void take_over(Subject& self) {
    Writer writer(self);
    self.must("open", [&] { writer.open(); });
    writer.put(11, 30, 700);
    Marker marker(self, writer);
    marker.set("kept");
    writer.put(11, 30, 800);
    marker.set("goes");
    writer.put(11, 30, 900);
    writer.close();
    self.arm();
    writer.open();
    writer.put(11, 30, 700);
    marker.remove("goes");
    writer.step("reclaim", [&] { writer.producer().reclaim(); });
    writer.put(11, 30, 800);
    writer.close();
    marker.look();
    self.heal();
    marker.end();
    writer.prove();
}

/// Work on bookmarks that are damaged: it ends in `corrupt`, or in what was refused.
template <class Action>
void refused_as_damaged(Subject& self, const std::string& name, Action&& action) {
    self.step(name, [&] {
        try {
            action();
        } catch (const Error& error) {
            if (error.code() == Errc::corrupt && error.errno_value() == 0) {
                return;
            }
            throw;
        }
        self.require(self.was_told_absent(), "damaged bookmarks were believed");
    });
}

void read(Subject& self) {
    self.request(Request::produce);
    self.request(Request::publish);
    self.request(Request::mark);
    std::optional<Copies> copies;
    std::optional<Consumer> consumer;
    self.must("copy", [&] {
        consumer.emplace(self.store().attach());
        copies.emplace(consumer->snapshot());
    });
    self.request(Request::churn);
    self.arm();
    std::size_t found = 0;
    if (self.step("list", [&] { found = consumer->bookmarks().size(); })) {
        self.require(found == 1 || self.was_told_absent(), "the bookmark is not listed");
    }
    Snapshot snapshot;
    self.step("snapshot by name", [&] { snapshot = consumer->snapshot_at("marked"); });
    self.request(Request::churn);
    if (snapshot) {
        const std::string wrong = copies->mismatch(snapshot);
        self.require(wrong.empty(), wrong);
    }
    self.step("release", [&] { snapshot = {}; });
    self.request(Request::end_producer);
    const std::filesystem::path file = self.store().file("bookmarks");
    self.must("damage", [&] {
        std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
        stream.seekg(-1, std::ios::end);
        const int last = stream.get();
        stream.seekp(-1, std::ios::end);
        stream.put(static_cast<char>(last ^ 1));
    });
    refused_as_damaged(self, "read damaged ones", [&] { (void)consumer->bookmarks(); });
    refused_as_damaged(self, "open beside damaged ones",
                       [&] { const Producer producer = self.store().open(); });
    self.heal();
    self.must("give them up", [&] {
        consumer.reset();
        std::filesystem::remove(file);
        const Producer producer = self.store().open();
        self.require(producer.bookmarks().empty(), "there are bookmarks without a file");
    });
}

}  // namespace

std::vector<Scenario> bookmark_scenarios() {
    return {
        {.name = "bookmarks", .run = set_and_remove},
        {.name = "bookmarks-open", .run = take_over},
        {.name = "bookmarks-read", .run = read},
    };
}

}  // namespace strata::test
