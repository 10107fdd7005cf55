// SPDX-License-Identifier: Apache-2.0
// On a terminal: questions before something goes for good, and colours, which NO_COLOR forbids.
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <pty.h>
#include <string>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

struct Conversation {
    int code;
    std::string seen;
};

/// Runs a command on a terminal of its own and types `answer` when it asks.
Conversation talk(const std::vector<std::string>& arguments, const std::string& answer,
                  const std::vector<std::pair<std::string, std::string>>& environment = {}) {
    std::vector<char*> words;
    for (const std::string& argument : arguments) {
        words.push_back(const_cast<char*>(argument.c_str()));
    }
    words.push_back(nullptr);
    int controller = -1;
    const pid_t child = ::forkpty(&controller, nullptr, nullptr, nullptr);
    if (child < 0) throw std::system_error(errno, std::generic_category(), "forkpty");
    if (child == 0) {
        ::unsetenv("NO_COLOR");
        ::setenv("TERM", "xterm", 1);
        for (const auto& [name, value] : environment) {
            ::setenv(name.c_str(), value.c_str(), 1);
        }
        ::execv(words[0], words.data());
        ::_exit(127);
    }
    std::string seen;
    bool answered = false;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(controller, buffer, sizeof(buffer))) > 0;) {
        seen.append(buffer, static_cast<std::size_t>(got));
        if (!answered && contains(seen, "[y/N]")) {
            answered = true;
            CHECK(::write(controller, answer.data(), answer.size()) ==
                  static_cast<ssize_t>(answer.size()));
        }
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ::close(controller);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), seen};
}

}  // namespace

TEST_CASE("rm asks before a whole store goes; only a yes is a yes") {
    const TempStore store("market");
    const Strata strata(store.base());
    {
        Producer producer = store.create();
        publish(producer, {1, 5}, "joy");
    }
    const auto remove = strata.words({"rm", "market"});
    for (const char* answer : {"n\n", "\n", "yeah\n", "\x04"}) {  // the last: end of the input
        CAPTURE(answer);
        const Conversation refused = talk(remove, answer);
        CHECK(refused.code == 1);
        CHECK(contains(refused.seen, "\"market\" (1 layers in 1 dimensions"));
        CHECK(contains(refused.seen, "nothing was removed"));
        CHECK(fs::exists(store.path()));
    }
    {
        const Consumer consumer = store.attach();
        CHECK(contains(talk(remove, "n\n").seen, "a process has it open"));
    }
    CHECK(talk(remove, "yes\n").code == 0);
    CHECK_FALSE(fs::exists(store.path()));
}

TEST_CASE("gc shows what it would remove, and asks; what came into use meanwhile stays") {
    const TempStore store("idle");
    const Strata strata(store.base());
    static_cast<void>(store.create());
    const auto collect = strata.words({"gc", "idle"});
    const Conversation refused = talk(collect, "n\n");
    CHECK(refused.code == 1);
    CHECK(contains(refused.seen, "would remove  idle"));
    CHECK(fs::exists(store.path()));
    CHECK_FALSE(contains(talk(strata.words({"gc"}), "").seen, "[y/N]"));  // nothing to ask about
    CHECK_FALSE(contains(talk(strata.words({"gc", "idle", "-n"}), "").seen, "[y/N]"));
    const Conversation agreed = talk(collect, "y\n");
    CHECK(agreed.code == 0);
    CHECK(contains(agreed.seen, "removed  idle"));
    CHECK_FALSE(fs::exists(store.path()));

    fs::create_directory(store.base() / ".half.new-1-2");
    CHECK_FALSE(contains(talk(strata.words({"gc", "--force"}), "").seen, "[y/N]"));
    CHECK_FALSE(fs::exists(store.base() / ".half.new-1-2"));
}

TEST_CASE("colours only on terminals that show them, and not against NO_COLOR") {
    const TempStore store("market");
    const Strata strata(store.base());
    const Producer producer = store.create();
    fs::create_directory(store.base() / "ruin");
    std::ofstream(store.base() / "ruin" / "control.mmap") << "too short";
    for (const char* command : {"ls", "doctor"}) {
        CAPTURE(command);
        const auto words = strata.words({command});
        CHECK(contains(talk(words, "").seen, "\x1b[32m"));
        CHECK(contains(talk(words, "").seen, "\x1b[31m"));
        CHECK(contains(talk(words, "", {{"NO_COLOR", ""}}).seen, "\x1b[32m"));
        CHECK_FALSE(contains(talk(words, "", {{"NO_COLOR", "1"}}).seen, "\x1b["));
        CHECK_FALSE(contains(talk(words, "", {{"TERM", "dumb"}}).seen, "\x1b["));
        CHECK_FALSE(contains(strata({command}).out, "\x1b["));
    }
}
