// SPDX-License-Identifier: Apache-2.0
// Every error code, provoked: each says what it is about.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <sched.h>
#include <set>
#include <string>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

/// What it takes to see one error; nothing if it cannot be provoked here (no root).
using Provoke = std::function<std::optional<Error>()>;

/// The error of `action` in a child process, by code and text alone.
template <class Action>
std::optional<Error> in_child(Action action) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        try {
            const std::optional<Error> error = error_of(action);
            const auto code = static_cast<std::uint32_t>(error ? error->code() : Errc{0});
            const std::string text = error ? error->what() : "";
            if (::write(ends[1], &code, sizeof(code)) == sizeof(code) &&
                ::write(ends[1], text.data(), text.size()) >= 0) {
                ::_exit(0);
            }
        } catch (...) {
        }
        ::_exit(1);
    }
    ::close(ends[1]);
    std::uint32_t code = 0;
    const bool answered = ::read(ends[0], &code, sizeof(code)) == sizeof(code);
    std::string text(4096, '\0');
    const ssize_t got = ::read(ends[0], text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    if (!answered || code == 0) return std::nullopt;
    return Error({.code = static_cast<Errc>(code), .operation = text, .detail = "in a child"});
}

/// A store with one layer whose producer is gone.
struct Left : TempStore {
    Left() {
        Producer producer = create();
        publish(producer, {1, 1}, "content");
    }
};

std::optional<Error> get(const TempStore& store, LayerId id) {
    return error_of([&] { (void)store.attach().snapshot().get(id); });
}

std::map<Errc, Provoke> provocations() {
    std::map<Errc, Provoke> all;
    all[Errc::store_not_found] = [] { return error_of([] { TempStore().attach(); }); };
    all[Errc::store_exists] = [] {
        const Left store;
        return error_of([&] { store.create(); });
    };
    all[Errc::not_a_store] = [] {
        const TempStore store;
        fs::create_directory(store.path());
        return error_of([&] { store.attach(); });
    };
    all[Errc::format_version] = [] {
        const Left store;
        ControlEditor(store.path()).forge_identity([](ipc::ControlIdentity& i) { ++i.version; });
        return error_of([&] { store.attach(); });
    };
    all[Errc::byte_order] = [] {
        const Left store;
        ControlEditor(store.path()).forge_identity([](ipc::ControlIdentity& i) {
            i.byte_order = __builtin_bswap32(i.byte_order);
        });
        return error_of([&] { store.attach(); });
    };
    all[Errc::permission_denied] = []() -> std::optional<Error> {
        const Left store;
        if (::geteuid() != 0) {
            fs::permissions(store.path(), fs::perms::none);
            const auto error = error_of([&] { store.attach(); });
            fs::permissions(store.path(), fs::perms::owner_all);
            return error;
        }
        fs::permissions(store.base(), fs::perms::none);
        return in_child([&] {
            if (::setuid(65534) != 0) ::_exit(1);
            store.attach();
        });
    };
    all[Errc::not_trusted] = [] {
        const Left store;
        fs::permissions(store.path(), fs::perms::others_write, fs::perm_options::add);
        return error_of([&] { store.attach(); });
    };
    all[Errc::corrupt] = [] {
        const Left store;
        ControlEditor(store.path()).forge_root([](ipc::RootRecord& root) { root.generation = 0; });
        return error_of([&] { (void)store.attach().snapshot(); });
    };
    all[Errc::truncated] = [] {
        const Left store;
        fs::resize_file(store.file("region-1.mmap"), 4096);
        return get(store, {1, 1});
    };
    all[Errc::invalid_name] = [] { return error_of([] { (void)Producer::open("a/b"); }); };
    all[Errc::invalid_argument] = [] {
        const TempStore store;
        Producer producer = store.create();
        return error_of([&] { producer.batch().put({1, 1}, "x", {.alignment = 3}); });
    };
    all[Errc::producer_active] = [] {
        const TempStore store;
        const Producer producer = store.create();
        return error_of([&] { store.open(); });
    };
    all[Errc::dimension_not_found] = [] { return get(Left(), {9, 1}); };
    all[Errc::layer_not_found] = [] { return get(Left(), {1, 9}); };
    all[Errc::dimension_exists] = [] {
        const Left store;
        Producer producer = store.open();
        return error_of([&] { producer.add_dimension(1, {.max_bytes = 1_MiB}); });
    };
    all[Errc::layer_too_large] = [] {
        const Left store;
        Producer producer = store.open();
        return error_of([&] {
            (void)producer.batch().loan({1, 1}, TempStore::region_max_bytes + 1);
        });
    };
    all[Errc::limit_exceeded] = [] {
        const Left store;
        Producer producer = store.open();
        producer.set_memory_limit(1_MiB);
        return error_of([&] { (void)producer.batch().loan({1, 1}, 2_MiB); });
    };
    all[Errc::no_space] = []() -> std::optional<Error> {
        if (::geteuid() != 0) return std::nullopt;
        const TempStore store;
        return in_child([&] {
            if (::unshare(CLONE_NEWNS) != 0 ||
                ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
                ::mount("none", store.base().c_str(), "tmpfs", 0, "size=64k") != 0) {
                ::_exit(1);
            }
            publish(*std::make_unique<Producer>(store.create()), {1, 1}, "x");
        });
    };
    all[Errc::name_collision] = [] {
        const TempStore store;
        Producer producer = store.create();
        publish(producer, {1, layer_number("alpha")}, "numbered");
        return error_of([&] {
            Batch batch = producer.batch();
            batch.put(1, "alpha", {});
            batch.crystallize();
        });
    };
    all[Errc::type_mismatch] = [] {
        const Left store;
        return error_of([&] { (void)store.attach().snapshot().get({1, 1}).as<double>(); });
    };
    all[Errc::generation_not_retained] = [] {
        const Left store;
        return error_of([&] { (void)store.attach().snapshot(1); });
    };
    all[Errc::wrong_process] = [] {
        const TempStore store;
        Producer producer = store.create();
        return in_child([&] { (void)producer.stats(); });
    };
    all[Errc::store_replaced] = [] {
        const Left store;
        Consumer consumer = store.attach();
        remove_store(store.name(), store.base());
        return error_of([&] { (void)statistics(consumer); });
    };
    all[Errc::system] = [] {
        const Left store;
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        rlimit none = before;
        none.rlim_cur = 3;  // no descriptor is to be had
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
        const auto error = error_of([&] { store.attach(); });
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
        if (error) CHECK(error->errno_value() == EMFILE);
        return error;
    };
    all[Errc::would_deadlock] = [] {
        const TempStore store;
        Producer producer = store.create();
        Crystallizer crystallizer(producer);
        std::optional<Error> error;
        crystallizer.put({1, 1}, "x", {}, [&](LayerId, const IngestResult&) {
            error = error_of([&] { crystallizer.flush(); });
        });
        crystallizer.stop();
        return error;
    };
    all[Errc::durability_lost] = [] {
        const TempStore store;
        { store.create().checkpoint(); }
        {
            ControlEditor(store.path()).change_cells([](ipc::ControlCells& cells) {
                cells.durability = static_cast<std::uint64_t>(EIO) << 8 | 1;
            });
        }
        Producer producer = store.open();
        publish(producer, {1, 1}, "one");
        return error_of([&] { producer.checkpoint(); });
    };
    all[Errc::not_recovered] = [] {
        const TempStore store;
        {
            Producer producer = store.create();
            producer.checkpoint();
            publish(producer, {1, 1}, "one");
        }
        FileEditor(store.file("durable.slots"))
            .forge<ipc::DurableSlot>(ipc::page_bytes,
                                     [](ipc::DurableSlot& slot) { ++slot.boot_id[0]; });
        return error_of([&] { store.attach(); });
    };
    all[Errc::bookmark_not_found] = [] {
        const TempStore store;
        const Producer producer = store.create();
        return error_of([&] { (void)store.attach().snapshot_at("none"); });
    };
    all[Errc::file_not_found] = [] {
        const TempBase base;
        return error_of([&] { (void)MappedDirectory(base.path()).open("none"); });
    };
    all[Errc::file_exists] = [] {
        const TempBase base;
        const BufferedDirectory directory(base.path());
        directory.create("file").close();
        return error_of([&] { (void)directory.create("file"); });
    };
    all[Errc::end_of_file] = [] {
        const TempBase base;
        const BufferedDirectory directory(base.path());
        directory.create("file").close();
        return error_of([&] { directory.open("file").read_u8(); });
    };
    return all;
}

}  // namespace

TEST_CASE("every error code can be met, and says what it is about") {
    const std::map<Errc, Provoke> all = provocations();
    std::set<std::string> names;
    for (std::uint32_t number = 1; to_string(static_cast<Errc>(number)) != "unknown"; ++number) {
        const auto code = static_cast<Errc>(number);
        CAPTURE(to_string(code));
        names.insert(std::string(to_string(code)));
        REQUIRE(all.count(code) == 1);
        const std::optional<Error> error = all.at(code)();
        if (code == Errc::no_space && ::geteuid() != 0) {
            MESSAGE("no_space needs a small file system, and that needs root");
            continue;
        }
        REQUIRE(error);
        CHECK(to_string(error->code()) == to_string(code));
        CHECK(std::string(error->what()).size() > 10);
        CHECK(std::string(error->what()).find('\n') == std::string::npos);
        CHECK_FALSE(error->operation().empty());
        CHECK_FALSE(error->detail().empty());
    }
    CHECK(names.size() == all.size());
}
