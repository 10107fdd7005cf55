// SPDX-License-Identifier: Apache-2.0
// Child processes for tests: each runs a body, talks through a channel, and says why it failed.
//
// A body reports with STRATA_REQUIRE (or any exception), never with doctest's macros: a failed
// REQUIRE in a child would go on with the parent's tests.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <concepts>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <grp.h>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace strata::test {

#if defined(__has_feature)
#define STRATA_HAS_FEATURE(feature) __has_feature(feature)
#else
#define STRATA_HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || STRATA_HAS_FEATURE(address_sanitizer)
inline constexpr bool address_sanitized = true;
#else
inline constexpr bool address_sanitized = false;
#endif
#if defined(__SANITIZE_THREAD__) || STRATA_HAS_FEATURE(thread_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = address_sanitized;
#endif
#undef STRATA_HAS_FEATURE

/// `full`, or `reduced` in a build that is many times slower.
template <class T>
constexpr T scaled(T full, T reduced) {
    return sanitized ? reduced : full;
}

/// After this long without an answer a process counts as hung.
inline constexpr std::chrono::seconds patience =
    scaled(std::chrono::seconds(60), std::chrono::seconds(300));

struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

[[noreturn]] inline void fail(const char* file, int line, const std::string& what) {
    throw Failure(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

template <class T>
std::string shown(const T& value) {
    if constexpr (std::convertible_to<T, std::string_view>) {
        return "\"" + std::string(std::string_view(value)) + "\"";
    } else if constexpr (std::is_enum_v<T>) {
        return std::to_string(static_cast<long long>(value));
    } else {
        return std::to_string(value);
    }
}

#define STRATA_REQUIRE(condition)                                                   \
    do {                                                                            \
        if (!(condition)) {                                                         \
            ::strata::test::fail(__FILE__, __LINE__, "does not hold: " #condition); \
        }                                                                           \
    } while (false)

#define STRATA_REQUIRE_EQ(actual, expected)                                          \
    do {                                                                             \
        const auto actual_ = (actual);                                               \
        const auto expected_ = (expected);                                           \
        if (!(actual_ == expected_)) {                                               \
            ::strata::test::fail(__FILE__, __LINE__,                                 \
                                 "expected " #actual " to be " +                     \
                                     ::strata::test::shown(expected_) + ", it is " + \
                                     ::strata::test::shown(actual_));                \
        }                                                                            \
    } while (false)

[[noreturn]] inline void fail_errno(const std::string& what) {
    throw Failure(what + ": " + std::strerror(errno));
}

/// One end of a two-way connection between processes that carries words and texts.
class Channel {
public:
    explicit Channel(int fd) noexcept : fd_(fd) {}
    Channel(Channel&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Channel& operator=(Channel&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;
    ~Channel() { close(); }

    static std::pair<Channel, Channel> pair() {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
            fail_errno("socketpair");
        }
        return {Channel(ends[0]), Channel(ends[1])};
    }

    int fd() const noexcept { return fd_; }
    void close() noexcept {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }

    /// Ends the connection for both sides, whoever else has inherited a descriptor of it.
    void hang_up() noexcept {
        ::shutdown(fd_, SHUT_RDWR);
        close();
    }

    void send(std::uint64_t word) const { send_bytes(&word, sizeof(word)); }
    void send_text(const std::string& text) const { send_bytes(text.data(), text.size()); }

    /// The next word; nullopt when the other side is gone. Throws when nothing comes for too long.
    std::optional<std::uint64_t> receive_or_end() const {
        std::uint64_t word = 0;
        const ssize_t got = receive_bytes(&word, sizeof(word));
        return got == sizeof(word) ? std::optional(word) : std::nullopt;
    }
    std::uint64_t receive() const {
        const auto word = receive_or_end();
        if (!word) {
            throw Failure("the other process went away instead of answering");
        }
        return *word;
    }
    std::string receive_text() const {
        char text[4096];
        const ssize_t got = receive_bytes(text, sizeof(text));
        return {text, static_cast<std::size_t>(got < 0 ? 0 : got)};
    }
    /// True if a word (or the end) is there to be received.
    bool ready(std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) const {
        pollfd item{.fd = fd_, .events = POLLIN, .revents = 0};
        int found = 0;
        do {  // a signal starts the wait anew
            found = ::poll(&item, 1, static_cast<int>(timeout.count()));
        } while (found < 0 && errno == EINTR);
        return found > 0;
    }

private:
    void send_bytes(const void* bytes, std::size_t size) const {
        if (::send(fd_, bytes, size, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) {
            fail_errno("send to the other process");
        }
    }
    ssize_t receive_bytes(void* bytes, std::size_t size) const {
        if (!ready(patience)) {
            throw Failure("the other process did not answer in time");
        }
        ssize_t got = 0;
        do {
            got = ::recv(fd_, bytes, size, 0);
        } while (got < 0 && errno == EINTR);
        if (got < 0 && errno == ECONNRESET) {
            // It ended without reading everything; what it had sent is still here.
            got = ::recv(fd_, bytes, size, 0);
        }
        return got;
    }

    int fd_;
};

/// Runs `body(channel)` and ends the process: nothing of the test program runs after it.
template <class Body>
[[noreturn]] void run_and_exit(Channel channel, int reasons, Body&& body) noexcept {
    const auto report = [&](const char* what) {
        [[maybe_unused]] const ssize_t written =
            ::write(reasons, what, std::min<std::size_t>(std::strlen(what), 4000));
    };
    int code = 1;
    try {
        body(channel);
        code = 0;
    } catch (const std::exception& error) {
        report(error.what());
    } catch (...) {
        report("an exception of unknown type");
    }
    ::_exit(code);
}

enum class Orphan : unsigned char { dies, lives };

/// A child process. One that is not joined is killed.
class Child {
public:
    Child(Child&& other) noexcept
        : pid_(std::exchange(other.pid_, -1)),
          channel_(std::move(other.channel_)),
          reasons_(std::move(other.reasons_)) {}
    Child& operator=(Child&& other) noexcept {
        std::swap(pid_, other.pid_);
        std::swap(channel_, other.channel_);
        std::swap(reasons_, other.reasons_);
        return *this;
    }
    ~Child() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    /// Forks; the child runs `body(Channel&)`. `orphan`: whether it dies with its parent.
    template <class Body>
    static Child start(Body body, Orphan orphan = Orphan::dies) {
        auto [ours, theirs] = Channel::pair();
        auto [reasons, reporting] = Channel::pair();
        const pid_t pid = ::fork();
        if (pid < 0) {
            fail_errno("fork");
        }
        if (pid == 0) {
            prepare_child(orphan);
            ours.close();
            run_and_exit(std::move(theirs), reporting.fd(), body);
        }
        return {pid, std::move(ours), std::move(reasons)};
    }

    /// Forks and executes `program` with `arguments` and two more: the descriptors of its channel
    /// and of the pipe for its reason to fail.
    static Child execute(const std::string& program, std::vector<std::string> arguments) {
        auto [ours, theirs] = Channel::pair();
        auto [reasons, reporting] = Channel::pair();
        arguments.insert(arguments.begin(), program);
        arguments.push_back(std::to_string(theirs.fd()));
        arguments.push_back(std::to_string(reporting.fd()));
        std::vector<char*> pointers;
        for (std::string& argument : arguments) {
            pointers.push_back(argument.data());
        }
        pointers.push_back(nullptr);
        const pid_t pid = ::fork();
        if (pid < 0) {
            fail_errno("fork");
        }
        if (pid == 0) {
            prepare_child(Orphan::dies);
            ::fcntl(theirs.fd(), F_SETFD, 0);
            ::fcntl(reporting.fd(), F_SETFD, 0);
            ::execv(program.c_str(), pointers.data());
            ::_exit(127);
        }
        return {pid, std::move(ours), std::move(reasons)};
    }

    /// A process that another one has forked for us; to be joined once that one has ended (see
    /// adopt_orphans).
    static Child adopted(pid_t pid, Channel channel, Channel reasons) {
        return {pid, std::move(channel), std::move(reasons)};
    }

    pid_t pid() const noexcept { return pid_; }
    Channel& channel() noexcept { return channel_; }
    void send(std::uint64_t word) const { channel_.send(word); }
    /// Its next word. If it ended instead, throws what it says was wrong.
    std::uint64_t receive() {
        if (const auto word = channel_.receive_or_end()) {
            return *word;
        }
        const std::string reason = join();
        throw Failure("instead of answering, " +
                      (reason.empty() ? std::string("a process ended") : reason));
    }
    void kill(int signal = SIGKILL) const noexcept { ::kill(pid_, signal); }
    /// Leaves it to itself: it is neither joined nor killed.
    void detach() noexcept { pid_ = -1; }

    /// Waits for its end. Empty if it succeeded, else what went wrong.
    std::string join() { return ended(0); }
    /// Waits for its end by a signal. Empty if that is how it ended, else what happened instead.
    std::string join_killed(int signal = SIGKILL) { return ended(signal); }
    /// The same after killing it.
    std::string kill_and_join() {
        kill();
        return join_killed();
    }

private:
    Child(pid_t pid, Channel channel, Channel reasons)
        : pid_(pid), channel_(std::move(channel)), reasons_(std::move(reasons)) {}

    static void prepare_child(Orphan orphan) noexcept {
        if (orphan == Orphan::dies) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        }
        // The test runner's handlers would report a child's death as the test's.
        for (const int signal : {SIGINT, SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTERM, SIGABRT}) {
            ::signal(signal, SIG_DFL);
        }
    }

    std::string ended(int expected_signal) {
        const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
        pollfd item{.fd = handle, .events = POLLIN, .revents = 0};
        const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(patience);
        int found = -1;
        do {  // a signal starts the wait anew
            found = handle < 0 ? 1 : ::poll(&item, 1, static_cast<int>(limit.count()));
        } while (found < 0 && errno == EINTR);
        const bool hung = found == 0;
        ::close(handle);
        if (hung) {
            kill();
        }
        int status = 0;
        const pid_t pid = std::exchange(pid_, -1);
        if (pid < 0) {
            return "was joined before";
        }
        pid_t waited = 0;
        do {
            waited = ::waitpid(pid, &status, 0);
        } while (waited < 0 && errno == EINTR);
        if (waited != pid) {
            return "waitpid failed";
        }
        const std::string name = "process " + std::to_string(pid);
        if (hung) {
            return name + " did not end in time";
        }
        if (WIFSIGNALED(status)) {
            return WTERMSIG(status) == expected_signal
                       ? ""
                       : name + " died of signal " + std::to_string(WTERMSIG(status));
        }
        if (WEXITSTATUS(status) == 0) {
            return expected_signal == 0 ? "" : name + " ended by itself";
        }
        const std::string reason = reasons_.ready() ? reasons_.receive_text() : "";
        return name + " exited with " + std::to_string(WEXITSTATUS(status)) + ": " + reason;
    }

    pid_t pid_;
    Channel channel_;
    Channel reasons_;
};

/// Makes this process the parent of its descendants whose own parents end.
inline void adopt_orphans() {
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        fail_errno("become a subreaper");
    }
}

inline constexpr std::uint32_t nobody = 65534;

/// For good: this process is `user` from here on and nothing else.
inline void become_user(std::uint32_t user) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(user, user, user) != 0 ||
        ::setresuid(user, user, user) != 0) {
        fail_errno("become user " + std::to_string(user));
    }
}

}  // namespace strata::test
