// SPDX-License-Identifier: Apache-2.0
// bookmark: generations that are kept under names
#include <memory>

#include "console.hpp"
#include "json.hpp"
#include "quantities.hpp"
#include "text.hpp"

namespace strata::tools {

namespace {

struct Arguments {
    std::string store;
    std::optional<std::string> name;  ///< none: list them
    Generation generation = 0;
    bool remove = false;
};

void list(const Settings& settings, const std::string& store) {
    const std::vector<Bookmark> bookmarks = attach(settings, store).bookmarks();
    if (settings.json) {
        Json json = Json::array();
        for (const Bookmark& bookmark : bookmarks) {
            json.push_back(to_json(bookmark));
        }
        print_json(json);
        return;
    }
    using enum Table::Align;
    Table table({{"BOOKMARK"}, {"GENERATION", right}, {"MADE"}});
    for (const Bookmark& bookmark : bookmarks) {
        table.add({printable(bookmark.name), std::to_string(bookmark.generation),
                   time_text(bookmark.made_at)});
    }
    table.print();
}

void change(const Settings& settings, const Arguments& arguments) {
    Producer producer = open_producer(settings, arguments.store);
    const std::string shown = "\"" + printable(*arguments.name) + "\"";
    if (arguments.remove) {
        producer.remove_bookmark(*arguments.name);
        tell_generation(settings, producer.generation(), "removed the bookmark " + shown);
        return;
    }
    const Generation set = producer.set_bookmark(*arguments.name, arguments.generation);
    tell_generation(settings, set, "bookmark " + shown);
}

void run(const Settings& settings, const Arguments& arguments) {
    if (arguments.name) {
        change(settings, arguments);
    } else if (arguments.remove || arguments.generation != 0) {
        throw Complaint{Exit::usage, "usage", "which bookmark? give its name"};
    } else {
        list(settings, arguments.store);
    }
}

}  // namespace

void add_bookmark_command(CLI::App& app, Settings& settings) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* const command = add_command(
        app, "bookmark", "List, set or remove bookmarks: generations that are kept under names",
        "  strata bookmark market\n"
        "  strata bookmark market before-import\n"
        "  strata bookmark market before-import --remove\n"
        "  strata get market 1 5 --bookmark before-import\n"
        "A bookmark keeps what its generation reaches, over restarts of producers, until it is\n"
        "removed or the machine stops. Setting and removing take the place of the producer; one\n"
        "that is alive has to do it itself (Producer::set_bookmark).",
        [&settings, arguments] { run(settings, *arguments); });
    add_store(command, arguments->store);
    command
        ->add_option("name", arguments->name,
                     "To be set on the newest generation; one that is taken moves. Without: list")
        ->type_name("NAME");
    CLI::Option* const remove_flag =
        command->add_flag("--remove", arguments->remove, "Take the name away");
    add_number<Generation>(command, "-g,--generation", arguments->generation,
                           "The generation of another bookmark instead of the newest", {.least = 1})
        ->type_name("GEN")
        ->excludes(remove_flag);
}

}  // namespace strata::tools
