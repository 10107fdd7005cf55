// SPDX-License-Identifier: Apache-2.0
// Several users and several namespaces at one store. Needs root, to become others.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <grp.h>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t members = 4242;   // a group
constexpr std::uint32_t stranger = 4243;  // a user, and his group

void open_to_all(const TempStore& store, mode_t mode = 0755) {
    REQUIRE(::chmod(store.base().c_str(), mode) == 0);
}

void become_member(std::uint32_t user) {
    if (::setgroups(1, &members) != 0 || ::setresgid(user, user, user) != 0 ||
        ::setresuid(user, user, user) != 0) {
        fail_errno("become a member of the group");
    }
}

ConsumerOptions trusting(const TempStore& store) {
    return {.base_path = store.base(), .trusted_owner = TrustedOwner::anybody};
}

std::uint32_t group_of(const fs::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status.st_gid;
}

std::string joined(Child& child) { return child.join(); }

}  // namespace

TEST_CASE("a consumer may be allowed one dimension and not another: it sees both") {
    STRATA_SKIP_UNLESS_ROOT();
    const TempStore store(TempStore::Regions::own);
    open_to_all(store);
    Producer producer = store.create();
    producer.add_core_dimensions();
    producer.add_dimension(
        20, {.name = "Secret", .access = FileAccess{.mode = 0640, .group = members}});
    publish(producer, {1, 1}, "for all");
    publish(producer, {20, 1}, "for members");

    Child outsider = Child::start([&](const Channel&) {
        become_user(stranger);
        Consumer consumer = Consumer::attach("store", trusting(store));
        const Snapshot snapshot = consumer.snapshot();
        STRATA_REQUIRE_EQ(snapshot.dimension_count(), 15U);
        STRATA_REQUIRE_EQ(snapshot.dimensions().back().name, "Secret");
        STRATA_REQUIRE(snapshot.has_dimension(20));
        STRATA_REQUIRE_EQ(code_of([&] { (void)snapshot.get({20, 1}); }), "permission_denied");
        STRATA_REQUIRE_EQ(code_of([&] { (void)snapshot.dimension(20); }), "permission_denied");
        STRATA_REQUIRE_EQ(code_of([&] {
                              (void)copy_layer(snapshot, {20, 1});
                          }),
                          "permission_denied");
        STRATA_REQUIRE_EQ(code_of([&] { (void)changes({}, snapshot, 20); }), "permission_denied");
        STRATA_REQUIRE_EQ(code_of([&] { (void)snapshot.find({20, 1}); }), "permission_denied");
        // All else goes on.
        STRATA_REQUIRE_EQ(snapshot.get({1, 1}).text(), "for all");
        std::vector<LayerId> ids = {{20, 1}, {1, 1}, {20, 2}};
        std::vector<Layer> found(ids.size());
        STRATA_REQUIRE_EQ(code_of([&] { snapshot.find(ids, found); }), "permission_denied");
        ids = {{1, 2}, {1, 1}, {1, 3}};
        snapshot.find(ids, found);
        STRATA_REQUIRE(!found[0] && found[1] && !found[2]);
        STRATA_REQUIRE_EQ(changes({}, snapshot, 1).size(), 1U);
        STRATA_REQUIRE(verify(snapshot, 1).ok());
        const VerifyReport report = verify(snapshot);
        STRATA_REQUIRE_EQ(report.failure_count, 1U);
        STRATA_REQUIRE(report.failures[0].dimension == 20U);
        STRATA_REQUIRE_EQ(statistics(consumer).regions.size(), 15U);
    });
    CHECK(joined(outsider) == "");

    Child member = Child::start([&](const Channel&) {
        become_member(stranger);
        const Snapshot snapshot = Consumer::attach("store", trusting(store)).snapshot();
        STRATA_REQUIRE_EQ(snapshot.get({20, 1}).text(), "for members");
        STRATA_REQUIRE(verify(snapshot).ok());
        STRATA_REQUIRE_EQ(changes({}, snapshot).size(), 2U);
        for (const auto& entry : fs::directory_iterator(store.path())) {
            STRATA_REQUIRE_EQ(::access(entry.path().c_str(), W_OK), -1);
        }
    });
    CHECK(joined(member) == "");
}

TEST_CASE("a store for a group: its members attach, others see that it is there") {
    STRATA_SKIP_UNLESS_ROOT();
    const TempStore store(TempStore::Regions::own);
    open_to_all(store);
    ProducerOptions options = store.producer_options();
    options.access = {.mode = 0640, .group = members};
    Producer producer = Producer::create("store", options);
    publish(producer, {1, 1}, "text");
    for (const char* const name : {"", "control.mmap", "region-1.mmap"}) {
        CHECK(group_of(store.path() / name) == members);
    }
    Child outsider = Child::start([&](const Channel&) {
        become_user(stranger);
        STRATA_REQUIRE_EQ(code_of([&] { (void)Consumer::attach("store", trusting(store)); }),
                          "permission_denied");
        STRATA_REQUIRE_EQ(code_of([&] { (void)readers("store", store.base()); }),
                          "permission_denied");
        STRATA_REQUIRE_EQ(list_stores(store.base()).size(), 1U);
    });
    CHECK(joined(outsider) == "");
    Child member = Child::start([&](const Channel&) {
        become_member(stranger);
        Consumer consumer = Consumer::attach("store", trusting(store));
        STRATA_REQUIRE_EQ(consumer.snapshot().get({1, 1}).text(), "text");
        STRATA_REQUIRE(consumer.producer_alive());
    });
    CHECK(joined(member) == "");
}

TEST_CASE("a group that the producer does not belong to is an error and leaves nothing behind") {
    STRATA_SKIP_UNLESS_ROOT();
    const TempStore store(TempStore::Regions::own);
    open_to_all(store, 01777);
    Child child = Child::start([&](const Channel&) {
        become_user(stranger);
        ProducerOptions options = store.producer_options();
        options.access = {.mode = 0640, .group = members};
        STRATA_REQUIRE_EQ(code_of([&] { (void)Producer::create("store", options); }),
                          "permission_denied");
        STRATA_REQUIRE(fs::is_empty(store.base()));
        Producer producer = store.create();
        STRATA_REQUIRE_EQ(code_of([&] {
                              producer.add_dimension(
                                  1, {.access = FileAccess{.mode = 0640, .group = members}});
                          }),
                          "permission_denied");
        STRATA_REQUIRE_EQ(store.region_files(), 0U);
        publish(producer, {1, 1}, "text");
    });
    CHECK(joined(child) == "");
}

TEST_CASE("a squatter's store is not trusted, neither read nor replaced nor worked in") {
    STRATA_SKIP_UNLESS_ROOT();
    const TempStore store(TempStore::Regions::own);
    open_to_all(store, 01777);
    Child squatter = Child::start([&](const Channel& channel) {
        become_user(stranger);
        Producer producer = store.create();
        publish(producer, {1, 1}, "bait");
        channel.send(1);
        channel.receive();
    });
    REQUIRE(squatter.receive() == 1);
    ProducerOptions replace = store.producer_options();
    replace.replace = true;
    const auto expect_distrust = [&] {
        CHECK(code_of([&] { store.attach(); }) == "not_trusted");
        CHECK(code_of([&] { store.open(); }) == "not_trusted");
        CHECK(code_of([&] { store.create(); }) == "store_exists");
        CHECK(code_of([&] { (void)Producer::open_or_create("store", store.producer_options()); }) ==
              "not_trusted");
        CHECK(code_of([&] { (void)Producer::create("store", replace); }) == "not_trusted");
    };
    expect_distrust();  // while he is there
    squatter.send(0);
    CHECK(joined(squatter) == "");
    expect_distrust();  // and after
    // Other users neither; he himself does, and whoever says so.
    Child other = Child::start([&](const Channel&) {
        become_user(nobody);
        STRATA_REQUIRE_EQ(code_of([&] { store.attach(); }), "not_trusted");
        Consumer consumer = Consumer::attach(
            "store",
            {.base_path = store.base(), .trusted_owner = TrustedOwner::user, .owner = stranger});
        STRATA_REQUIRE_EQ(consumer.snapshot().get({1, 1}).text(), "bait");
    });
    CHECK(joined(other) == "");
}

TEST_CASE("two users in mount and pid namespaces of their own share a store read-only") {
    STRATA_SKIP_UNLESS_ROOT();
    const auto own_namespaces = [] {
        if (::unshare(CLONE_NEWNS | CLONE_NEWPID) != 0 ||
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
            fail_errno("namespaces");
        }
    };
    {
        Child probe = Child::start([&](const Channel&) { own_namespaces(); });
        STRATA_SKIP_IF(!probe.join().empty(), "no mount or pid namespaces to be had");
    }
    constexpr Oracle oracle{.layers = 200, .max_payload = 500};
    const TempStore store(TempStore::Regions::own);
    open_to_all(store);
    const fs::path mounted = store.base() / "mounted";
    fs::create_directory(mounted);
    Producer producer = store.create();
    while (producer.generation() < 30) {
        oracle.publish(producer);
    }
    // Each is process 1 of its namespace: their pins are the same byte of the lock table.
    const auto container = [&](std::uint32_t user) {
        return [&, user](const Channel& outside) {
            own_namespaces();
            if (::mount(store.base().c_str(), mounted.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
                ::mount(nullptr, mounted.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY,
                        nullptr) != 0) {
                fail_errno("a read-only bind mount");
            }
            Child first = Child::start([&](const Channel& channel) {
                STRATA_REQUIRE_EQ(::getpid(), 1);
                become_user(user);
                Consumer consumer = Consumer::attach(
                    "store",
                    {.base_path = mounted, .trusted_owner = TrustedOwner::user, .owner = 0});
                const Snapshot held = consumer.snapshot();
                STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
                STRATA_REQUIRE_EQ(::open((mounted / "store/control.mmap").c_str(), O_RDWR), -1);
                channel.send(held.generation());
                for (Generation seen = held.generation(); seen < 300;
                     seen = consumer.generation()) {
                    STRATA_REQUIRE_EQ(consumer.wait(seen, patience), WaitResult::changed);
                }
                STRATA_REQUIRE_EQ(oracle.mismatch(consumer.snapshot()), "");
                channel.send(1);
                channel.receive();
                STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
            });
            outside.send(first.receive());
            outside.send(first.receive());
            first.send(outside.receive());
            STRATA_REQUIRE_EQ(first.join(), "");
            outside.send(2);
        };
    };
    Child one = Child::start(container(nobody));
    Child two = Child::start(container(stranger));
    CHECK(one.receive() == 30);
    CHECK(two.receive() == 30);
    const auto pinned = readers("store", store.base());
    REQUIRE(pinned.size() == 2);  // on one byte
    CHECK(pinned[0].epoch == pinned[1].epoch);
    const auto churn_to = [&](Generation generation) {
        while (producer.generation() < generation) {
            oracle.publish(producer);
            producer.reclaim();
        }
    };
    churn_to(300);
    CHECK(one.receive() == 1);
    CHECK(two.receive() == 1);
    // When one releases it, the other's pin of the same byte still counts.
    one.send(0);
    CHECK(one.receive() == 2);
    CHECK(joined(one) == "");
    churn_to(600);
    // The consumer's idle pin of a newer epoch may still be there: its keeper releases it soon.
    const auto still_pinned = readers("store", store.base());
    CHECK(std::any_of(still_pinned.begin(), still_pinned.end(), [&](const ReaderInfo& reader) {
        return reader.epoch == pinned.front().epoch;
    }));
    two.send(0);
    CHECK(two.receive() == 2);
    CHECK(joined(two) == "");
    CHECK(readers("store", store.base()).empty());
}
