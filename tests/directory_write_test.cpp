// SPDX-License-Identifier: Apache-2.0
// Writing files of directories; what one kind of directory writes the other reads.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/files.hpp"
#include "tests/support/process.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

std::string text_of(const FileDirectory& directory, std::string_view name) {
    const MappedInput input = directory.open(name);
    const FileView view = input.view(0, input.size());
    return std::string(view.text());
}

std::vector<std::string> names(const FileDirectory& directory) {
    std::vector<std::string> result;
    for (const FileEntry& entry : directory.list()) {
        result.push_back(entry.name);
    }
    return result;
}

std::size_t entries(const std::filesystem::path& path) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
}

}  // namespace

TEST_CASE("what one directory writes the other reads, numbers in both orders") {
    TempFiles files;
    const MappedDirectory mapped(files.path(), {.chunk_power = 20});
    const BufferedDirectory buffered(files.path(), {.buffer_bytes = 7});
    const FileDirectory* kinds[] = {&mapped, &buffered};
    for (const FileDirectory* writer : kinds) {
        for (const FileDirectory* reader : kinds) {
            constexpr std::uint64_t size = 2'500'000;
            FileOutput out = writer->create("data");
            out.write_u8(0x01);
            out.write_u16_le(0x0203);
            out.write_u16_be(0x0203);
            out.write_u32_le(0x04050607);
            out.write_u32_be(0x04050607);
            out.write_u64_le(0x08090A0B0C0D0E0F);
            out.write_u64_be(0x08090A0B0C0D0E0F);
            out.write("text");
            const auto bytes = bytes_at(0, size);
            for (std::size_t done = 0, step = 1; done < size; done += step, step += 997) {
                out.write(std::span(bytes).subspan(done, std::min(step, size - done)));
                step = std::min<std::size_t>(step, 200'000);
            }
            CHECK(out.position() == 33 + size);
            out.close();
            MappedInput in = reader->open("data");
            CHECK(in.size() == 33 + size);
            CHECK(in.read_u8() == 0x01);
            CHECK(in.read_u16_le() == 0x0203);
            CHECK(in.read_u16_be() == 0x0203);
            CHECK(in.read_u32_le() == 0x04050607);
            CHECK(in.read_u32_be() == 0x04050607);
            CHECK(in.read_u64_le() == 0x08090A0B0C0D0E0F);
            CHECK(in.read_u64_be() == 0x08090A0B0C0D0E0F);
            const FileView text = in.view(29, 4);
            CHECK(text.text() == "text");
            in.seek(33);
            std::vector<std::byte> back(size);
            in.read(back);
            CHECK(back == bytes);
            reader->remove("data");
        }
    }
}

TEST_CASE("create, append, list, sizes, rename, remove, sync") {
    TempFiles files;
    const BufferedDirectory directory(files.path());
    directory.create("b").write("12345");
    CHECK(code_of([&] { (void)directory.create("b"); }) == "file_exists");
    {
        FileOutput more = directory.append("b");
        CHECK(more.position() == 5);
        more.write("678");
        CHECK(directory.size("b") == 5);
        more.flush();
        CHECK(directory.size("b") == 8);
        more.sync();
    }
    directory.append("a").write("new");
    std::filesystem::create_directory(files.file("folder"));
    std::filesystem::create_symlink("b", files.file("link"));
    std::filesystem::create_symlink("nowhere", files.file("broken"));
    CHECK(names(directory) == std::vector<std::string>{"a", "b", "link"});
    CHECK(directory.list()[1].size == 8);
    CHECK(text_of(directory, "b") == "12345678");
    CHECK(text_of(MappedDirectory(files.path()), "link") == "12345678");
    directory.rename("b", "a");
    CHECK(text_of(directory, "a") == "12345678");
    CHECK_FALSE(directory.exists("b"));
    CHECK_FALSE(directory.exists("folder"));
    directory.sync();
    directory.remove("a");
    CHECK(code_of([&] { directory.remove("a"); }) == "file_not_found");
    CHECK(code_of([&] { directory.rename("a", "c"); }) == "file_not_found");
    CHECK(code_of([&] { (void)directory.size("a"); }) == "file_not_found");
}

TEST_CASE("a replaced file appears whole, at publish; without publish nothing changes") {
    TempFiles files;
    const MappedDirectory directory(files.path(), {.group_files_up_to = 0});
    directory.create("index").write("version 1");
    const MappedInput before = directory.open("index");
    {
        FileOutput dropped = directory.replace("index");
        dropped.write("half of ver");
        dropped.flush();
        CHECK(names(directory) == std::vector<std::string>{"index"});
        CHECK(entries(files.path()) == 2);
        CHECK(code_of([&] { dropped.close(); }) == "invalid_argument");
    }
    CHECK(entries(files.path()) == 1);
    CHECK(text_of(directory, "index") == "version 1");
    FileOutput out = directory.replace("index");
    out.write("version 2, longer");
    out.publish();
    CHECK(entries(files.path()) == 1);
    CHECK(text_of(directory, "index") == "version 2, longer");
    const FileView old = before.view(0, 9);
    CHECK(old.text() == "version 1");
    CHECK(code_of([&] { out.write("more"); }) == "invalid_argument");
    CHECK(code_of([&] { out.publish(); }) == "invalid_argument");
    FileOutput fresh = directory.replace("fresh");
    fresh.publish();
    CHECK(directory.size("fresh") == 0);
    CHECK(code_of([&] { directory.create("plain").publish(); }) == "invalid_argument");
}

TEST_CASE("a write that fails says how far it came, and stays failed") {
    TempFiles files;
    Child child = Child::start([&](Channel&) {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{100'000, RLIM_INFINITY};
        STRATA_REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
        const BufferedDirectory directory(files.path());
        FileOutput out = directory.replace("data");
        const std::string block(60'000, 'x');
        out.write(block);
        const auto error = error_of([&] {
            out.write(block);
            out.flush();
        });
        STRATA_REQUIRE(error.has_value());
        STRATA_REQUIRE(error->code() == Errc::no_space);
        STRATA_REQUIRE(error->hint().find("ulimit -f") != std::string::npos);
        STRATA_REQUIRE_EQ(error->path(), files.file("data").string());
        STRATA_REQUIRE(error->detail().find("100000") != std::string::npos);
        STRATA_REQUIRE_EQ(code_of([&] { out.publish(); }), "no_space");
        STRATA_REQUIRE_EQ(code_of([&] { out.write("x"); }), "no_space");
    });
    CHECK(child.join() == "");
    CHECK(entries(files.path()) == 0);
}
