// SPDX-License-Identifier: Apache-2.0
// A small HTTP server for Prometheus to scrape.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace strata::tools {

struct Endpoint {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;  ///< 0: any that is free
};

/// ADDRESS:PORT, [ADDRESS]:PORT for IPv6, :PORT or PORT for loopback. Throws Complaint (usage).
Endpoint parse_endpoint(const std::string& text);

/// Answers GET /metrics with what `text` returns (called in several threads at once; what it throws
/// is answered with 500), until SIGINT or SIGTERM. `ready` is called once with the address, as soon
/// as connections are accepted. Throws Complaint if it cannot listen there.
void serve_metrics(const Endpoint& endpoint, const std::function<std::string()>& text,
                   const std::function<void(const std::string& url)>& ready);

}  // namespace strata::tools
