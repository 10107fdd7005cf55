// SPDX-License-Identifier: Apache-2.0
// What the command does with its standard streams: progress bars on terminals of any width, pipes
// that close, full disks, no streams at all.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <pty.h>
#include <string>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;

namespace {

int open_null(int flags) { return ::open("/dev/null", flags | O_CLOEXEC); }

/// Runs a command in a child that `prepare` has set up; `collect` runs meanwhile in the parent.
template <class Prepare, class Collect>
int run_prepared(const std::vector<std::string>& arguments, Prepare prepare, Collect collect) {
    std::vector<char*> words;
    for (const std::string& argument : arguments) {
        words.push_back(const_cast<char*>(argument.c_str()));
    }
    words.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        prepare();
        ::execv(words[0], words.data());
        ::_exit(127);
    }
    collect();
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Exit code and what the terminal got; standard output goes elsewhere.
std::pair<int, std::string> on_terminal(const std::vector<std::string>& arguments,
                                        unsigned short columns) {
    int controller = -1;
    int terminal = -1;
    winsize size{};
    size.ws_row = 24;
    size.ws_col = columns;
    if (::openpty(&controller, &terminal, nullptr, nullptr, &size) != 0) {
        throw std::system_error(errno, std::generic_category(), "openpty");
    }
    std::string seen;
    const int code = run_prepared(
        arguments,
        [&] {
            ::dup2(open_null(O_RDONLY), 0);
            ::dup2(open_null(O_WRONLY), 1);
            ::dup2(terminal, 2);
            ::close(controller);
            ::close(terminal);
        },
        [&] {
            ::close(terminal);
            char buffer[4096];
            for (ssize_t got = 0; (got = ::read(controller, buffer, sizeof(buffer))) > 0;) {
                seen.append(buffer, static_cast<std::size_t>(got));
            }
        });
    ::close(controller);
    return {code, seen};
}

/// Exit code with these descriptors as standard output and error; -1: closed.
int with_streams(const std::vector<std::string>& arguments, int output, int error) {
    return run_prepared(
        arguments,
        [&] {
            ::close(0);
            if (output >= 0) {
                ::dup2(output, 1);
            } else {
                ::close(1);
            }
            if (error >= 0) {
                ::dup2(error, 2);
            } else {
                ::close(2);
            }
        },
        [] {});
}

std::vector<std::vector<std::string>> all_commands() {
    return {{"ls"},
            {"info", "market"},
            {"dims", "market"},
            {"layers", "market"},
            {"get", "market", "1", "5"},
            {"get", "market", "1", "5", "--json"},
            {"watch", "market", "--from-start", "--count", "1"},
            {"diff", "market", "1", "2"},
            {"stat", "market"},
            {"dump", "market"},
            {"readers", "market"},
            {"verify", "market"},
            {"gc", "--dry-run"},
            {"doctor"},
            {"metrics"},
            {"top", "market", "--json", "--count", "1"},
            {"completion", "bash"},
            {"--help"}};
}

struct Market {
    TempStore store{"market"};
    Producer producer;
    Strata strata{store.base()};

    Market() : producer(make(store)) {
        Batch batch = producer.batch();
        for (std::uint64_t i = 0; i < 3000; ++i) {
            batch.put({1, i}, "content " + std::to_string(i), {.keywords = {"word"}});
        }
        batch.put({2, 1}, std::string(3 << 20, 'x'));
        batch.crystallize();
    }
    static Producer make(const TempStore& store) {
        ProducerOptions options = store.producer_options();
        options.retain = 2;
        return Producer::create(store.name(), options);
    }
};

}  // namespace

TEST_CASE("long work shows a bar that fits the terminal, and takes it away") {
    const Market market;
    const std::vector<std::vector<std::string>> commands{{"verify", "market"},
                                                         {"layers", "market"},
                                                         {"get", "market", "2", "1"},
                                                         {"gc", "--dry-run"}};
    for (const auto& words : commands) {
        for (const unsigned columns : {200U, 80U, 40U, 12U, 1U}) {
            CAPTURE(words[0]);
            CAPTURE(columns);
            const auto [code, seen] =
                on_terminal(market.strata.words(words), static_cast<unsigned short>(columns));
            CHECK(code == 0);
            CHECK(contains(seen, "\r\x1b[K"));
            if (columns >= 40) {
                CHECK(contains(seen, " %"));
                CHECK(contains(seen, "["));
            }
            CHECK(seen.ends_with("\r\x1b[K"));  // nothing is left on the line
            for (std::size_t at = 0; at < seen.size();) {
                const std::size_t end = std::min(seen.find('\r', at + 1), seen.size());
                CHECK(end - at < columns + std::string_view("\r\x1b[K").size());
                at = end;
            }
        }
    }
    CHECK(market.strata({"verify", "market"}).err.empty());  // no terminal, no bar
}

TEST_CASE("put shows how far it has read its file") {
    const Market market;
    const TempStore other("other");
    const std::string file = (other.base() / "content").string();
    std::FILE* const stream = std::fopen(file.c_str(), "wb");
    REQUIRE(stream != nullptr);
    const std::string content(2 << 20, 'y');
    CHECK(std::fwrite(content.data(), 1, content.size(), stream) == content.size());
    std::fclose(stream);
    const Strata strata(other.base());
    const auto [code, seen] =
        on_terminal(strata.words({"put", "--create", "other", "1", "1", file}), 80);
    CHECK(code == 0);
    CHECK(contains(seen, "read "));
    CHECK(strata({"get", "other", "1", "1"}).out == content);
}

TEST_CASE("output that cannot be written is an error of every command") {
    const Market market;
    const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    const int null = open_null(O_WRONLY);
    REQUIRE(full >= 0);
    for (const auto& words : all_commands()) {
        CAPTURE(words[0]);
        CHECK(with_streams(market.strata.words(words), full, null) == 1);
        CHECK(with_streams(market.strata.words(words), null, null) == 0);
    }
    ::close(full);
    ::close(null);
}

TEST_CASE("a pipe that closes ends the command quietly") {
    const Market market;
    const int null = open_null(O_WRONLY);
    for (const auto& words : all_commands()) {
        CAPTURE(words[0]);
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        ::close(ends[0]);
        CHECK(with_streams(market.strata.words(words), ends[1], null) == 128 + SIGPIPE);
        ::close(ends[1]);
    }
    ::close(null);
}

TEST_CASE("without standard streams nothing is written into a store's files") {
    Market market;
    { Producer gone = std::move(market.producer); }
    for (const auto& words : all_commands()) {
        CAPTURE(words[0]);
        CHECK(with_streams(market.strata.words(words), -1, -1) == 1);
    }
    for (std::uint64_t i = 0; i < 5; ++i) {
        CHECK(with_streams(
                  market.strata.words({"put", "market", "1", std::to_string(i), "-t", "put"}), -1,
                  -1) == 1);  // done, but it could not say so
    }
    CHECK(with_streams(market.strata.words({"rm", "market", "1", "0"}), -1, -1) == 1);
    const CommandResult verified = market.strata({"verify", "market"});
    CHECK(verified.code == 0);
    CHECK(market.strata({"get", "market", "1", "4"}).out == "put");
    CHECK(market.strata({"get", "market", "1", "0"}).code == 3);
    for (const char* name : {"control.mmap", "producer.lock"}) {
        CHECK(contains(market.strata.json({"info", "market"}).dump(), name));
    }
    CHECK(std::filesystem::file_size(market.store.file("producer.lock")) == 0);
}
