// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/directory_target.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include "tests/fuzz/input_reader.hpp"
#include "tests/fuzz/require.hpp"
#include <strata/buffered_directory.hpp>
#include <strata/mapped_directory.hpp>

namespace strata::fuzz {

namespace {

constexpr std::uint64_t chunk = 1 << 20;
constexpr std::uint64_t file_size = 3 * chunk + 123;

std::byte byte_at(std::uint64_t position) noexcept {
    std::uint64_t x = position * 0x9E3779B97F4A7C15ULL;
    x ^= x >> 29;
    return static_cast<std::byte>(x >> 7);
}

/// Seven bits a byte, the lowest first. Without a byte: it ends too soon, or has more than 64 bits.
struct Varint {
    std::uint64_t value = 0;
    std::uint64_t bytes = 0;
};

/// The plain oracle of one input: where its bytes begin in the file, how many, and the cursor.
struct Oracle {
    std::uint64_t begin = 0;
    std::uint64_t size = file_size;
    std::uint64_t position = 0;

    bool holds(std::uint64_t offset, std::uint64_t bytes) const noexcept {
        return offset <= size && bytes <= size - offset;
    }
    bool same(std::uint64_t offset, std::span<const std::byte> bytes) const noexcept {
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            if (bytes[i] != byte_at(begin + offset + i)) return false;
        }
        return true;
    }
    std::uint64_t number(std::uint64_t offset, std::size_t bytes, bool big) const noexcept {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i) {
            const std::size_t shift = 8 * (big ? bytes - 1 - i : i);
            value |= static_cast<std::uint64_t>(byte_at(begin + offset + i)) << shift;
        }
        return value;
    }
    Varint varint(std::uint64_t offset) const noexcept {
        std::uint64_t value = 0;
        for (std::uint64_t i = 0; i < 10 && offset + i < size; ++i) {
            const auto byte = std::to_integer<std::uint64_t>(byte_at(begin + offset + i));
            if (i == 9 && byte > 1) break;
            value |= (byte & 127) << 7 * i;
            if (byte < 128) return {value, i + 1};
        }
        return {};
    }
};

struct Pair {
    MappedInput input;
    Oracle oracle;
};

class Machine {
public:
    Machine() {
        const char* const parent = std::getenv("STRATA_FUZZ_BASE");
        std::string pattern =
            std::string(parent != nullptr ? parent : "/dev/shm") + "/strata-fuzz.XXXXXX";
        require(::mkdtemp(pattern.data()) != nullptr, "there is room for a file");
        path_ = pattern;
        const BufferedDirectory buffered(path_, {.buffer_bytes = 100});
        FileOutput out = buffered.create("data");
        std::vector<std::byte> bytes(file_size);
        for (std::uint64_t i = 0; i < file_size; ++i) {
            bytes[i] = byte_at(i);
        }
        out.write(bytes);
        out.close();
        files_.push_back(MappedDirectory(path_, {.chunk_power = 20}).open("data"));
        files_.push_back(MappedDirectory(path_, {.group_files_up_to = 2 * file_size}).open("data"));
        files_.push_back(buffered.open("data"));
    }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    ~Machine() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    void run(std::span<const std::uint8_t> bytes) {
        InputReader reader(bytes);
        inputs_.clear();
        inputs_.push_back({files_[reader.take<std::uint8_t>() % files_.size()].clone(), {}});
        for (int steps = 0; !reader.empty() && steps < 200; ++steps) {
            step(reader);
        }
    }

private:
    /// Near a border of a chunk or of the input, anywhere, or hostile.
    static std::uint64_t place(InputReader& reader, const Oracle& oracle) {
        const auto kind = reader.take<std::uint8_t>();
        switch (kind % 5) {
            case 0: return reader.take<std::uint16_t>();
            case 1: return kind / 5 % 4 * chunk - oracle.begin + reader.take<std::uint8_t>() - 128;
            case 2: return oracle.size + reader.take<std::uint8_t>() - 128;
            case 3: return reader.take<std::uint32_t>() % (file_size + 1);
            default: return reader.take<std::uint64_t>();
        }
    }

    void step(InputReader& reader) {
        const auto operation = reader.take<std::uint8_t>();
        Pair& pair = inputs_[operation / 16 % inputs_.size()];
        switch (operation % 11) {
            case 0: return seek(pair, place(reader, pair.oracle));
            case 1: return number(pair, reader.take<std::uint8_t>());
            case 2: return block(pair, reader.take<std::uint16_t>());
            case 3: {
                const std::uint64_t offset = place(reader, pair.oracle);
                return look(pair, offset, place(reader, pair.oracle));
            }
            case 4: return add({pair.input.clone(), pair.oracle});
            case 5: {
                const std::uint64_t offset = place(reader, pair.oracle);
                return slice(pair, offset, place(reader, pair.oracle));
            }
            case 6: return whole(pair, place(reader, pair.oracle));
            case 7: return some(pair, reader.take<std::uint16_t>());
            case 8: return varint(pair);
            case 9: return text(pair);
            default:
                return positioned(pair, place(reader, pair.oracle), reader.take<std::uint16_t>());
        }
    }

    static void cursor(const Pair& pair) {
        require(pair.input.position() == pair.oracle.position, "the cursor is where it should be");
        require(pair.input.size() == pair.oracle.size, "the size does not change");
        require(pair.input.remaining() == pair.oracle.size - pair.oracle.position,
                "what remains is what is behind the cursor");
    }
    static void seek(Pair& pair, std::uint64_t to) {
        const bool done = typed([&] { pair.input.seek(to); });
        require(done == (to <= pair.oracle.size), "seeking works inside, and only there");
        pair.oracle.position = done ? to : pair.oracle.position;
        cursor(pair);
    }
    static void number(Pair& pair, std::uint8_t kind) {
        constexpr std::size_t sizes[] = {1, 2, 4, 8};
        const std::size_t size = sizes[kind % 4];
        const bool big = kind % 8 >= 4;
        std::uint64_t value = 0;
        const bool done = typed([&] {
            MappedInput& in = pair.input;
            switch (size) {
                case 1: value = in.read_u8(); break;
                case 2: value = big ? in.read_u16_be() : in.read_u16_le(); break;
                case 4: value = big ? in.read_u32_be() : in.read_u32_le(); break;
                default: value = big ? in.read_u64_be() : in.read_u64_le();
            }
        });
        require(done == pair.oracle.holds(pair.oracle.position, size),
                "numbers end with the input");
        if (done) {
            require(value == pair.oracle.number(pair.oracle.position, size, big), "numbers");
            pair.oracle.position += size;
        }
        cursor(pair);
    }
    static void varint(Pair& pair) {
        std::uint64_t value = 0;
        const bool done = typed([&] { value = pair.input.read_varint(); });
        const Varint expected = pair.oracle.varint(pair.oracle.position);
        require(done == (expected.bytes > 0), "numbers of varying length end where they should");
        require(!done || value == expected.value, "numbers of varying length");
        pair.oracle.position += expected.bytes;
        cursor(pair);
    }
    static void text(Pair& pair) {
        std::string value;
        const bool done = typed([&] { value = pair.input.read_string(); });
        const Varint size = pair.oracle.varint(pair.oracle.position);
        const std::uint64_t at = pair.oracle.position + size.bytes;
        require(done == (size.bytes > 0 && pair.oracle.holds(at, size.value)),
                "strings end with the input");
        if (done) {
            require(value.size() == size.value, "strings have their size");
            require(pair.oracle.same(at, std::as_bytes(std::span(value))), "strings");
            pair.oracle.position = at + size.value;
        }
        cursor(pair);
    }
    static void block(Pair& pair, std::size_t size) {
        std::vector<std::byte> out(size);
        const bool done = typed([&] { pair.input.read(out); });
        require(done == pair.oracle.holds(pair.oracle.position, size), "blocks end with the input");
        if (done) {
            require(pair.oracle.same(pair.oracle.position, out), "blocks");
            pair.oracle.position += size;
        }
        cursor(pair);
    }
    static void some(Pair& pair, std::size_t size) {
        std::vector<std::byte> out(size);
        const std::size_t got = pair.input.read_some(out);
        require(got == std::min<std::uint64_t>(size, pair.oracle.size - pair.oracle.position),
                "read_some ends with the input");
        require(pair.oracle.same(pair.oracle.position, std::span(out).first(got)), "some bytes");
        pair.oracle.position += got;
        cursor(pair);
    }
    static void positioned(Pair& pair, std::uint64_t at, std::size_t size) {
        std::vector<std::byte> out(size);
        const bool done = typed([&] { pair.input.read_at(at, out); });
        require(done == pair.oracle.holds(at, size), "positioned reads stay inside");
        require(!done || pair.oracle.same(at, out), "positioned reads");
        cursor(pair);
    }
    static void look(const Pair& pair, std::uint64_t offset, std::uint64_t size) {
        FileView view;
        const bool done = typed([&] { view = pair.input.view(offset, size); });
        require(done == pair.oracle.holds(offset, size), "views stay inside");
        if (done) {
            require(view.size() == size, "views have their size");
            require(pair.oracle.same(offset, view.bytes().first(std::min<std::size_t>(size, 5000))),
                    "views, their beginning");
            require(pair.oracle.same(offset + size - std::min<std::uint64_t>(size, 100),
                                     view.bytes().last(std::min<std::size_t>(size, 100))),
                    "views, their end");
        }
        cursor(pair);
    }
    void slice(Pair& pair, std::uint64_t offset, std::uint64_t size) {
        Pair part;
        const bool done = typed([&] { part.input = pair.input.slice("part", offset, size); });
        require(done == pair.oracle.holds(offset, size), "slices stay inside");
        cursor(pair);
        if (done) {
            part.oracle = {.begin = pair.oracle.begin + offset, .size = size};
            cursor(part);
            add(std::move(part));
        }
    }
    static void whole(const Pair& pair, std::uint64_t size) {
        const bool inside = pair.oracle.holds(0, size);
        require(typed([&] { pair.input.preload(0, size); }) == inside, "preloads stay inside");
        require(typed([&] { (void)pair.input.prefetch(0, size); }) == inside,
                "prefetches stay inside");
        pair.input.check();
        require(pair.input.residency().bytes == pair.oracle.size, "residency is of the input");
    }
    void add(Pair pair) {
        if (inputs_.size() == 8) inputs_.erase(inputs_.begin());
        inputs_.push_back(std::move(pair));
    }

    std::filesystem::path path_;
    std::vector<MappedInput> files_;
    std::vector<Pair> inputs_;
};

}  // namespace

RunInput directory_input_target() {
    return [machine = std::make_shared<Machine>()](std::span<const std::uint8_t> input) {
        machine->run(input);
    };
}

}  // namespace strata::fuzz
