// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/run.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/faults/allocations.hpp"
#include "tests/faults/call_table.hpp"
#include "tests/faults/refuser.hpp"

namespace strata::test {

namespace {

using Clock = std::chrono::steady_clock;

// A run takes 20 ms; who is still there after this hangs.
constexpr std::chrono::seconds longest_run(40);

/// A descriptor that closes itself.
class Handle {
public:
    explicit Handle(int descriptor) : descriptor_(descriptor) {
        if (descriptor < 0) {
            fail_errno("open a descriptor");
        }
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() { ::close(descriptor_); }
    int get() const noexcept { return descriptor_; }

private:
    int descriptor_;
};

std::string line_of(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line;
}

// Where the threads of a process sleep.
std::string whereabouts(pid_t pid) {
    std::string text;
    std::error_code ignored;
    for (const auto& task :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", ignored)) {
        text += " [" + line_of(task.path() / "wchan") + "; call " +
                line_of(task.path() / "syscall") + "]";
    }
    return text;
}

// Answers until the subject has ended. False if it had to be killed.
bool answer_all(Refuser& refuser, pid_t subject, std::string& wrong) {
    const Handle ended(static_cast<int>(::syscall(SYS_pidfd_open, subject, 0)));
    const auto deadline = Clock::now() + longest_run;
    for (;;) {
        std::array<pollfd, 2> items{{{.fd = refuser.descriptor(), .events = POLLIN, .revents = 0},
                                     {.fd = ended.get(), .events = POLLIN, .revents = 0}}};
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0) {
            wrong += "it hangs:" + whereabouts(subject) + "\n";
            ::kill(subject, SIGKILL);
            return false;
        }
        if (::poll(items.data(), items.size(), static_cast<int>(left.count())) <= 0) {
            continue;
        }
        if ((items[1].revents & POLLIN) != 0) {
            return true;
        }
        if ((items[0].revents & POLLIN) != 0) {
            refuser.answer();
        }
    }
}

std::string contents_of(int file) {
    std::array<char, 600> text;
    const ssize_t got = ::pread(file, text.data(), text.size(), 0);
    return {text.data(), static_cast<std::size_t>(got < 0 ? 0 : got)};
}

}  // namespace

Outcome run(const Scenario& scenario, const std::optional<Plan>& plan) {
    const TempStore store;
    const SharedStage stage;
    Outcome outcome;
    Child partner = Child::start([&](const Channel& channel) { serve(store, channel); });
    if (scenario.prepared) {
        outcome.wrong = ask(partner.channel(), Request::prepare);
    }
    const Handle says(::memfd_create("stderr", MFD_CLOEXEC));
    const std::optional<long> number =
        plan ? std::optional(kind_named(plan->site.kind)->number) : std::nullopt;
    Child subject = Child::start([&](const Channel& channel) {
        ::dup2(says.get(), STDERR_FILENO);
        install_filter(number, channel.fd());
        Subject self(store, *stage, partner.channel(), plan);
        watch_allocations(plan, *stage);
        scenario.run(self);
        self.heal();
        self.end();
    });
    {
        Refuser refuser(subject.pid(), subject.channel().fd(), plan, *stage);
        const bool ended = answer_all(refuser, subject.pid(), outcome.wrong);
        const std::string reason = ended ? subject.join() : subject.join_killed();
        if (!reason.empty() || !stage->finished) {
            outcome.wrong +=
                "[" + std::string(stage->step) + "] " + reason + "\n" + contents_of(says.get());
        }
        outcome.counts = refuser.counts();
        outcome.unknown = refuser.unknown();
    }
    for (const ThreadClass which : {ThreadClass::main, ThreadClass::background}) {
        const auto count = stage->allocations[which == ThreadClass::main ? 0 : 1].load();
        if (count > 0) {
            outcome.counts[{std::string(allocation_kind), which}] = count;
        }
    }
    outcome.refused = stage->refused > 0;
    outcome.step = stage->refused_in;
    outcome.wrong += stage->complaint_text;
    partner.channel().hang_up();
    outcome.wrong += partner.join();
    Child auditor = Child::start([&](const Channel&) { audit(store, plan); });
    const std::string found = auditor.join();
    outcome.wrong += found.empty() ? "" : "afterwards: " + found + "\n";
    return outcome;
}

void audit(const TempStore& store, const std::optional<Plan>& plan) {
    // What could not be deleted is found as a leftover, and can be deleted now.
    for (const Leftover& leftover : leftovers(store.base())) {
        if (!plan) {
            throw Failure("a leftover though nothing was refused: " + leftover.path.string());
        }
        STRATA_REQUIRE(leftover.in_use == false);
        remove_leftover(leftover.path);
    }
    for (const auto& entry : std::filesystem::directory_iterator(store.base())) {
        STRATA_REQUIRE_EQ(entry.path().filename().string(), store.name());
    }
    if (!std::filesystem::exists(store.path())) {
        return;
    }
    STRATA_REQUIRE_EQ(readers(store.name(), store.base()).size(), 0U);
    Producer producer = store.open();
    producer.trim();
    const ProducerStats stats = producer.stats();
    STRATA_REQUIRE_EQ(stats.committed_bytes, store.allocated_bytes());
    STRATA_REQUIRE_EQ(stats.limbo_bytes, 0U);
    STRATA_REQUIRE_EQ(store.region_files(), statistics(producer).regions.size());
    STRATA_REQUIRE(verify(store.attach().snapshot()).ok());
    for (const StoreFile& file : inspect(store.name(), store.base()).files) {
        if (file.kind == StoreFile::Kind::foreign || file.kind == StoreFile::Kind::unused) {
            throw Failure("a file is left over: " + file.name);
        }
    }
}

}  // namespace strata::test
