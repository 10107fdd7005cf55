// SPDX-License-Identifier: Apache-2.0
// What is asked of /proc, of mounts and of inotify, and refused: an error, or "not known", and
// never an answer that is wrong.
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/os.hpp"
#include "ipc/os/mount.hpp"
#include "ipc/os/named_files.hpp"
#include "ipc/os/other_processes.hpp"
#include "ipc/os/sync.hpp"
#include "tests/skip.hpp"
#include "tests/support/loop_disk.hpp"
#include "tests/support/process.hpp"
#include "tests/support/refused_call.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;
namespace os = strata::ipc::os;

namespace {

struct Refusal {
    std::uint32_t call;
    int error;
};

/// What `body` found wrong in a process that may not make the system call any more.
std::string without(const Refusal& refusal, const std::function<void()>& body) {
    return Child::start([&](const Channel&) {
               refuse_call(refusal.call, refusal.error);
               body();
           })
        .join();
}

os::FileStatus status_of(const std::filesystem::path& file) {
    const auto directory = os::open_directory(file.parent_path().string());
    const auto status = os::status_at(directory.value.get(), file.filename().string());
    STRATA_REQUIRE(static_cast<bool>(status));
    return status.value;
}

}  // namespace

TEST_CASE("who has a file open: a call that is refused is an error, not nobody") {
    const TempStore store;
    const Producer producer = store.create();
    const std::vector<os::FileStatus> files{status_of(store.file("control.mmap"))};
    const auto users = os::processes_with_open(files);
    REQUIRE(users);
    REQUIRE(users.value.size() == 1);
    CHECK(users.value[0].process == ::getpid());
    for (const Refusal& refusal :
         {Refusal{SYS_openat, EMFILE}, Refusal{SYS_openat, EACCES}, Refusal{SYS_getdents64, EIO}}) {
        CAPTURE(refusal.call);
        CHECK(without(refusal, [&] {
                  const auto found = os::processes_with_open(files);
                  STRATA_REQUIRE_EQ(found.error, refusal.error);
              }) == "");
    }
}

TEST_CASE("page faults of a process: a call that is refused is an error, not none") {
    REQUIRE(os::page_faults_of(::getpid()));
    for (const Refusal& refusal : {Refusal{SYS_openat, ENFILE}, Refusal{SYS_read, EIO}}) {
        CAPTURE(refusal.call);
        CHECK(without(refusal, [&] {
                  STRATA_REQUIRE_EQ(os::page_faults_of(::getpid()).error, refusal.error);
              }) == "");
    }
}

TEST_CASE("page faults of a process whose numbers cannot be read are an error, not none") {
    STRATA_SKIP_UNLESS_ROOT();
    Child child = Child::start([&](const Channel& channel) {
        const bool own = own_mounts() && ::mount("none", "/proc", "tmpfs", 0, nullptr) == 0;
        channel.send(own ? 1 : 0);
        if (!own) {
            return;
        }
        std::filesystem::create_directory("/proc/7");
        const auto faults = [](const std::string& text) {
            std::ofstream("/proc/7/stat") << text;
            return os::page_faults_of(7);
        };
        const auto found = faults("7 (a) S) b) S 1 2 3 4 -1 99 70 8 90 10 11\n");
        STRATA_REQUIRE_EQ(found.error, 0);
        STRATA_REQUIRE_EQ(found.value.minor, 70U);
        STRATA_REQUIRE_EQ(found.value.major, 90U);
        for (const char* const text :
             {"", "7", "7 (a)", "7 (a) S 1 2 3 4 -1 99 70 8", "7 (a) S 1 2 3 4 -1 99 x 8 90 10",
              "7 (a) S 1 2 3 4 -1 99 70 8 9x 10", "7 (a) S 1 2 3 4 -1 99 -70 8 90 10"}) {
            STRATA_REQUIRE_EQ(faults(text).error, EIO);
        }
        STRATA_REQUIRE_EQ(os::page_faults_of(8).error, ENOENT);
    });
    const bool mounted = child.receive() == 1;
    CHECK(child.join() == "");
    STRATA_SKIP_IF(!mounted, "nothing can be mounted over /proc here");
}

TEST_CASE("the mount of a file is not known where /proc cannot be read") {
    const TempBase base;
    const auto directory = os::open_directory(base.path().string());
    REQUIRE(directory);
    const auto mount = os::mount_of(directory.value.get());
    REQUIRE(mount);
    CHECK(mount.value.type == "tmpfs");
    for (const int error : {EMFILE, EACCES, ENOENT}) {
        CHECK(without({SYS_openat, error}, [&] {
                  STRATA_REQUIRE_EQ(os::mount_of(directory.value.get()).error, ENOSYS);
              }) == "");
    }
    CHECK(without({SYS_read, EIO}, [&] { STRATA_REQUIRE(!os::mount_of(directory.value.get())); }) ==
          "");
}

TEST_CASE("without /proc nobody is said to have a file open") {
    STRATA_SKIP_UNLESS_ROOT();
    const TempStore store;
    const Producer producer = store.create();
    const std::vector<os::FileStatus> files{status_of(store.file("control.mmap"))};
    bool unmounted = false;
    Child child = Child::start([&](const Channel& channel) {
        bool gone = own_mounts();
        while (gone && ::umount2("/proc", MNT_DETACH) == 0) {  // there may be one below another
        }
        gone = gone && ::access("/proc/self", F_OK) != 0;
        channel.send(gone ? 1 : 0);
        if (!gone) {
            return;
        }
        STRATA_REQUIRE_EQ(os::processes_with_open(files).error, 0);  // there is a directory
        STRATA_REQUIRE(os::processes_with_open(files).value.empty());
        STRATA_REQUIRE_EQ(os::page_faults_of(::getpid()).error, ENOENT);
        const auto directory = os::open_directory(store.base().string());
        STRATA_REQUIRE_EQ(os::mount_of(directory.value.get()).error, ENOSYS);
        // A reader needs none of it, nor does a look at the store.
        STRATA_REQUIRE_EQ(store.attach().snapshot().generation(), 1U);
        STRATA_REQUIRE(inspect(store.name(), store.base()).committed_bytes > 0);
    });
    unmounted = child.receive() == 1;
    CHECK(child.join() == "");
    STRATA_SKIP_IF(!unmounted, "/proc cannot be taken away here");
}

TEST_CASE("a watch for a store that cannot be made says which limit was met") {
    const TempStore store;
    const auto refused = [&](const Refusal& refusal, const std::string& hint) {
        return without(refusal, [&] {
            const auto thrown =
                error_of([&] { const StoreWatch watch(store.name(), store.base()); });
            STRATA_REQUIRE(thrown.has_value());
            STRATA_REQUIRE_EQ(thrown->errno_value(), refusal.error);
            STRATA_REQUIRE_EQ(to_string(thrown->code()), "system");
            STRATA_REQUIRE_EQ(thrown->path(), store.base().string());
            STRATA_REQUIRE(thrown->hint().find(hint) != std::string::npos);
        });
    };
    CHECK(refused({SYS_inotify_init1, EMFILE}, "max_user_instances") == "");
    CHECK(refused({SYS_inotify_init1, ENFILE}, "") == "");
    CHECK(refused({SYS_inotify_init1, ENOMEM}, "") == "");
    CHECK(refused({SYS_inotify_add_watch, ENOSPC}, "max_user_watches") == "");
    CHECK(refused({SYS_inotify_add_watch, ENOMEM}, "") == "");
}

TEST_CASE("a watch that cannot be given up does not keep others from being made") {
    const TempStore store;
    const std::filesystem::path base = store.base() / "base";
    CHECK(without({SYS_inotify_rm_watch, EINVAL}, [&] {
              std::filesystem::create_directory(base);
              StoreWatch watch(store.name(), base);
              STRATA_REQUIRE(!watch.present());
              std::filesystem::rename(base, store.base() / "moved");
              STRATA_REQUIRE(!watch.present());
              std::filesystem::create_directory(base);
              ProducerOptions options = store.producer_options();
              options.base_path = base;
              const Producer producer = Producer::create(store.name(), options);
              STRATA_REQUIRE(watch.present());
          }) == "");
}

// Durability may not be promised on a guess: a mount that is not known is another one.
TEST_CASE("a mount number that is refused is not known, and the store opens where it is durable") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.durability.policy = DurabilityPolicy::off;
    Generation durable = 0;
    {
        Producer producer = Producer::create(store.name(), options);
        publish(producer, {1, 1}, "durable");
        durable = producer.checkpoint();
        publish(producer, {1, 1}, "published");
    }
    const auto directory = os::open_directory(store.path().string());
    const auto here = os::standpoint_of(directory.value.get());
    REQUIRE(here);
    CHECK(without({SYS_statx, ENOSYS}, [&] {
              const auto unknown = os::standpoint_of(directory.value.get());
              STRATA_REQUIRE_EQ(unknown.error, 0);
              STRATA_REQUIRE_EQ(unknown.value.mount, 0U);
              STRATA_REQUIRE(unknown.value.boot_id == here.value.boot_id);
              STRATA_REQUIRE_EQ(unknown.value.device, here.value.device);
              const Producer producer = Producer::open(store.name(), options);
              const Snapshot found = store.attach().snapshot();
              const bool known = here.value.mount != 0;
              STRATA_REQUIRE_EQ(found.get({1, 1}).text(), known ? "durable" : "published");
              STRATA_REQUIRE(producer.durable_generation() >= durable);
          }) == "");
    for (const Refusal& refusal : {Refusal{SYS_openat, EACCES}, Refusal{SYS_read, EIO}}) {
        CHECK(without(refusal, [&] {
                  STRATA_REQUIRE_EQ(os::standpoint_of(directory.value.get()).error, refusal.error);
              }) == "");
    }
}
