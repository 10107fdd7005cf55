// SPDX-License-Identifier: Apache-2.0
// What may stand where a store should: every kind of wrong file gets its own typed error, from the
// consumer and from the producer, and nothing hangs, crashes or is left behind.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <sys/stat.h>

#include <doctest/doctest.h>

#include "tests/support/left_store.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::attach_code;
using strata::test::code_of;
using strata::test::ControlEditor;
using strata::test::error_of;
using strata::test::FileEditor;
using strata::test::get_code;
using strata::test::LeftStore;
using strata::test::open_code;
using strata::test::TempStore;

namespace {

namespace fs = std::filesystem;

}  // namespace

TEST_CASE("no store, an empty directory, and halves of a store") {
    const TempStore nothing;
    CHECK(attach_code(nothing) == "store_not_found");
    CHECK(open_code(nothing) == "store_not_found");
    fs::create_directory(nothing.path());
    CHECK(attach_code(nothing) == "not_a_store");
    CHECK(open_code(nothing) == "not_a_store");
    CHECK(code_of([&] { nothing.create(); }) == "store_exists");

    const LeftStore no_control;
    fs::remove(no_control.control());
    CHECK(attach_code(no_control) == "not_a_store");
    CHECK(open_code(no_control) == "not_a_store");
    const LeftStore no_lock;
    fs::remove(no_lock.lock());
    CHECK(attach_code(no_lock) == "no error");
    CHECK(open_code(no_lock) == "not_a_store");
    // Each can be got rid of the documented way, but an empty directory is not touched.
    remove_store(no_control.name(), no_control.base());
    remove_store(no_lock.name(), no_lock.base());
    CHECK(code_of([&] { remove_store(nothing.name(), nothing.base()); }) == "not_a_store");
}

TEST_CASE("a missing base directory is told apart from a missing store") {
    const TempStore store(TempStore::Regions::own);
    ConsumerOptions options = store.consumer_options();
    options.base_path /= "nowhere";
    const auto error = error_of([&] { (void)Consumer::attach(store.name(), options); });
    REQUIRE(error);
    CHECK(error->code() == Errc::store_not_found);
    CHECK(error->path() == options.base_path);
    CHECK_FALSE(error->hint().empty());
}

TEST_CASE("names that cannot name a store are refused before anything is touched") {
    const TempStore store(TempStore::Regions::own);
    const std::string long_name(201, 'n');
    const std::string huge_name(5000, 'n');
    const std::string_view with_zero("a\0b", 3);
    for (const std::string_view name :
         {std::string_view(), std::string_view("/"), std::string_view("a/b"),
          std::string_view("../store"), std::string_view(".."), std::string_view("."),
          std::string_view(".hidden"), with_zero, std::string_view("a\nb"),
          std::string_view("\x7F"), std::string_view(long_name), std::string_view(huge_name)}) {
        const auto check = [&](auto action) {
            const auto error = error_of(action);
            REQUIRE(error);
            CHECK(error->code() == Errc::invalid_name);
            CHECK_FALSE(error->operation().empty());
            CHECK_FALSE(error->hint().empty());
            CHECK(std::string_view(error->what()).find('\n') == std::string_view::npos);
        };
        check([&] { check_store_name(name); });
        check([&] { (void)Consumer::attach(name, store.consumer_options()); });
        check([&] { (void)Producer::create(name, store.producer_options()); });
        check([&] { (void)Producer::open(name, store.producer_options()); });
        check([&] { (void)Producer::open_or_create(name, store.producer_options()); });
        check([&] { remove_store(name, store.base()); });
        check([&] { (void)readers(name, store.base()); });
    }
    CHECK(fs::is_empty(store.base()));
    const std::string longest(200, 'n');
    Producer producer = Producer::create(longest, store.producer_options());
    CHECK(producer.generation() == 1);
    CHECK(code_of([&] { (void)Consumer::attach("na\xC3\xAFve name", store.consumer_options()); }) ==
          "store_not_found");
}

TEST_CASE("something else under the store's name") {
    const TempStore file;
    std::ofstream(file.path()) << "text";
    CHECK(attach_code(file) == "not_a_store");
    CHECK(open_code(file) == "not_a_store");
    CHECK(code_of([&] { file.create(); }) == "store_exists");

    const LeftStore target;
    const TempStore link;
    fs::create_directory_symlink(target.path(), link.path());
    CHECK(attach_code(link) == "not_a_store");
    CHECK(open_code(link) == "not_a_store");

    const TempStore pipe;
    REQUIRE(::mkfifo(pipe.path().c_str(), 0644) == 0);
    CHECK(attach_code(pipe) == "not_a_store");
    CHECK(open_code(pipe) == "not_a_store");
}

TEST_CASE("a control file that is too short is truncated, wherever it ends") {
    for (const std::uint64_t bytes :
         std::initializer_list<std::uint64_t>{0, 1, 127, 128, 4096, 8191}) {
        const LeftStore store;
        FileEditor(store.control()).truncate(bytes);
        CHECK(attach_code(store) == "truncated");
        CHECK(open_code(store) == "truncated");
    }
    const LeftStore store;  // the header is there, the root is not
    FileEditor(store.control()).truncate(ipc::control_header_bytes);
    CHECK(attach_code(store) == "corrupt");
    CHECK(open_code(store) == "corrupt");
    const LeftStore half;  // the root is there, other blocks of its generation may be missing
    {
        ControlEditor control(half.path());
        control.truncate(ipc::round_up(control.root_offset() + sizeof(ipc::RootRecord), 4096));
    }
    CHECK(attach_code(half) == "truncated");
    CHECK(open_code(half) == "truncated");
}

TEST_CASE("a foreign magic, byte order or version is named, with both versions in the message") {
    const auto change = [](auto edit) {
        auto store = std::make_unique<LeftStore>();
        ControlEditor(store->path()).forge_identity(edit);
        return store;
    };
    const auto text = change([](auto& id) { id.magic = 0x2065636E4F202020; });
    CHECK(attach_code(*text) == "not_a_store");
    CHECK(open_code(*text) == "not_a_store");
    const auto zero = change([](auto& id) { id = {}; });
    CHECK(attach_code(*zero) == "not_a_store");
    const auto swapped = change([](auto& id) { id.magic = __builtin_bswap64(id.magic); });
    CHECK(attach_code(*swapped) == "byte_order");
    CHECK(open_code(*swapped) == "byte_order");
    const auto order = change([](auto& id) { id.byte_order = ipc::foreign_byte_order_mark; });
    CHECK(attach_code(*order) == "byte_order");
    CHECK(open_code(*order) == "byte_order");
    for (const std::uint32_t version : {0U, ipc::format_version + 1, 0xFFFF'FFFFU}) {
        const auto other = change([&](auto& id) { id.version = version; });
        for (const auto& error :
             {error_of([&] { other->attach(); }), error_of([&] { other->open(); })}) {
            REQUIRE(error);
            CHECK(error->code() == Errc::format_version);
            const std::string line = error->what();
            CHECK(line.find("format version " + std::to_string(version)) != std::string::npos);
            CHECK(line.find("reads " + std::to_string(ipc::format_version)) != std::string::npos);
            CHECK(error->path() == other->control());
            CHECK_FALSE(error->hint().empty());
        }
    }
}

TEST_CASE("a root record with a wrong checksum is corrupt, however little is wrong") {
    const LeftStore store;
    {
        ControlEditor control(store.path());
        ipc::RootRecord root = control.root();
        root.published_at_ns ^= 1;
        control.write(control.root_offset(), root);
    }
    CHECK(code_of([&] { (void)store.attach().snapshot(); }) == "corrupt");
    CHECK(open_code(store) == "corrupt");
}

TEST_CASE("a header with a wrong checksum, or a right one over impossible sizes, is corrupt") {
    const LeftStore flipped;
    {
        ControlEditor control(flipped.path());
        auto identity = control.read<ipc::ControlIdentity>(0);
        identity.created_at_ns ^= 1;
        control.write(0, identity);
    }
    CHECK(attach_code(flipped) == "corrupt");
    CHECK(open_code(flipped) == "corrupt");
    const auto impossible = [](auto edit) {
        const LeftStore store;
        ControlEditor(store.path()).forge_identity(edit);
        const std::string code = attach_code(store);
        CHECK(open_code(store) == code);
        return code;
    };
    using Identity = ipc::ControlIdentity;
    CHECK(impossible([](Identity& id) { id.header_bytes = 4096; }) == "corrupt");
    CHECK(impossible([](Identity& id) { id.page_bytes = 0; }) == "corrupt");
    CHECK(impossible([](Identity& id) { id.control_max_bytes = 0; }) == "corrupt");
    CHECK(impossible([](Identity& id) { id.control_max_bytes = ~std::uint64_t{0}; }) == "corrupt");
    CHECK(impossible([](Identity& id) { id.region_max_bytes = 0; }) == "corrupt");
    CHECK(impossible([](Identity& id) { id.region_max_bytes += 1; }) == "corrupt");
    CHECK(impossible([](Identity& id) { id.region_max_bytes = std::uint64_t{1} << 63; }) ==
          "corrupt");
}

TEST_CASE("a region file that is missing, cut off, another kind of file or another's") {
    const auto damage = [](const char* what, auto edit) {
        CAPTURE(what);
        const LeftStore store;
        edit(store);
        const std::string code = get_code(store);
        CHECK(open_code(store) == code);
        return code;
    };
    const auto forged = [](auto edit) {
        return [edit](const LeftStore& store) {
            FileEditor(store.region()).forge<ipc::RegionHeader>(0, edit);
        };
    };
    using Header = ipc::RegionHeader;
    CHECK(damage("missing", [](const LeftStore& s) { fs::remove(s.region()); }) == "corrupt");
    for (const std::uint64_t bytes :
         std::initializer_list<std::uint64_t>{0, 64, 4095, 4096, 8192, 65535}) {
        CHECK(damage("cut off", [&](const LeftStore& s) {
                  FileEditor(s.region()).truncate(bytes);
              }) == "truncated");
    }
    CHECK(damage("fifo", [](const LeftStore& s) {
              fs::remove(s.region());
              REQUIRE(::mkfifo(s.region().c_str(), 0644) == 0);
          }) == "not_a_store");
    CHECK(damage("link", [](const LeftStore& s) {
              fs::rename(s.region(), s.file("real"));
              fs::create_symlink("real", s.region());
          }) == "not_trusted");
    CHECK(damage("magic", forged([](Header& h) { h.magic ^= 1; })) == "corrupt");
    CHECK(damage("version", forged([](Header& h) { h.version += 1; })) == "corrupt");
    CHECK(damage("store", forged([](Header& h) { h.store_id[1] ^= 1; })) == "corrupt");
    CHECK(damage("serial", forged([](Header& h) { h.serial += 1; })) == "corrupt");
    CHECK(damage("dimension", forged([](Header& h) { h.dimension += 1; })) == "corrupt");
    for (const std::uint64_t bytes : {2 * TempStore::region_max_bytes, 32_KiB, 64_KiB + 512}) {
        CHECK(damage("size", forged([&](Header& h) { h.max_bytes = bytes; })) == "corrupt");
    }
    CHECK(damage("checksum", [](const LeftStore& s) {
              FileEditor(s.region()).write(120, std::uint64_t{0});
          }) == "corrupt");
    CHECK(damage("another store's", [](const LeftStore& s) {
              const LeftStore other;
              fs::copy_file(other.region(), s.region(), fs::copy_options::overwrite_existing);
          }) == "corrupt");
}

TEST_CASE("the last generation that there is can be published, and none after it") {
    const LeftStore store;
    constexpr Generation last = ipc::generation_end - 1;
    {
        ControlEditor control(store.path());
        control.forge_root([](auto& root) { root.generation = last - 1; });
        control.change_cells([](auto& cells) { cells.generation = last - 1; });
    }
    Producer producer = store.open();
    Batch batch = producer.batch();
    batch.put({1, 1000}, "the last");
    CHECK(batch.crystallize() == last);
    Consumer consumer = store.attach();
    CHECK(consumer.snapshot().get({1, 1000}).generation() == last);
    batch.put({1, 1000}, "one more");
    const auto error = error_of([&] { batch.crystallize(); });
    REQUIRE(error);
    CHECK(error->code() == Errc::limit_exceeded);
    CHECK(error->limit() == last);
    CHECK(error->needed() == last + 1);
    CHECK_FALSE(error->hint().empty());
    CHECK(consumer.snapshot().get({1, 1000}).text() == "the last");
    CHECK(producer.generation() == last);
}
