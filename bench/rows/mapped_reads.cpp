// SPDX-License-Identifier: Apache-2.0
// Files in the page cache, read in sequence and at random, by every way there is.
#include <cstdlib>
#include <memory>

#include "bench/harness/clock.hpp"
#include "bench/harness/workload.hpp"
#include "bench/peers/file_readers.hpp"
#include "bench/rows/data_file.hpp"
#include "bench/rows/groups.hpp"

namespace strata::bench {

namespace {

constexpr const char* ours = "strata mapped";
constexpr const char* pread_8k = "pread, 8 KiB buffer";

/// Sum of the words at [offset, offset + bytes) of a DataFile.
std::uint64_t words_sum(std::uint64_t offset, std::uint64_t bytes) noexcept {
    std::uint64_t sum = 0;
    for (std::uint64_t i = offset / 8; i < (offset + bytes) / 8; ++i) {
        sum += mix(i);
    }
    return sum;
}

std::uint64_t word_in(const std::byte* at) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
}

/// Where it stands within its page, a target makes copies up to twice as slow: the same for all.
class PageAligned {
public:
    explicit PageAligned(std::size_t bytes)
        : memory_(static_cast<std::byte*>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096)),
                  &std::free),
          bytes_(bytes) {
        std::memset(memory_.get(), 0, bytes);
    }
    std::span<std::byte> bytes() const noexcept { return {memory_.get(), bytes_}; }

private:
    std::unique_ptr<std::byte, void (*)(void*)> memory_;
    std::size_t bytes_;
};

/// The first and last words of all blocks.
struct Blocks {
    std::size_t bytes;
    std::uint64_t expected(std::uint64_t part) const {
        std::uint64_t sum = 0;
        for (std::uint64_t at = 0; at < part; at += bytes) {
            sum += mix(at / 8) + mix((at + bytes) / 8 - 1);
        }
        return sum;
    }
    template <class Reader>
    std::uint64_t operator()(Reader& reader, std::uint64_t part) const {
        std::uint64_t sum = 0;
        const PageAligned out(bytes);
        for (std::uint64_t done = 0; done < part; done += bytes) {
            reader.read(out.bytes());
            sum += word_in(out.bytes().data()) + word_in(out.bytes().data() + bytes - 8);
        }
        return sum;
    }
};

struct Words {
    std::uint64_t expected(std::uint64_t part) const { return words_sum(0, part); }
    template <class Reader>
    std::uint64_t operator()(Reader& reader, std::uint64_t part) const {
        std::uint64_t sum = 0;
        for (std::uint64_t done = 0; done < part; done += 8) {
            sum += reader.u64();
        }
        return sum;
    }
};

struct Bytes {
    std::uint64_t expected(std::uint64_t part) const {
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < part / 8; ++i) {
            for (std::uint64_t word = mix(i); word != 0; word >>= 8) {
                sum += word & 0xFF;
            }
        }
        return sum;
    }
    template <class Reader>
    std::uint64_t operator()(Reader& reader, std::uint64_t part) const {
        std::uint64_t sum = 0;
        for (std::uint64_t done = 0; done < part; ++done) {
            sum += reader.u8();
        }
        return sum;
    }
};

/// Thread CPU time throughout. Calls f(name, role, make) for each way; make() gives a fresh reader.
template <class Use>
void each_way(const DataFile& file, bool preload, Use use) {
    const auto directory = std::make_shared<const MappedDirectory>(file.directory());
    use(ours, Role::strata,
        [=] { return StrataReader(directory->open(DataFile::name, {.preload = preload})); });
    const auto descriptor = std::make_shared<const Descriptor>(file.path());
    for (const std::size_t kib : {1U, 8U, 64U}) {
        use("pread, " + std::to_string(kib) + " KiB buffer", Role::peer,
            [=] { return PreadReader(descriptor, kib << 10); });
    }
    use("pread, 8 KiB a call", Role::peer,
        [=] { return PreadReader(descriptor, 8 << 10, 8 << 10); });
    const auto path = file.path();
    use("strata buffered, 8 KiB", Role::strata, [directory = BufferedDirectory(file.directory())] {
        return StrataReader(directory.open(DataFile::name));
    });
    use("fread", Role::peer, [=] { return FreadReader(path); });
    use("std::ifstream", Role::peer, [=] { return IfstreamReader(path); });
    use("Boost.Interprocess mapped_region", Role::ceiling, [=] { return BoostMappedReader(path); });
}

template <class Pass>
void sequential(Context& context, const DataFile& file, const std::string& name, const char* what,
                Pass pass, std::uint64_t part, double limit, bool opened_each_time = false) {
    if (!context.wants(name)) {
        return;
    }
    part = std::min(part, file.bytes());
    const std::uint64_t expected = pass.expected(part);
    Row row{.name = name, .title = what, .unit = "MB/s", .more_is_better = true};
    if (limit > 0) {
        row.at_least(limit, ours, pread_8k);
    }
    std::vector<Entrant> entrants;
    each_way(file, !opened_each_time, [&](const std::string& who, Role role, auto make) {
        using Reader = decltype(make());
        auto reader = std::make_shared<std::unique_ptr<Reader>>();
        entrants.push_back({who, role, [=, &context] {
                                const CpuStopwatch watch;
                                std::uint64_t passes = 0;
                                do {
                                    if (!*reader || opened_each_time) {
                                        *reader = std::make_unique<Reader>(make());
                                    }
                                    (*reader)->seek(0);
                                    check_sum(who, pass(**reader, part), expected);
                                    ++passes;
                                } while (watch.seconds() < context.round_seconds());
                                return static_cast<double>(passes * part) / watch.seconds() / 1e6;
                            }});
    });
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

void random(Context& context, const DataFile& file, const std::string& name, std::size_t size,
            double limit) {
    if (!context.wants(name)) {
        return;
    }
    Row row{.name = name,
            .title = "blocks of " + std::to_string(size) + " bytes at random places",
            .unit = "ns"};
    row.at_least(limit, pread_8k, ours);
    std::vector<Entrant> entrants;
    each_way(file, true, [&](const std::string& who, Role role, auto make) {
        using Reader = decltype(make());
        auto reader = std::make_shared<std::unique_ptr<Reader>>();
        entrants.push_back({who, role, [=, &context, &file] {
                                if (!*reader) {
                                    *reader = std::make_unique<Reader>(make());
                                }
                                static std::uint64_t serial = 0;
                                const PageAligned aligned(size);
                                const std::span<std::byte> out = aligned.bytes();
                                const std::uint64_t places = (file.bytes() - size) / 8;
                                std::uint64_t reads = 0;
                                std::uint64_t sum = 0;
                                std::uint64_t expected = 0;
                                const CpuStopwatch watch;
                                do {
                                    for (int i = 0; i < 256; ++i) {
                                        const std::uint64_t word = reduce(mix(serial++), places);
                                        (*reader)->seek(word * 8);
                                        (*reader)->read(out);
                                        sum += word_in(out.data()) ^ word_in(out.data() + size - 8);
                                        expected += mix(word) ^ mix(word + size / 8 - 1);
                                    }
                                    reads += 256;
                                } while (watch.seconds() < context.round_seconds());
                                const double ns =
                                    static_cast<double>(watch.ns()) / static_cast<double>(reads);
                                check_sum(who, sum, expected);
                                return ns;
                            }});
    });
    run_rounds(context, row, entrants);
    context.finish(std::move(row));
}

}  // namespace

void run_mapped_reads(Context& context) {
    if (!context.wants("mapped/sequential") && !context.wants("mapped/random")) {
        return;
    }
    const DataFile file(context, context.quick() ? 256_MiB : 1_GiB);
    // Read from the disk as a server would read it at its start, not as it was left by the writer:
    // the kernel takes larger pages then.
    file.make_cold();
    (void)MappedDirectory(file.directory()).open(DataFile::name, {.preload = true});
    const std::uint64_t part = 256_MiB;
    sequential(context, file, "mapped/sequential/1m", "cached file, blocks of 1 MiB",
               Blocks{1 << 20}, part, 1.2);
    sequential(context, file, "mapped/sequential/4k", "cached file, blocks of 4 KiB", Blocks{4096},
               part, 1.9);
    sequential(context, file, "mapped/sequential/u64", "cached file, 64-bit numbers", Words{},
               64_MiB, 1.9);
    sequential(context, file, "mapped/sequential/u8", "cached file, byte by byte", Bytes{}, 16_MiB,
               1.0);
    sequential(context, file, "mapped/sequential/opened", "cached file, opened anew for each pass",
               Blocks{4096}, part, 0, true);
    random(context, file, "mapped/random/64", 64, 20);
    random(context, file, "mapped/random/4k", 4096, 2.8);
    random(context, file, "mapped/random/16k", 16 << 10, 1.6);
}

}  // namespace strata::bench
