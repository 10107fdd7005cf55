// SPDX-License-Identifier: Apache-2.0
// Files that are on the disk alone: when preloading, prefetching and advice help.
#include <memory>

#include "bench/harness/clock.hpp"
#include "bench/harness/workload.hpp"
#include "bench/peers/file_readers.hpp"
#include "bench/rows/data_file.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

/// Reads all of a file in blocks of 64 KiB.
template <class Reader>
void read_all(const char* who, Reader& reader, std::uint64_t bytes) {
    constexpr std::size_t block = 64 << 10;
    std::vector<std::byte> out(block);
    std::uint64_t sum = 0;
    std::uint64_t expected = 0;
    for (std::uint64_t at = 0; at < bytes; at += block) {
        reader.read(out);
        sum += load_word(out.data());
        expected += mix(at / 8);
    }
    check_sum(who, sum, expected);
}

/// MB/s of a pass over a cold file; opening, preloading and closing included.
Entrant pass(const DataFile& file, const char* who, Role role,
             std::function<void(const MappedDirectory&)> read) {
    return {who, role, [&file, read = std::move(read)] {
                file.make_cold();
                const Stopwatch watch;
                {
                    const MappedDirectory directory(file.directory());
                    read(directory);
                }
                return static_cast<double>(file.bytes()) / watch.seconds() / 1e6;
            }};
}

void sequential(Context& context, const DataFile& file, const std::string& name) {
    Row row{.name = name,
            .title = "a cold file read in sequence, from opening to closing",
            .unit = "MB/s",
            .more_is_better = true};
    row.at_least(1.26, "strata mapped, preloaded", "strata mapped");
    const auto bytes = file.bytes();
    std::vector<Entrant> entrants;
    entrants.push_back(pass(file, "strata mapped", Role::strata, [=](const auto& directory) {
        StrataReader reader(directory.open(DataFile::name));
        read_all("mapped", reader, bytes);
    }));
    entrants.push_back(
        pass(file, "strata mapped, preloaded", Role::strata, [=](const auto& directory) {
            StrataReader reader(directory.open(DataFile::name, {.preload = true}));
            read_all("preloaded", reader, bytes);
        }));
    entrants.push_back(
        pass(file, "strata mapped, prefetched", Role::strata, [=](const auto& directory) {
            MappedInput input = directory.open(DataFile::name);
            input.prefetch(0, bytes);
            StrataReader reader(input);
            read_all("prefetched", reader, bytes);
        }));
    entrants.push_back(
        pass(file, "strata mapped, read once", Role::strata, [=](const auto& directory) {
            StrataReader reader(
                directory.open(DataFile::name, {.context = ReadContext::read_once}));
            read_all("read once", reader, bytes);
        }));
    entrants.push_back(pass(file, "pread, 8 KiB buffer", Role::peer, [&file](const auto&) {
        PreadReader reader(std::make_shared<const Descriptor>(file.path()), 8 << 10);
        read_all("pread", reader, file.bytes());
    }));
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

void random(Context& context, const DataFile& file, const std::string& name) {
    constexpr int reads = 500;
    Row row{
        .name = name, .title = "a block of 4 KiB at a random place of a cold file", .unit = "us"};
    std::vector<Entrant> entrants;
    const auto add = [&](const char* who, Role role, auto make, bool prefetch) {
        entrants.push_back(
            {who, role, [&file, who, make, prefetch] {
                 file.make_cold();
                 static std::uint64_t serial = 1;
                 const std::uint64_t seed = mix(serial++);
                 auto reader = make();
                 const Stopwatch watch;
                 if constexpr (std::is_same_v<decltype(reader), MappedInput>) {
                     for (int i = 0; prefetch && i < reads / 2; ++i) {
                         const auto place =
                             reduce(mix(seed + static_cast<std::uint64_t>(i)), file.bytes() / 4096);
                         reader.prefetch(place * 4096, 4096);
                     }
                 }
                 std::vector<std::byte> out(4096);
                 const int count = prefetch ? reads / 2 : reads;
                 for (int i = 0; i < count; ++i) {
                     const auto place =
                         reduce(mix(seed + static_cast<std::uint64_t>(i)), file.bytes() / 4096);
                     reader.seek(place * 4096);
                     reader.read(out);
                     check_sum(who, load_word(out.data()), mix(place * 512));
                 }
                 return static_cast<double>(watch.ns()) / 1e3 / count;
             }});
    };
    const auto open = [&file](ReadContext context_of_file) {
        return [&file, context_of_file] {
            return MappedDirectory(file.directory())
                .open(DataFile::name, {.context = context_of_file});
        };
    };
    add("strata mapped", Role::strata, open(ReadContext::normal), false);
    add("strata mapped, look-up", Role::strata, open(ReadContext::look_up), false);
    add("strata mapped, look-up, prefetched", Role::strata, open(ReadContext::look_up), true);
    add(
        "pread, 4 KiB", Role::peer,
        [&file] { return PreadReader(std::make_shared<const Descriptor>(file.path()), 4096); },
        false);
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

}  // namespace

void run_mapped_cold(Context& context) {
    if (!context.wants("mapped/cold")) {
        return;
    }
    const DataFile file(context, context.quick() ? 256_MiB : 1_GiB);
    if (context.wants("mapped/cold/sequential"))
        sequential(context, file, "mapped/cold/sequential");
    if (context.wants("mapped/cold/random")) random(context, file, "mapped/cold/random");
}

}  // namespace strata::bench
