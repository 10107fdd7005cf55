// SPDX-License-Identifier: Apache-2.0
#include "metrics_server.hpp"

#include <atomic>
#include <csignal>
#include <httplib.h>
#include <latch>
#include <pthread.h>
#include <thread>
#include <unistd.h>

#include "console.hpp"
#include "system.hpp"

namespace strata::tools {

namespace {

constexpr const char* content_type = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::size_t threads = 4;  // a scraper needs one; a stuck client must not need them all
constexpr std::size_t most_waiting = 64;

// SIGINT and SIGTERM are blocked in every thread and taken by one, which ends the server: no
// handler, so nothing that a handler must not do.
class StopSignals {
public:
    StopSignals() {
        sigemptyset(&signals_);
        sigaddset(&signals_, SIGINT);
        sigaddset(&signals_, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    }
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;
    ~StopSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    void wait() const {
        int signal = 0;
        ::sigwait(&signals_, &signal);
    }

private:
    sigset_t signals_{};
    sigset_t before_{};
};

// The thread that listens, while this lives.
class Listener {
public:
    explicit Listener(httplib::Server& server) : server_(server) {
        // The server asks for its threads as soon as `stop` would be heard.
        server_.new_task_queue = [this] {
            running_.count_down();
            return new httplib::ThreadPool(threads);
        };
        thread_ = std::thread([this] { listen(); });
    }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() {
        running_.wait();
        stopping_.store(true);
        server_.stop();
        thread_.join();
    }

    /// Why it ended by itself; empty: it did not.
    std::string failure() const { return failed_.load() ? "the socket failed" : ""; }

private:
    void listen() noexcept {
        try {
            server_.listen_after_bind();
        } catch (const std::exception&) {
            // no thread or no memory: ended by itself, as below
        }
        if (!stopping_.load()) {
            failed_.store(true);
            ::kill(::getpid(), SIGTERM);  // whoever waits for signals
        }
    }

    httplib::Server& server_;
    std::latch running_{1};
    std::atomic<bool> stopping_{false};
    std::atomic<bool> failed_{false};
    std::thread thread_;
};

}  // namespace

Endpoint parse_endpoint(const std::string& text) {
    Endpoint endpoint;
    std::string port = text;
    if (const std::size_t colon = text.rfind(':'); colon != std::string::npos) {
        port = text.substr(colon + 1);
        std::string host = text.substr(0, colon);
        const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
        if (bracketed) {
            host = host.substr(1, host.size() - 2);
        }
        if (!bracketed && host.find(':') != std::string::npos) {
            port.clear();  // an IPv6 address without brackets: where does the port begin?
        }
        endpoint.host = host.empty() ? endpoint.host : host;
    }
    const auto number = parse_number(port);
    if (!number || *number > 65535 || port.starts_with("0x")) {
        throw Complaint{Exit::usage, "usage",
                        "--listen: \"" + printable(text) +
                            "\" is not ADDRESS:PORT, [ADDRESS]:PORT, :PORT or PORT, with a port "
                            "from 0 to 65535"};
    }
    endpoint.port = static_cast<std::uint16_t>(*number);
    return endpoint;
}

void serve_metrics(const Endpoint& endpoint, const std::function<std::string()>& text,
                   const std::function<void(const std::string& url)>& ready) {
    const StopSignals signals;
    httplib::Server server;
    // Without SO_REUSEPORT, which the library sets: a port that is taken is an error, not a share.
    server.set_socket_options([](socket_t socket) {
        const int yes = 1;
        ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    server.set_keep_alive_max_count(most_waiting);
    server.set_read_timeout(std::chrono::seconds(5));
    server.set_write_timeout(std::chrono::seconds(5));
    server.set_payload_max_length(1024);
    server.Get("/metrics", [&](const httplib::Request&, httplib::Response& response) {
        try {
            response.set_content(text(), content_type);
        } catch (const std::exception& error) {
            response.status = 500;
            response.set_content(std::string(error.what()) + "\n", "text/plain; charset=utf-8");
        }
    });
    server.Get("/", [](const httplib::Request&, httplib::Response& response) {
        response.set_content("strata: see /metrics\n", "text/plain; charset=utf-8");
    });
    const std::string shown =
        endpoint.host.find(':') != std::string::npos ? "[" + endpoint.host + "]" : endpoint.host;
    const std::string where = printable(shown) + ":" + std::to_string(endpoint.port);
    int port = endpoint.port;
    const auto bind = [&] {
        if (port != 0) {
            return server.bind_to_port(endpoint.host, port);
        }
        port = server.bind_to_any_port(endpoint.host);
        return port >= 0;
    };
    if (const std::optional<Error> failure = failure_of(bind, "listen", where)) {
        const std::string why = failure->detail().empty() ? "" : ": " + failure->detail();
        throw Complaint{exit_of(failure->code()), "system", "cannot listen on " + where + why};
    }
    const Listener listener(server);
    ready("http://" + shown + ":" + std::to_string(port) + "/metrics");
    signals.wait();
    if (const std::string failure = listener.failure(); !failure.empty()) {
        throw Complaint{Exit::failed, "system", "stopped listening: " + failure};
    }
}

}  // namespace strata::tools
