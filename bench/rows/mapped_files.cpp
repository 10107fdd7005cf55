// SPDX-License-Identifier: Apache-2.0
// Mapped files as wholes: clones, memory, views, and files that are not in memory yet.
#include <malloc.h>
#include <memory>

#include "bench/harness/clock.hpp"
#include "bench/harness/workload.hpp"
#include "bench/peers/file_readers.hpp"
#include "bench/rows/data_file.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

/// ns of one run of `action`, over a round.
template <class Action>
std::function<double()> timed(const Context& context, Action action) {
    return [&context, action] {
        std::uint64_t done = 0;
        const CpuStopwatch watch;
        do {
            for (int i = 0; i < 64; ++i) {
                action();
            }
            done += 64;
        } while (watch.seconds() < context.round_seconds());
        return static_cast<double>(watch.ns()) / static_cast<double>(done);
    };
}

void clones(Context& context, const DataFile& file, const std::string& name) {
    Row row{
        .name = name, .title = "one more reader of a file, its first 8 bytes, gone", .unit = "ns"};
    row.at_least(100, "opened again", "strata clone");
    row.at_least(10, "shared descriptor, 1 KiB buffer", "strata clone");
    const MappedDirectory directory(file.directory());
    const MappedInput input = directory.open(DataFile::name);
    const auto descriptor = std::make_shared<const Descriptor>(file.path());
    const auto check = [](std::uint64_t word) { check_sum("a new reader", word, mix(0)); };
    std::vector<Entrant> entrants;
    entrants.push_back({"strata clone", Role::strata,
                        timed(context, [&] { check(input.clone().read_u64_le()); })});
    entrants.push_back({"strata slice", Role::strata, timed(context, [&] {
                            check(input.slice("part", 0, 1000).read_u64_le());
                        })});
    entrants.push_back({"strata opened again, shared mapping", Role::strata, timed(context, [&] {
                            check(directory.open(DataFile::name).read_u64_le());
                        })});
    entrants.push_back({"opened again", Role::peer, timed(context, [&] {
                            const MappedDirectory own(file.directory());
                            check(own.open(DataFile::name).read_u64_le());
                        })});
    entrants.push_back(
        {"opened again by open, pread, close", Role::peer, timed(context, [&] {
             check(PreadReader(std::make_shared<const Descriptor>(file.path()), 1024).u64());
         })});
    entrants.push_back({"shared descriptor, 1 KiB buffer", Role::peer,
                        timed(context, [&] { check(PreadReader(descriptor, 1024).u64()); })});
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

void thousand(Context& context, const DataFile& file, const std::string& name) {
    Row row{
        .name = name, .title = "1,000 clones, all there at once, each reads 8 bytes", .unit = "ms"};
    row.at_most(22, "strata clone");
    const MappedInput input = MappedDirectory(file.directory()).open(DataFile::name);
    std::vector<Entrant> entrants;
    entrants.push_back({"strata clone", Role::strata, [&] {
                            const CpuStopwatch watch;
                            std::vector<MappedInput> all;
                            for (std::uint64_t i = 0; i < 1000; ++i) {
                                all.push_back(input.clone());
                                all.back().seek(i * 8);
                                check_sum("clone", all.back().read_u64_le(), mix(i));
                            }
                            all.clear();
                            return watch.seconds() * 1e3;
                        }});
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

void memory(Context& context, const DataFile& file, const std::string& name) {
    Row row{.name = name, .title = "heap of one open file of 1 GiB", .unit = "KiB"};
    row.at_most(8, "strata mapped");
    std::filesystem::resize_file(file.path(), 1_GiB);
    constexpr int files = 64;
    for (int i = 0; i < files; ++i) {
        std::filesystem::create_hard_link(file.path(), file.directory() / std::to_string(i));
    }
    std::vector<Entrant> entrants;
    entrants.push_back({"strata mapped", Role::strata, [&] {
                            std::vector<MappedInput> open;
                            open.reserve(files);
                            // One file, so each gets a directory of its own: else they would share.
                            std::vector<MappedDirectory> own;
                            own.reserve(files);
                            const std::size_t before = ::mallinfo2().uordblks;
                            for (int i = 0; i < files; ++i) {
                                own.emplace_back(file.directory());
                                open.push_back(own.back().open(std::to_string(i)));
                            }
                            const std::size_t after = ::mallinfo2().uordblks;
                            return static_cast<double>(after - before) / files / 1024;
                        }});
    run_rounds(context, row, entrants);
    row.notes.push_back("each in a directory object of its own, which is counted in");
    context.finish(std::move(row));
    for (int i = 0; i < files; ++i) {
        std::filesystem::remove(file.directory() / std::to_string(i));
    }
    std::filesystem::resize_file(file.path(), file.bytes());
}

std::uint64_t sum_of(std::span<const std::byte> bytes) noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 8) {
        sum += load_word(bytes.data() + i);
    }
    return sum;
}

void views(Context& context, const DataFile& file, const std::string& name) {
    Row row{.name = name,
            .title = "all words of a file of 256 MiB, summed in place",
            .unit = "GB/s",
            .more_is_better = true};
    row.at_least(0.95, "strata view", "private memory");
    const std::uint64_t part = std::min<std::uint64_t>(256_MiB, file.bytes());
    const MappedInput input =
        MappedDirectory(file.directory()).open(DataFile::name, {.preload = true});
    std::vector<std::byte> copy(part);
    input.read_at(0, copy);
    const std::uint64_t expected = sum_of(copy);
    const auto entrant = [&](const char* who, Role role, auto sum) {
        return Entrant{who, role, [&, who, sum] {
                           std::uint64_t passes = 0;
                           const CpuStopwatch watch;
                           do {
                               check_sum(who, sum(), expected);
                               ++passes;
                           } while (watch.seconds() < context.round_seconds());
                           return static_cast<double>(passes * part) /
                                  static_cast<double>(watch.ns());
                       }};
    };
    std::vector<Entrant> entrants;
    entrants.push_back(entrant("strata view", Role::strata, [&] {
        const FileView view = input.view(0, part);
        return sum_of(view.bytes());
    }));
    entrants.push_back(entrant("strata views of 4 KiB", Role::strata, [&] {
        std::uint64_t sum = 0;
        for (std::uint64_t at = 0; at < part; at += 4096) {
            const FileView view = input.view(at, 4096);
            sum += sum_of(view.bytes());
        }
        return sum;
    }));
    entrants.push_back(entrant("private memory", Role::ceiling, [&] { return sum_of(copy); }));
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

}  // namespace

void run_mapped(Context& context) {
    run_mapped_reads(context);
    if (context.wants("mapped/clone") || context.wants("mapped/clones") ||
        context.wants("mapped/memory") || context.wants("mapped/view")) {
        const DataFile file(context, 256_MiB);
        if (context.wants("mapped/clone")) clones(context, file, "mapped/clone");
        if (context.wants("mapped/clones")) thousand(context, file, "mapped/clones/1000");
        if (context.wants("mapped/memory")) memory(context, file, "mapped/memory");
        if (context.wants("mapped/view")) views(context, file, "mapped/view");
    }
    run_mapped_cold(context);
}

}  // namespace strata::bench
