// SPDX-License-Identifier: Apache-2.0
// Every command in every format, over names that steer terminals and break parsers: of stores,
// dimensions, layers, keywords, files in a store's directory, and half-made stores beside it.
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/printable.hpp>

using namespace strata;
using namespace strata::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

// An escape sequence; C1's short form of one; reordering; invisible; line separators; no UTF-8.
constexpr std::string_view evil =
    "\x1b]0;t\x07\u009B2J\u202Ecod\u2066\u200B\uFEFF\u2028\u2029\n\"\\\xff\xc3";
// The same for a store's name, which cannot hold all of it; it looks like another one's label.
constexpr std::string_view evil_store = "m\u009B2J\u202E\u200B\u2028\"\\x41\xff";

bool harmless_text(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (printable(line) != line) {
            return false;
        }
    }
    return true;
}

/// One document, or one on each line.
bool harmless_json(const std::string& text) {
    if (printable_json(text) != text || !valid_utf8(text)) {
        return false;
    }
    if (json::accept(text)) {
        return true;
    }
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (!json::accept(line)) {
            return false;
        }
    }
    return !text.empty();
}

bool is_name(std::string_view text) {
    return !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) == 0 &&
           text.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") ==
               std::string_view::npos;
}

/// A line of samples: name, braces, labels, number. See Prometheus' text format, version 0.0.4.
bool is_sample(std::string_view line, std::string& metric, std::string& labels) {
    const std::size_t brace = line.find('{');
    if (brace == std::string_view::npos || !is_name(line.substr(0, brace))) {
        return false;
    }
    metric = line.substr(0, brace);
    std::size_t at = brace + 1;
    while (at < line.size() && line[at] != '}') {
        const std::size_t equals = line.find('=', at);
        if (equals == std::string_view::npos || !is_name(line.substr(at, equals - at)) ||
            line.substr(equals + 1, 1) != "\"") {
            return false;
        }
        for (at = equals + 2; at < line.size() && line[at] != '"'; ++at) {
            if (line[at] == '\\') {
                ++at;
                if (at == line.size() ||
                    std::string_view("\\\"n").find(line[at]) == std::string_view::npos) {
                    return false;
                }
            }
        }
        if (++at < line.size() && line[at] == ',') {
            ++at;
        }
    }
    labels = line.substr(0, at);
    const std::string number(line.substr(std::min(line.size(), at + 1)));
    char* end = nullptr;
    (void)std::strtod(number.c_str(), &end);
    return number.starts_with(' ') && number.size() > 1 && *end == '\0';
}

bool valid_exposition(const std::string& text) {
    std::set<std::string> finished;
    std::set<std::string> seen;
    std::string current;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# HELP ")) {
            finished.insert(current);
            current = line.substr(7, line.find(' ', 7) - 7);
            if (finished.contains(current)) {
                return false;  // the samples of one metric stand together
            }
        } else if (line.starts_with("# TYPE ")) {
            if (!line.starts_with("# TYPE " + current + " ")) {
                return false;
            }
        } else {
            std::string metric;
            std::string labels;
            if (!is_sample(line, metric, labels) || metric != current ||
                !seen.insert(labels).second) {
                return false;
            }
        }
    }
    return !seen.empty();
}

/// A store whose names are all hostile, two more whose labels must not become the same, a leftover
/// and foreign files.
struct Hostile {
    TempStore store{std::string(evil_store)};
    Strata strata{store.base()};
    std::optional<Producer> producer;
    std::optional<Consumer> consumer;
    std::optional<Snapshot> held;

    Hostile() {
        ProducerOptions options = store.producer_options();
        options.retain = 4;
        (void)Producer::create("a\xff", options);
        (void)Producer::create("a\\xff", options);
        producer = Producer::create(store.name(), options);
        Batch batch = producer->batch();
        batch.add_dimension(9, evil);
        batch.put(9, evil, std::as_bytes(std::span(std::string_view("x"))), {.keywords = {evil}});
        batch.put({9, 1}, "unnamed", {.keywords = {"\xed\xa0\x80", "\u202E"}});
        batch.crystallize();
        consumer = store.attach();
        held = consumer->snapshot();
        publish(*producer, {9, 1}, std::string(evil));
        std::ofstream(store.path() / std::string("foreign " + std::string(evil))) << "x";
        fs::create_directory(store.base() / (".x\u202E\x1b[2J\xff.new-1-1"));
        fs::create_directory(store.base() / "ruin\x1b[2J\u202E\xff");
        std::ofstream(store.base() / "ruin\x1b[2J\u202E\xff" / "control.mmap") << "short";
    }
};

std::vector<Words> commands(const std::string& store) {
    const std::string name(evil);
    return {{"ls"},
            {"ls", "--names"},
            {"info", store},
            {"dims", store},
            {"dims", store, "--names"},
            {"layers", store},
            {"layers", store, name, "--keyword", name},
            {"get", store, "9", name, "--meta"},
            {"get", store, name, "1", "--meta"},
            {"diff", store, "2", "3"},
            {"watch", store, "--from-start", "--count", "1"},
            {"stat", store},
            {"stat", store, "--pools", "--seconds", "0.01"},
            {"readers", store},
            {"verify", store},
            {"gc", "--dry-run", "--damaged"},
            {"doctor"},
            // What is refused.
            {"get", store, "9", name + "?"},
            {"get", store, name + "?", "1"},
            {"get", store, "9", "0x" + name},
            {"info", name},
            {"info", store + "?"},
            {"info", store, name},
            {name},
            {"info", store, "--" + name},
            {"layers", store, "--limit", name},
            {"layers", store, "--frequency", name},
            {"put", store, "9", "1", name},
            {"put", store, "9", "1", "-t", "x"},
            {"rm", store, "9", "1"},
            {"dump", store, "/nonexistent/" + name},
            {"top", name, "--json", "--count", "1"},
            {"metrics", name}};
}

}  // namespace

TEST_CASE("no command passes hostile names on to a terminal, in text or JSON") {
    const Hostile hostile;
    for (const Words& words : commands(hostile.store.name())) {
        CAPTURE(printable(words[0]));
        const CommandResult text = hostile.strata(words);
        CHECK(harmless_text(text.out));
        CHECK(harmless_text(text.err));
        CHECK(text.out.size() + text.err.size() > 0);
        if (words.size() > 1 && words[1] == "--names") continue;
        if (words.back() == "--names") continue;
        Words with_json = words;
        with_json.emplace_back("--json");
        const CommandResult result = hostile.strata(with_json);
        CHECK(result.code == text.code);
        CHECK((result.out.empty() || harmless_json(result.out)));
        CHECK((result.err.empty() || harmless_json(result.err)));
    }
    for (const Words& words :
         std::vector<Words>{{"dump", hostile.store.name()},
                            {"get", hostile.store.name(), "9", "1", "--json"},
                            {"top", hostile.store.name(), "--json", "--count", "1"}}) {
        CAPTURE(words[0]);
        const CommandResult result = hostile.strata(words);
        CHECK(result.code == 0);
        CHECK(harmless_json(result.out));
    }
    const fs::path file = hostile.store.base() / "dump.json";
    CHECK(hostile.strata({"dump", hostile.store.name(), file.string()}).code == 0);
    std::ostringstream dumped;
    dumped << std::ifstream(file).rdbuf();
    CHECK(harmless_json(dumped.str()));
}

TEST_CASE("put and rm, too, when they succeed") {
    Hostile hostile;
    hostile.held.reset();
    hostile.consumer.reset();
    hostile.producer.reset();
    const std::string store = hostile.store.name();
    for (const Words& words : std::vector<Words>{{"put", store, "9", "7", "-t", "x"},
                                                 {"put", store, std::string(evil), "8", "-t", "x"},
                                                 {"rm", store, "9", std::string(evil)},
                                                 {"rm", store, std::string(evil), "--dimension"}}) {
        CAPTURE(words[0]);
        const CommandResult result = hostile.strata(words);
        CHECK(result.code == 0);
        CHECK(harmless_text(result.out));
    }
}

TEST_CASE("Prometheus gets valid text whatever the names, and no two samples of one label set") {
    const Hostile hostile;
    const std::string all = hostile.strata({"metrics"}).out;
    CHECK(harmless_text(all));
    CHECK(valid_exposition(all));
    CHECK(contains(all, "{store=\"a\\\\xff\"}"));     // the byte
    CHECK(contains(all, "{store=\"a\\\\x5cxff\"}"));  // the text that looks like it
    CHECK(harmless_json(hostile.strata({"metrics", "--json"}).out));
    // The checker itself.
    CHECK_FALSE(valid_exposition("# HELP a x\n# TYPE a gauge\na{b=\"\\x\"} 1\n"));
    CHECK_FALSE(valid_exposition("# HELP a x\n# TYPE a gauge\na{b=\"c\"} 1\na{b=\"c\"} 2\n"));
    CHECK_FALSE(valid_exposition("# HELP a x\n# TYPE a gauge\na{b=\"c\nd\"} 1\n"));
    CHECK(valid_exposition("# HELP a x\n# TYPE a gauge\na{b=\"c\\\\\\\"\"} 1e3\n"));
}

TEST_CASE("a completed name is one word of the shell, whatever it holds") {
    const TempStore store("x; touch injected #");
    store.create();
    const std::string script = Strata(store.base())({"completion", "bash"}).out;
    const std::string test = script + "strata() { " + STRATA_COMMAND + " \"$@\"; }\n" +
                             "COMP_WORDS=(strata info x); COMP_CWORD=2; _strata\n"
                             "eval \"printf '<%s>' ${COMPREPLY[0]}\"\n";
    const std::vector<std::string> shell{"env", "STRATA_BASE_PATH=" + store.base().string(),
                                         "bash"};
    CHECK(RunningCommand(shell, test).finish().out == "<x; touch injected #>");
}
