// SPDX-License-Identifier: Apache-2.0
// What Prometheus gets: over HTTP, in a form that its own checker accepts, and the dashboard asks
// for nothing else.
#include <arpa/inet.h>
#include <csignal>
#include <fstream>
#include <iterator>
#include <netinet/in.h>
#include <regex>
#include <set>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/command.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
using nlohmann::json;

namespace {

struct Market {
    TempStore store{"market"};
    Producer producer = store.create();
    Strata strata{store.base()};

    Market() { publish(producer, {1, 5}, "joy"); }
};

/// The answer to one request on loopback, header and all; empty: nobody listens there.
std::string ask(int port, const std::string& request) {
    const int connection = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string answer;
    if (::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
        ::send(connection, request.data(), request.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(request.size())) {
        char buffer[4096];
        for (ssize_t got = 0; (got = ::read(connection, buffer, sizeof(buffer))) > 0;) {
            answer.append(buffer, static_cast<std::size_t>(got));
        }
    }
    ::close(connection);
    return answer;
}

std::string get(int port, const std::string& path) {
    return ask(port, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
}

int port_of(const RunningCommand& server) {
    REQUIRE(server.await("/metrics\n"));
    std::smatch found;
    const std::string out = server.out();
    REQUIRE(std::regex_search(out, found, std::regex("http://127\\.0\\.0\\.1:([0-9]+)/metrics")));
    return std::stoi(found[1]);
}

}  // namespace

TEST_CASE("metrics --listen serves every scrape anew, on loopback, until it is told to stop") {
    Market market;
    RunningCommand server(market.strata.words({"metrics", "--listen", ":0"}));
    const int port = port_of(server);
    const std::string first = get(port, "/metrics");
    CHECK(first.starts_with("HTTP/1.1 200"));
    CHECK(contains(first, "Content-Type: text/plain; version=0.0.4"));
    CHECK(contains(first, "strata_generation{store=\"market\"} 2\n"));
    publish(market.producer, {1, 6}, "calm");
    CHECK(contains(get(port, "/metrics"), "strata_generation{store=\"market\"} 3\n"));
    CHECK(get(port, "/elsewhere").starts_with("HTTP/1.1 404"));
    CHECK(ask(port, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    // A store that is damaged is told of; the others are still served.
    std::filesystem::create_directory(market.store.base() / "ruin");
    std::ofstream(market.store.base() / "ruin" / "control.mmap") << "too short";
    const std::string damaged = get(port, "/metrics");
    CHECK(contains(damaged, "strata_readable{store=\"ruin\"} 0\n"));
    CHECK(contains(damaged, "strata_readable{store=\"market\"} 1\n"));

    const CommandResult second =
        market.strata({"metrics", "--listen", "127.0.0.1:" + std::to_string(port)});
    CHECK(second.code == 1);  // taken
    CHECK(contains(second.err, "cannot listen on 127.0.0.1:" + std::to_string(port)));
    ::kill(server.pid(), SIGTERM);
    CHECK(server.finish().code == 0);
    CHECK(get(port, "/metrics").empty());
}

TEST_CASE("metrics --listen of a named store that goes answers with an error, and lives on") {
    const Market market;
    RunningCommand server(market.strata.words({"metrics", "market", "--listen", "0"}));
    const int port = port_of(server);
    std::filesystem::resize_file(market.store.file("control.mmap"), 100);
    const std::string answer = get(port, "/metrics");
    CHECK(answer.starts_with("HTTP/1.1 500"));
    CHECK(contains(answer, "control.mmap"));
    ::kill(server.pid(), SIGINT);
    CHECK(server.finish().code == 0);
}

TEST_CASE("the dashboard asks for metrics that there are") {
    const Market market;
    std::ifstream file(STRATA_DASHBOARD);
    REQUIRE(file);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    const json dashboard = json::parse(text);
    CHECK(dashboard["panels"].size() >= 6);
    const std::string metrics = market.strata({"metrics"}).out;
    std::set<std::string> names;
    const std::regex name("strata_[a-z_]+");
    for (auto it = std::sregex_iterator(text.begin(), text.end(), name);
         it != std::sregex_iterator(); ++it) {
        names.insert(it->str());
    }
    CHECK(names.size() >= 10);
    for (const std::string& each : names) {
        CAPTURE(each);
        CHECK(contains(metrics, "# TYPE " + each + " "));
    }
}

TEST_CASE("Prometheus' own checker has nothing to say") {
    STRATA_SKIP_IF(RunningCommand({"promtool", "--version"}).finish().code != 0,
                   "there is no promtool here (Debian: prometheus)");
    const Market market;
    const CommandResult checked =
        RunningCommand({"promtool", "check", "metrics"}, market.strata({"metrics"}).out).finish();
    CHECK(checked.code == 0);
    CHECK(checked.out + checked.err == "");
}
