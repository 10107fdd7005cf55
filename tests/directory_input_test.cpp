// SPDX-License-Identifier: Apache-2.0
// Reading files of directories: every kind of read, across every border, mapped, grouped and
// buffered, against bytes that are known from their position.
#include <algorithm>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/files.hpp"
#include "tests/support/process.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t chunk = 1 << 20;

std::vector<std::byte> read(MappedInput& input, std::size_t size) {
    std::vector<std::byte> bytes(size);
    input.read(bytes);
    return bytes;
}

bool same(const std::vector<std::byte>& bytes, std::uint64_t position) {
    return bytes == bytes_at(position, bytes.size());
}

bool same(const FileView& view, std::uint64_t position) {
    return same(std::vector<std::byte>(view.bytes().begin(), view.bytes().end()), position);
}

/// The same file through each kind of input.
struct Kinds {
    TempFiles files;
    std::uint64_t size;
    MappedInput mapped;
    MappedInput grouped;
    MappedInput buffered;
    MappedInput tiny_buffer;

    explicit Kinds(std::uint64_t bytes) : size(bytes) {
        files.make("data", size);
        const MappedDirectory small(files.path(), {.chunk_power = 20, .group_files_up_to = 0});
        mapped = small.open("data");
        grouped = MappedDirectory(files.path(), {.group_files_up_to = size}).open("data");
        buffered = BufferedDirectory(files.path()).open("data");
        tiny_buffer = BufferedDirectory(files.path(), {.buffer_bytes = 3}).open("data");
    }
    std::vector<MappedInput*> all() { return {&mapped, &grouped, &buffered, &tiny_buffer}; }
};

}  // namespace

TEST_CASE("each kind of read gives the bytes at its position, across the borders of chunks") {
    Kinds kinds(3 * chunk + 77);
    CHECK(kinds.mapped.backing() == Backing::mapped);
    CHECK(kinds.grouped.backing() == Backing::grouped);
    CHECK(kinds.buffered.backing() == Backing::buffered);
    for (MappedInput* input : kinds.all()) {
        CAPTURE(to_string(input->backing()));
        CHECK(input->size() == kinds.size);
        // Every position around each border, the beginning and the end.
        for (const std::uint64_t border :
             {std::uint64_t{0}, chunk, 2 * chunk, 3 * chunk, kinds.size}) {
            for (std::uint64_t at = border < 9 ? 0 : border - 9;
                 at <= std::min(border + 2, kinds.size); ++at) {
                const std::uint64_t left = kinds.size - at;
                const auto expect = [&](std::size_t bytes, auto value, bool big) {
                    CHECK(std::uint64_t{value} == number_at(at, bytes, big));
                    CHECK(input->position() == at + bytes);
                    input->seek(at);
                };
                input->seek(at);
                CHECK(input->position() == at);
                CHECK(input->remaining() == left);
                if (left >= 1) expect(1, input->read_u8(), false);
                if (left >= 2) expect(2, input->read_u16_le(), false);
                if (left >= 2) expect(2, input->read_u16_be(), true);
                if (left >= 4) expect(4, input->read_u32_le(), false);
                if (left >= 4) expect(4, input->read_u32_be(), true);
                if (left >= 8) expect(8, input->read_u64_le(), false);
                if (left >= 8) expect(8, input->read_u64_be(), true);
                for (const std::size_t size : {0U, 1U, 2U, 5U, 13U, 100U}) {
                    if (left < size) continue;
                    CHECK(same(read(*input, size), at));
                    CHECK(input->position() == at + size);
                    std::vector<std::byte> bytes(size);
                    input->read_at(at, bytes);
                    CHECK(same(bytes, at));
                    const FileView view = input->view(at, size);
                    CHECK(view.size() == size);
                    CHECK(same(view, at));
                    const bool across = at / chunk != (at + size - 1) / chunk;
                    if (size > 0 && input == &kinds.mapped) CHECK(view.is_copy() == across);
                    if (size > 0 && input == &kinds.buffered) CHECK(view.is_copy());
                    if (input == &kinds.grouped) CHECK_FALSE(view.is_copy());
                    input->seek(at);
                }
            }
        }
        // Blocks larger than a chunk; byte by byte over a border.
        input->seek(5);
        CHECK(same(read(*input, 2 * chunk + 100), 5));
        CHECK(same(read(*input, 1000), 2 * chunk + 105));
        input->seek(2 * chunk - 20000);
        bool all = true;
        for (std::uint64_t at = 2 * chunk - 20000; at < 2 * chunk + 20000; ++at) {
            all = all && input->read_u8() == byte_at(at);
        }
        CHECK(all);
    }
}

TEST_CASE("reading beyond the end is a typed error that moves nothing") {
    Kinds kinds(chunk + 10);
    for (MappedInput* input : kinds.all()) {
        CAPTURE(to_string(input->backing()));
        std::vector<std::byte> bytes(11);
        input->seek(kinds.size - 3);
        CHECK(code_of([&] { input->read_u32_le(); }) == "end_of_file");
        CHECK(code_of([&] { input->read(bytes); }) == "end_of_file");
        CHECK(code_of([&] { input->skip(4); }) == "end_of_file");
        CHECK(code_of([&] { input->seek(kinds.size + 1); }) == "end_of_file");
        CHECK(code_of([&] { input->seek(UINT64_MAX); }) == "end_of_file");
        CHECK(input->position() == kinds.size - 3);
        CHECK(input->read_u8() == byte_at(kinds.size - 3));
        input->skip(2);
        CHECK(input->remaining() == 0);
        CHECK(code_of([&] { input->read_u8(); }) == "end_of_file");
        CHECK(input->read_some(bytes) == 0);
        input->seek(kinds.size - 4);
        CHECK(input->read_some(bytes) == 4);
        CHECK(code_of([&] { (void)input->view(kinds.size, 1); }) == "end_of_file");
        CHECK(code_of([&] { (void)input->view(1, UINT64_MAX); }) == "end_of_file");
        CHECK(code_of([&] { (void)input->view(UINT64_MAX, 1); }) == "end_of_file");
        CHECK(code_of([&] { input->read_at(UINT64_MAX, bytes); }) == "end_of_file");
        CHECK(code_of([&] { (void)input->slice("s", 1, kinds.size); }) == "end_of_file");
        CHECK(code_of([&] { (void)input->slice("s", UINT64_MAX, 2); }) == "end_of_file");
        CHECK(code_of([&] { input->preload(1, UINT64_MAX); }) == "end_of_file");
        CHECK(code_of([&] { (void)input->prefetch(kinds.size, 1); }) == "end_of_file");
        CHECK(input->prefetch(0, kinds.size));
        const auto error = error_of([&] {
            const MappedInput part = input->slice("part", 2, 3);
            (void)part.view(2, 2);
        });
        REQUIRE(error);
        CHECK(error->path() == kinds.files.file("data:part").string());
    }
}

TEST_CASE("slices of slices and clones have cursors of their own over the same bytes") {
    Kinds kinds(2 * chunk + 50);
    for (MappedInput* input : kinds.all()) {
        CAPTURE(to_string(input->backing()));
        MappedInput outer = input->slice("outer", chunk - 100, chunk);
        MappedInput inner = outer.slice("inner", 50, 200);  // from chunk - 50 to chunk + 150
        CHECK(inner.name() == "data:outer:inner");
        CHECK(inner.size() == 200);
        CHECK(same(read(inner, 200), chunk - 50));
        CHECK(code_of([&] { inner.read_u8(); }) == "end_of_file");
        inner.seek(49);
        MappedInput copy = inner.clone();
        CHECK(copy.position() == 49);
        CHECK(copy.read_u16_be() == number_at(chunk - 1, 2, true));
        CHECK(inner.position() == 49);
        CHECK(inner.read_u8() == byte_at(chunk - 1));
        CHECK(copy.read_u8() == byte_at(chunk + 1));
        CHECK(outer.position() == 0);
        const MappedInput nothing = inner.slice("nothing", 200, 0);
        CHECK(nothing.size() == 0);
        CHECK(same(inner.view(40, 20), chunk - 10));
        // The file goes on there, the slice does not.
        CHECK(code_of([&] { (void)inner.slice("more", 100, 101); }) == "end_of_file");
        CHECK(code_of([&] { (void)inner.view(100, 101); }) == "end_of_file");
    }
}

TEST_CASE("the mapping lives as long as any input of it, without the directory") {
    TempFiles files;
    files.make("data", chunk);
    MappedInput slice;
    {
        const MappedDirectory directory(files.path(), {.group_files_up_to = 0});
        MappedInput input = directory.open("data");
        CHECK(directory.statistics().mappings == 1);
        slice = input.clone().slice("middle", 1000, 5000);
        CHECK(directory.statistics().open_files == 1);
    }
    CHECK(mappings_of_process(files.path().native()) == 1);
    CHECK(same(slice.view(0, 5000), 1000));
    slice = MappedInput();
    CHECK(mappings_of_process(files.path().native()) == 0);
    CHECK(code_of([&] { slice.read_u8(); }) != "no error");
}

TEST_CASE("an empty file has nothing to read, in every kind of directory") {
    TempFiles files;
    files.make("empty", 0);
    for (const std::uint64_t grouped : {0_KiB, 16_KiB}) {
        MappedInput input =
            MappedDirectory(files.path(), {.group_files_up_to = grouped}).open("empty");
        CHECK(input.size() == 0);
        CHECK(code_of([&] { input.read_u8(); }) == "end_of_file");
        CHECK(input.view(0, 0).size() == 0);
        CHECK(input.clone().slice("s", 0, 0).size() == 0);
        input.seek(0);
        input.preload();
        CHECK(input.prefetch(0, 0));
        CHECK(input.residency().bytes == 0);
        CHECK(input.checksum() == 0x2D06800538D394C2ULL);  // XXH3-64 of nothing
        input.check();
    }
    MappedInput input = BufferedDirectory(files.path()).open("empty");
    CHECK(code_of([&] { input.read_u8(); }) == "end_of_file");
    CHECK(input.checksum() == 0x2D06800538D394C2ULL);
}

TEST_CASE("an input that has no file reads nothing, and says so") {
    TempFiles files;
    files.make("data", 100);
    MappedInput moved = MappedDirectory(files.path()).open("data");
    const MappedInput taken = std::move(moved);
    MappedInput never;
    std::byte bytes[4];
    for (MappedInput* input : {&never, &moved}) {  // NOLINT(bugprone-use-after-move): what is asked
        CHECK_FALSE(*input);
        CHECK(input->size() == 0);
        CHECK(input->read_some(bytes) == 0);
        input->read({});
        input->read_at(0, {});
        input->seek(0);
        input->skip(0);
        CHECK(input->view(0, 0).size() == 0);
        CHECK(input->name().empty());
        CHECK(input->clone().backing() == Backing::none);
        CHECK(input->residency().bytes == 0);
        input->advise(ReadAdvice::random);
        input->preload();
        CHECK(code_of([&] { (void)input->read_u8(); }) == "end_of_file");
        CHECK(code_of([&] { (void)input->read_varint(); }) == "end_of_file");
        CHECK(code_of([&] { input->read(bytes); }) == "end_of_file");
        CHECK(code_of([&] { input->check(); }) == "invalid_argument");
    }
    CHECK(taken.size() == 100);
}

TEST_CASE("each name of a file has inputs that bear it, and look at it") {
    TempFiles files;
    files.make("b", chunk);
    std::filesystem::create_hard_link(files.file("b"), files.file("a"));
    const MappedDirectory directory(files.path());
    const MappedInput first = directory.open("a");
    const MappedInput second = directory.open("b");
    CHECK(second.name() == "b");
    std::filesystem::remove(files.file("a"));
    files.resize("b", chunk - 10);  // inside the last page: nothing is felt
    CHECK(code_of([&] { second.check(); }) == "truncated");
}

TEST_CASE("a small file that was changed a moment ago is copied anew at each opening") {
    TempFiles files;
    files.make("data", 3000);
    const MappedDirectory directory(files.path());
    const int fd = ::open(files.file("data").c_str(), O_RDWR | O_CLOEXEC);
    auto* const writer =
        static_cast<char*>(::mmap(nullptr, 3000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    ::close(fd);
    writer[0] = '1';
    MappedInput before = directory.open("data");
    writer[0] = '2';  // of which the times of the file say nothing
    MappedInput after = directory.open("data");
    CHECK(before.backing() == Backing::grouped);
    CHECK(before.read_u8() == '1');
    CHECK(after.read_u8() == '2');
    CHECK(directory.statistics().shared == 0);
    ::munmap(writer, 3000);
}

TEST_CASE("positions have 64 bits: a sparse file of 3 x 2^34 bytes") {
    constexpr std::uint64_t size = 3ULL << 34;
    TempFiles files;
    files.make_sparse("sparse", size);
    const std::uint64_t places[] = {0, (1ULL << 32) - 4, (1ULL << 34) - 4, (2ULL << 34) - 4,
                                    size - 8};
    for (const std::uint64_t place : places) {
        files.put("sparse", place, 8);
    }
    for (const unsigned power : {28U, 30U, 34U, 40U}) {
        CAPTURE(power);
        if (sanitized && power != 34) continue;  // they have little address space
        const MappedDirectory directory(files.path(), {.chunk_power = power, .fall_back = false});
        MappedInput input = directory.open("sparse");
        CHECK(input.size() == size);
        for (const std::uint64_t place : places) {
            input.seek(place);
            CHECK(input.read_u64_le() == number_at(place, 8, false));
            CHECK(input.position() == place + 8);
            CHECK(same(input.view(place + 2, 5), place + 2));
            MappedInput slice = input.slice("around", place, 8);
            CHECK(slice.read_u64_be() == number_at(place, 8, true));
        }
        input.seek(size - 1);
        CHECK(input.read_u8() == byte_at(size - 1));
        CHECK(code_of([&] { input.read_u8(); }) == "end_of_file");
    }
}

TEST_CASE("a file of 2^63 - 1 bytes, more than can be mapped, is read through a buffer") {
    constexpr std::uint64_t size = (1ULL << 63) - 1;
    TempFiles files;
    files.make_sparse("huge", size);
    std::vector<MappingFallback> told;
    const MappedDirectory directory(
        files.path(), {.chunk_power = 40, .on_fallback = [&](const MappingFallback& fallback) {
                           told.push_back(fallback);
                       }});
    MappedInput input = directory.open("huge");
    REQUIRE(told.size() == 1);
    CHECK(told[0].size == size);
    CHECK(told[0].path == files.file("huge").string());
    CHECK(told[0].reason.code() == Errc::limit_exceeded);
    CHECK(input.backing() == Backing::buffered);
    CHECK(directory.statistics().fallbacks == 1);
    input.seek(size - 8);
    CHECK(input.read_u64_le() == 0);
    CHECK(input.position() == size);
    CHECK(code_of([&] { input.read_u8(); }) == "end_of_file");
    CHECK(input.slice("end", size - 4, 4).read_u32_le() == 0);
    CHECK(code_of([&] { (void)input.view(0, size); }) == "limit_exceeded");
}

TEST_CASE("what opening means: growth is not seen, a replaced file stays readable") {
    Kinds kinds(2 * chunk);
    const MappedDirectory directory(kinds.files.path(), {.chunk_power = 20});
    MappedInput before = directory.open("data");
    kinds.files.resize("data", 3 * chunk);
    kinds.files.put("data", 2 * chunk, 100);
    CHECK(before.size() == 2 * chunk);
    before.seek(2 * chunk);
    CHECK(code_of([&] { before.read_u8(); }) == "end_of_file");
    before.check();
    MappedInput grown = directory.open("data");
    CHECK(grown.size() == 3 * chunk);
    grown.seek(2 * chunk);
    CHECK(grown.read_u8() == byte_at(2 * chunk));

    kinds.files.make("other", chunk, 12345);
    directory.rename("other", "data");
    CHECK(same(before.view(7, 1000), 7));
    CHECK(same(grown.view(2 * chunk, 100), 2 * chunk));
    before.check();
    const MappedInput other = directory.open("data");
    CHECK(same(other.view(0, 100), 12345));
    directory.remove("data");
    CHECK(same(before.view(7, 1000), 7));
    CHECK(code_of([&] { (void)directory.open("data"); }) == "file_not_found");
    CHECK(same(kinds.buffered.view(7, 1000), 7));
}

TEST_CASE("checksums are those of xxhash, whatever the chunks") {
    Kinds kinds(2 * chunk + 321);
    const std::uint64_t expected = kinds.grouped.checksum();
    CHECK(kinds.mapped.checksum() == expected);
    CHECK(kinds.buffered.checksum() == expected);
    CHECK(kinds.mapped.slice("s", 11, chunk).checksum() ==
          kinds.buffered.slice("s", 11, chunk).checksum());
    CHECK(kinds.mapped.slice("s", 11, chunk).checksum() != expected);
    kinds.files.make("abc", 0);
    BufferedDirectory(kinds.files.path()).append("abc").write("abc");
    CHECK(MappedDirectory(kinds.files.path()).open("abc").checksum() == 0x78AF5F94892F3950ULL);
}
