// SPDX-License-Identifier: Apache-2.0
// Running the command `strata` (STRATA_COMMAND) and looking at what it wrote.
#pragma once

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace strata::test {

struct CommandResult {
    int code = -1;  ///< exit code, or 128 + signal
    std::string out{};
    std::string err{};

    nlohmann::json json() const { return nlohmann::json::parse(out); }
};

/// A running command. Its output goes to memory files, so it never waits for us.
class RunningCommand {
public:
    RunningCommand(const std::vector<std::string>& arguments, std::string_view input = {}) {
        for (int& file : files_) {
            file = ::memfd_create("command", MFD_CLOEXEC);
            if (file < 0) throw std::system_error(errno, std::generic_category(), "memfd_create");
        }
        if (::write(files_[0], input.data(), input.size()) != static_cast<ssize_t>(input.size())) {
            throw std::system_error(errno, std::generic_category(), "write");
        }
        ::lseek(files_[0], 0, SEEK_SET);
        std::vector<char*> words;
        for (const std::string& argument : arguments) {
            words.push_back(const_cast<char*>(argument.c_str()));
        }
        words.push_back(nullptr);
        pid_ = ::fork();
        if (pid_ == 0) {
            for (int i = 0; i < 3; ++i)
                ::dup2(files_[i], i);
            ::execvp(words[0], words.data());
            ::_exit(127);
        }
    }
    RunningCommand(const RunningCommand&) = delete;
    RunningCommand& operator=(const RunningCommand&) = delete;
    ~RunningCommand() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        for (const int file : files_)
            ::close(file);
    }

    pid_t pid() const noexcept { return pid_; }
    std::string out() const { return content(files_[1]); }
    std::string err() const { return content(files_[2]); }

    /// Waits until it has written `text` to standard output; false after a minute.
    bool await(std::string_view text) const {
        for (int i = 0; i < 12'000; ++i) {
            if (out().find(text) != std::string::npos) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return false;
    }
    CommandResult finish() {
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), out(), err()};
    }

private:
    // Not lseek: the offset is the child's own.
    static off_t size_of(int file) {
        struct stat status {};
        return ::fstat(file, &status) == 0 ? status.st_size : 0;
    }
    static std::string content(int file) {
        std::string text(static_cast<std::size_t>(size_of(file)), '\0');
        const ssize_t got = ::pread(file, text.data(), text.size(), 0);
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }

    pid_t pid_ = -1;
    int files_[3] = {-1, -1, -1};
};

/// `strata --base BASE words...`, to its end.
class Strata {
public:
    explicit Strata(std::filesystem::path base) : base_(std::move(base)) {}

    std::vector<std::string> words(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), {STRATA_COMMAND, "--base", base_.string()});
        return arguments;
    }
    CommandResult operator()(std::vector<std::string> arguments,
                             std::string_view input = {}) const {
        return RunningCommand(words(std::move(arguments)), input).finish();
    }
    /// With --json.
    nlohmann::json json(std::vector<std::string> arguments) const {
        arguments.emplace_back("--json");
        return (*this)(std::move(arguments)).json();
    }

private:
    std::filesystem::path base_;
};

/// The object of a list whose `key` is `value`; null if there is none.
inline nlohmann::json find(const nlohmann::json& list, const std::string& key,
                           const std::string& value) {
    for (const nlohmann::json& item : list) {
        if (item[key] == value) return item;
    }
    return nullptr;
}

inline bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

}  // namespace strata::test
