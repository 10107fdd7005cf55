// SPDX-License-Identifier: Apache-2.0
// Views of files that are cut short, under guards: whoever may have read zeros is told, also if
// another thread met the fault, or a read before, or there is no mapping to spare; and handlers of
// SIGBUS that others install.
#include <atomic>
#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/files.hpp"
#include "tests/support/process.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t chunk = 1 << 20;

// Each byte is read, whether the sum is used or not.
std::uint64_t sum_of(const FileView& view) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < view.size(); ++i) {
        sum += static_cast<std::uint64_t>(*static_cast<const volatile std::byte*>(view.data() + i));
    }
    return sum;
}

struct ViewedFile : TempFiles {
    explicit ViewedFile(bool survive)
        : directory((make("data", chunk), path()),
                    {.chunk_power = 20, .survive_lost_bytes = survive}),
          input(directory.open("data")),
          view(input.view(0, chunk)) {}
    MappedDirectory directory;
    MappedInput input;
    FileView view;
};

/// Uses up the mappings that this process may have, except `spare`.
class MappingsUsedUp {
public:
    explicit MappingsUsedUp(std::size_t spare) {
        const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        bytes_ = 80'000 * 2 * page;
        base_ = static_cast<char*>(::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        STRATA_REQUIRE(base_ != MAP_FAILED);
        std::size_t split = 0;
        while (::mprotect(base_ + split * 2 * page, page, PROT_READ) == 0) {
            ++split;
            STRATA_REQUIRE(2 * page * (split + 1) < bytes_);
        }
        // Each page that is as its neighbours again takes two mappings fewer.
        for (std::size_t i = 1; i <= (spare + 1) / 2; ++i) {
            ::mprotect(base_ + (split - i) * 2 * page, page, PROT_READ | PROT_WRITE);
        }
    }
    MappingsUsedUp(const MappingsUsedUp&) = delete;
    MappingsUsedUp& operator=(const MappingsUsedUp&) = delete;
    ~MappingsUsedUp() { ::munmap(base_, bytes_); }

private:
    char* base_;
    std::size_t bytes_;
};

bool mappings_can_be_used_up() {
    std::ifstream setting("/proc/sys/vm/max_map_count");
    std::uint64_t most = 0;
    setting >> most;
    return !sanitized && most < 150'000;
}

}  // namespace

TEST_CASE("a guard tells of zeros that an unguarded read had put in place before") {
    ViewedFile file(true);
    file.resize("data", 0);
    CHECK(code_of([&] { (void)file.input.read_u8(); }) == "truncated");
    const ReadGuard guard;
    CHECK(sum_of(file.view) == 0);
    CHECK(guard.faulted());
    const auto error = error_of([&] { guard.check("sum"); });
    REQUIRE(error);
    CHECK(error->path() == file.file("data").string());
}

TEST_CASE("two guarded threads: both are told") {
    ViewedFile file(false);
    file.resize("data", 0);
    std::atomic<int> step{0};
    bool second_told = false;
    std::thread first([&] {
        const ReadGuard guard;
        (void)sum_of(file.view);
        step = 1;
        step.notify_all();
        step.wait(1);
    });
    std::thread second([&] {
        step.wait(0);  // the zeros of the first are in place
        const ReadGuard guard;
        (void)sum_of(file.view);
        second_told = guard.faulted();
        step = 2;
        step.notify_all();
    });
    first.join();
    second.join();
    CHECK(second_told);
}

TEST_CASE("a guard that lives while another thread meets the fault is told, and names the file") {
    ViewedFile file(true);
    const ReadGuard guard;
    CHECK_FALSE(guard.faulted());
    file.resize("data", 0);
    std::thread([&] { CHECK(code_of([&] { (void)file.input.read_u8(); }) == "truncated"); }).join();
    CHECK(sum_of(file.view) == 0);
    CHECK(guard.faulted());
    const auto error = error_of([&] { guard.check("sum"); });
    REQUIRE(error);
    CHECK(error->code() == Errc::truncated);
    CHECK(error->path() == file.file("data").string());
}

TEST_CASE("nested guards: the inner one is told, too") {
    ViewedFile file(false);
    file.resize("data", 0);
    const ReadGuard outer;
    CHECK(sum_of(file.view) == 0);
    const ReadGuard inner;
    CHECK(sum_of(file.view) == 0);
    CHECK(inner.faulted());
    CHECK(outer.faulted());
}

TEST_CASE("with no mapping to spare zeros stay, and every guard says so until the file is closed") {
    STRATA_SKIP_IF(!mappings_can_be_used_up(), "vm.max_map_count is high here, or a sanitizer");
    for (const std::size_t spare : {0U, 1U, 2U, 3U, 4U}) {
        CAPTURE(spare);
        Child child = Child::start([&](Channel&) {
            std::optional<ViewedFile> file(false);
            file->resize("data", 8192);
            {
                const MappingsUsedUp used_up(spare);
                for (int round = 0; round < 3; ++round) {
                    const ReadGuard guard;
                    (void)sum_of(file->view);
                    STRATA_REQUIRE(guard.faulted());
                }
            }
            {
                const ReadGuard guard;
                (void)sum_of(file->view);
                STRATA_REQUIRE(guard.faulted());
            }
            file.reset();
            const ReadGuard guard;
            STRATA_REQUIRE(!guard.faulted());
        });
        CHECK(child.join() == "");
    }
}

TEST_CASE("with no mapping to spare reads that copy still end in typed errors") {
    STRATA_SKIP_IF(!mappings_can_be_used_up(), "vm.max_map_count is high here, or a sanitizer");
    for (const std::size_t spare : {0U, 1U, 2U}) {
        CAPTURE(spare);
        Child child = Child::start([&](Channel&) {
            ViewedFile file(true);
            file.resize("data", chunk / 2);
            std::string code;
            {
                const MappingsUsedUp used_up(spare);
                file.input.seek(chunk - 100);
                code = code_of([&] { (void)file.input.read_u64_le(); });
            }
            STRATA_REQUIRE_EQ(code, "truncated");
            std::byte bytes[100];
            STRATA_REQUIRE_EQ(code_of([&] { file.input.read_at(0, bytes); }), "truncated");
        });
        CHECK(child.join() == "");
    }
}

namespace {

struct sigaction predecessor {};
void touch_foreign(const TempFiles& files) {
    files.make("foreign", 8192);
    const int fd = ::open(files.file("foreign").c_str(), O_RDWR | O_CLOEXEC);
    auto* const page =
        static_cast<const volatile char*>(::mmap(nullptr, 8192, PROT_READ, MAP_SHARED, fd, 0));
    files.resize("foreign", 0);
    [[maybe_unused]] const char byte = page[0];
}

}  // namespace

TEST_CASE("a handler that passes on to us, installed between two of our times, makes no circle") {
    STRATA_SKIP_IF(address_sanitized, "the sanitizer has a handler of its own");
    TempFiles files;
    Child child = Child::start([&](Channel&) {
        ::signal(SIGBUS, SIG_DFL);
        {
            const MappedDirectory directory(files.path());
            struct sigaction action {};
            action.sa_flags = SA_SIGINFO | SA_ONSTACK;
            action.sa_sigaction = [](int signal, siginfo_t* info, void* context) {
                if ((predecessor.sa_flags & SA_SIGINFO) != 0) {
                    predecessor.sa_sigaction(signal, info, context);
                }
            };
            ::sigaction(SIGBUS, &action, &predecessor);
        }
        const MappedDirectory directory(files.path());
        touch_foreign(files);
    });
    CHECK(child.join_killed(SIGBUS) == "");
}

TEST_CASE("a SIGBUS that somebody sends and the process ignores leaves our handler in place") {
    STRATA_SKIP_IF(address_sanitized, "the sanitizer has a handler of its own");
    Child child = Child::start([&](Channel&) {
        ::signal(SIGBUS, SIG_IGN);
        ViewedFile file(true);
        STRATA_REQUIRE(::raise(SIGBUS) == 0);
        file.resize("data", 0);
        STRATA_REQUIRE_EQ(code_of([&] { (void)file.input.read_u8(); }), "truncated");
    });
    CHECK(child.join() == "");
}
