// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/harness/row.hpp"
#include "bench/peers/databases.hpp"

#if STRATA_BENCH_REDIS
#include <hiredis/hiredis.h>

namespace strata::bench {

namespace {

struct FreeContext {
    void operator()(redisContext* context) const { redisFree(context); }
};
using Connection = std::unique_ptr<redisContext, FreeContext>;

struct FreeReply {
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

Reply next_reply(redisContext& connection) {
    void* reply = nullptr;
    if (redisGetReply(&connection, &reply) != REDIS_OK) {
        throw NotRun(std::string("Redis: ") + connection.errstr);
    }
    return Reply(static_cast<redisReply*>(reply));
}

class RedisReader final : public Reader {
public:
    RedisReader(Connection connection, std::size_t pipeline)
        : connection_(std::move(connection)), pipeline_(pipeline) {}

    std::uint64_t sum(std::span<const std::uint64_t> keys) override {
        std::uint64_t total = 0;
        for (std::size_t start = 0; start < keys.size(); start += pipeline_) {
            const std::size_t count = std::min(pipeline_, keys.size() - start);
            for (std::size_t i = 0; i < count; ++i) {
                ask(keys[start + i]);
            }
            for (std::size_t i = 0; i < count; ++i) {
                total += words_of(bytes(*next_reply(*connection_)));
            }
        }
        return total;
    }
    std::uint64_t chase(std::uint64_t start, std::size_t steps, std::uint64_t layers) override {
        std::uint64_t total = 0;
        std::uint64_t key = start;
        for (std::size_t step = 0; step < steps; ++step) {
            ask(key);
            const Reply reply = next_reply(*connection_);
            total += words_of(bytes(*reply));
            key = next_key(load_word(bytes(*reply).data()), step, layers);
        }
        return total;
    }

private:
    void ask(std::uint64_t key) {
        redisAppendCommand(connection_.get(), "GET %b", &key, sizeof key);
    }
    static std::span<const std::byte> bytes(const redisReply& reply) {
        return reply.type == REDIS_REPLY_STRING && reply.len >= 16
                   ? std::span(reinterpret_cast<const std::byte*>(reply.str), reply.len)
                   : nothing_found();
    }
    Connection connection_;
    std::size_t pipeline_;
};

Connection connect(const std::filesystem::path& socket) {
    for (int attempt = 0; attempt < 100; ++attempt) {
        Connection connection(redisConnectUnix(socket.c_str()));
        if (connection && connection->err == 0) {
            return connection;
        }
        usleep(20'000);
    }
    throw NotRun("redis-server does not answer (is it installed?)");
}

}  // namespace

RedisServer::RedisServer(const std::filesystem::path& directory, const Dataset& dataset)
    : socket_(directory / "redis.sock") {
    pid_ = fork();
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        // On the client's core (it inherits the pin): waking a halted other core costs more than
        // the request.
        const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(fd, 1);
        dup2(fd, 2);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_.c_str(),
               "--save", "", "--appendonly", "no", "--dir", directory.c_str(),
               static_cast<char*>(nullptr));
        _exit(127);
    }
    const Connection connection = connect(socket_);
    std::vector<std::byte> payload(dataset.payload_bytes);
    constexpr std::uint64_t pipeline = 256;
    std::uint64_t open_requests = 0;
    for (std::uint64_t key = 0; key < dataset.layers; ++key) {
        fill_payload(key, 0, payload);
        redisAppendCommand(connection.get(), "SET %b %b", &key, sizeof key, payload.data(),
                           payload.size());
        if (++open_requests == pipeline || key + 1 == dataset.layers) {
            for (; open_requests > 0; --open_requests) {
                next_reply(*connection);
            }
        }
    }
}

RedisServer::~RedisServer() {
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
}

std::unique_ptr<Reader> RedisServer::reader(std::size_t pipeline) const {
    return std::make_unique<RedisReader>(connect(socket_), pipeline);
}

}  // namespace strata::bench

#else

namespace strata::bench {

namespace {
const char* const absent = "libhiredis-dev was not there at build time";
}

RedisServer::RedisServer(const std::filesystem::path&, const Dataset&) { throw NotRun(absent); }
RedisServer::~RedisServer() { (void)pid_; }
std::unique_ptr<Reader> RedisServer::reader(std::size_t) const { throw NotRun(absent); }

}  // namespace strata::bench

#endif
