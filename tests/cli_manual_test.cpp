// SPDX-License-Identifier: Apache-2.0
// Manual pages and completions, as the programs that read them see them.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/command.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

bool installed(const std::string& program) {
    return RunningCommand({"sh", "-c", "command -v " + program}).finish().code == 0;
}

struct Market {
    TempStore store{"market"};
    Strata strata{store.base()};
    /// With the command and its stores where a completion script looks for them.
    std::string environment = "export STRATA_BASE_PATH=" + store.base().string() +
                              " PATH=" + fs::path(STRATA_COMMAND).parent_path().string() +
                              ":$PATH\n";

    Market() {
        Producer producer = store.create();
        Batch batch = producer.batch();
        batch.add_dimension(1, "Emotion");
        batch.put({1, 5}, "joy");
        batch.crystallize();
    }
};

}  // namespace

TEST_CASE("every command has a manual page") {
    const TempBase base;
    const Strata strata(base.path());
    const std::string overview = strata({"man"}).out;
    CHECK(overview.starts_with(".TH \"strata\" 1"));
    CHECK(contains(overview, ".SH \"EXIT STATUS\"\n"));
    CHECK(strata({"man", "--output", base.path().string()}).code == 0);
    std::size_t pages = 0;
    for (const fs::directory_entry& entry : fs::directory_iterator(base.path())) {
        CAPTURE(entry.path());
        std::ifstream file(entry.path());
        const std::string page((std::istreambuf_iterator<char>(file)), {});
        for (const char* part : {".SH NAME\n", ".SH SYNOPSIS\n", ".SH OPTIONS\n", ".SH EXAMPLES\n",
                                 ".SH \"SEE ALSO\"\n"}) {
            CHECK(contains(page, part));
        }
        ++pages;
        if (installed("groff")) {
            const CommandResult set =
                RunningCommand({"groff", "-man", "-Tutf8", "-ww", "-z"}, page).finish();
            CHECK(set.code == 0);
            CHECK(set.err == "");
        }
    }
    CHECK(pages > 20);
    CHECK(fs::exists(base.path() / "strata-get.1"));
    CHECK(strata({"man", "get"}).out.starts_with(".TH \"strata-get\" 1"));
    CHECK(
        contains(strata({"man", "get"}).out, "\\fB\\-g\\fP, \\fB\\-\\-generation\\fP \\fIGEN\\fP"));
    CHECK(strata({"man", "fly"}).code == 2);
    CHECK(strata({"man", "--output", "/nonexistent"}).code == 1);
}

TEST_CASE("completion in bash: commands, options, stores and dimensions") {
    STRATA_SKIP_IF(!installed("bash"), "there is no bash here");
    const Market market;
    const std::string script = market.environment + market.strata({"completion", "bash"}).out +
                               "try() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _strata; "
                               "echo \"${COMPREPLY[@]}\"; }\n"
                               "try strata ren\ntry strata get mar\ntry strata get market Em\n"
                               "try strata get market 1 5 --he\ntry strata help ver\n"
                               "try strata volume ba\ntry strata volume --store market ac\n"
                               "try strata volume backup --vol\ntry strata volume proto --disc\n"
                               "try strata file pre\n";
    CHECK(RunningCommand({"bash"}, script).finish().out ==
          "rename\nmarket\nEmotion\n--help --hex\nverify version\n"
          "backup backups\naccess\n--volume\n--discard\npreload\n");
}

TEST_CASE("completion in fish: commands, options, stores and dimensions") {
    STRATA_SKIP_IF(!installed("fish"), "there is no fish here");
    const Market market;
    const fs::path file = market.store.base() / "strata.fish";
    std::ofstream(file) << market.strata({"completion", "fish"}).out;
    const auto complete = [&](const std::string& line) {
        const CommandResult result =
            RunningCommand({"sh", "-c",
                            market.environment + "HOME=" + market.store.base().string() +
                                " exec fish --no-config -c 'source " + file.string() +
                                "; complete -C \"" + line + "\"'"})
                .finish();
        CHECK(result.err == "");
        return result.out;
    };
    CHECK(contains(complete("strata ren"), "rename\tGive a dimension another name"));
    CHECK(contains(complete("strata get mar"), "market"));
    CHECK(contains(complete("strata get market Em"), "Emotion"));
    CHECK(contains(complete("strata get market 1 5 --he"), "--hex\t"));
    CHECK(contains(complete("strata volume ac"), "access\t"));
    CHECK(contains(complete("strata volume proto --disc"), "--discard\t"));
}

TEST_CASE("completion in zsh: the script is read without a complaint and knows every command") {
    STRATA_SKIP_IF(!installed("zsh"), "there is no zsh here");
    const Market market;
    const std::string made = market.strata({"completion", "zsh"}).out;
    CHECK(made.starts_with("#compdef strata\n"));
    const std::string script = market.environment + "autoload -Uz compinit && compinit -u -d " +
                               (market.store.base() / "zcompdump").string() + "\n" + made +
                               "_call_program() { shift; \"$@\" }\n"
                               "compadd() { print -- ${(P)2} }\n"
                               "_describe() { print -- ${(P)4} }\n"
                               "print $_comps[strata]\n"
                               "_strata_stores\nwords=(get market)\n_strata_dimensions\n";
    const CommandResult result = RunningCommand({"zsh", "-f"}, script).finish();
    CHECK(result.out == "_strata\nmarket\n1 Emotion\n");
    CHECK(result.err == "");
}
