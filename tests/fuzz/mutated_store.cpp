// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/mutated_store.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "ipc/files/store_files.hpp"
#include "ipc/format/checksum.hpp"
#include "ipc/format/layer_block.hpp"
#include "ipc/format/layout.hpp"
#include "tests/fuzz/input_reader.hpp"

namespace strata::fuzz {

namespace {

[[noreturn]] void fail_errno(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

class OpenFile {
public:
    OpenFile(const std::filesystem::path& path, int flags, mode_t mode = 0)
        : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {
        if (fd_ < 0) fail_errno("open " + path.string());
    }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    ~OpenFile() { ::close(fd_); }

    void write(std::string_view bytes, std::uint64_t offset) const {
        if (::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)) !=
            static_cast<ssize_t>(bytes.size())) {
            fail_errno("pwrite");
        }
    }
    void resize(std::uint64_t bytes) const {
        if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) fail_errno("ftruncate");
    }
    int get() const noexcept { return fd_; }

private:
    int fd_;
};

std::uint64_t word_at(const std::string& bytes, std::uint64_t offset) {
    std::uint64_t word = 0;
    if (offset + 8 <= bytes.size()) std::memcpy(&word, bytes.data() + offset, 8);
    return word;
}

/// Gives the record at `offset` the checksum of what it says; false if it does not fit.
template <class Record>
bool repaired(const std::string& bytes, std::uint64_t offset, std::uint64_t& checksum) {
    if (offset > bytes.size() || bytes.size() - offset < sizeof(Record)) return false;
    Record record;
    std::memcpy(&record, bytes.data() + offset, sizeof(record));
    checksum = ipc::record_checksum(record);
    return true;
}

}  // namespace

MutatedStores::MutatedStores(std::vector<StoreImage> images, Areas areas) {
    const char* const parent = std::getenv("STRATA_FUZZ_BASE");
    std::string pattern =
        std::string(parent != nullptr ? parent : "/dev/shm") + "/strata-fuzz.XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) fail_errno("mkdtemp " + pattern);
    base_ = pattern;
    for (StoreImage& image : images) {
        Store store{.image = std::move(image), .places = {}, .files = {}};
        for (const Place& place : store.image.places) {
            if ((static_cast<Areas>(place.area) & areas) != 0) store.places.push_back(place);
        }
        if (store.places.empty()) continue;
        for (const StoreImage::File& file : store.image.files) {
            store.files.push_back({.bytes = file.bytes, .dirty = {}});
        }
        stores_.push_back(std::move(store));
        current_ = &stores_.back();
        recreate();
    }
    if (stores_.empty()) throw std::runtime_error("no image has a place to change");
}

MutatedStores::~MutatedStores() {
    std::error_code ignored;
    std::filesystem::remove_all(base_, ignored);
}

std::filesystem::path MutatedStores::path_of(const Store& store, std::size_t file) const {
    return base_ / store.image.name / store.image.files[file].name;
}

void MutatedStores::write_whole(const Store& store, std::size_t file) const {
    const StoreImage::File& image = store.image.files[file];
    const bool lock = image.name == ipc::lock_file_name;
    const OpenFile out(path_of(store, file), O_WRONLY | O_CREAT,
                       lock ? ipc::lock_file_mode : ipc::file_mode);
    out.resize(image.bytes.size());
    out.write(image.bytes, 0);
}

void MutatedStores::recreate() {
    const std::filesystem::path directory = base_ / current_->image.name;
    std::filesystem::remove_all(directory);
    std::filesystem::create_directory(directory);
    for (std::size_t i = 0; i < current_->files.size(); ++i) {
        write_whole(*current_, i);
        current_->files[i] = {.bytes = current_->image.files[i].bytes, .dirty = {}};
    }
}

void MutatedStores::undo() {
    for (std::size_t i = 0; i < current_->files.size(); ++i) {
        File& file = current_->files[i];
        const std::string& sound = current_->image.files[i].bytes;
        if (file.resized || file.removed) {
            write_whole(*current_, i);
            file.bytes = sound;
        } else if (!file.dirty.empty()) {
            const OpenFile out(path_of(*current_, i), O_WRONLY);
            for (const auto& [offset, size] : file.dirty) {
                out.write(std::string_view(sound).substr(offset, size), offset);
                file.bytes.replace(offset, size, sound, offset, size);
            }
        }
        file.dirty.clear();
        file.resized = false;
        file.removed = false;
    }
}

void MutatedStores::write_word(Store& store, std::size_t file, std::uint64_t offset,
                               std::uint64_t word, std::size_t bytes) {
    File& target = store.files[file];
    if (offset > target.bytes.size() || target.bytes.size() - offset < bytes) return;
    std::memcpy(target.bytes.data() + offset, &word, bytes);
    target.dirty.emplace_back(offset, bytes);
}

void MutatedStores::change(Store& store, InputReader& input) {
    const auto what = input.take<std::uint8_t>();
    const Place& place = store.places[input.take<std::uint16_t>() % store.places.size()];
    File& file = store.files[place.file];
    const std::uint64_t old = word_at(file.bytes, place.offset);
    const auto set = [&](std::uint64_t word) { write_word(store, place.file, place.offset, word); };
    switch (what % 14) {
        case 0:
            write_word(store, place.file, place.offset + (what >> 5), input.take<std::uint8_t>(),
                       1);
            break;
        case 1:
            write_word(store, place.file, place.offset + ((what >> 7) & 1U) * 4,
                       input.take<std::uint32_t>(), 4);
            break;
        case 2: set(input.take<std::uint64_t>()); break;
        case 3:
            set(old + static_cast<std::uint64_t>(std::int64_t{input.take<std::int8_t>()}));
            break;
        case 4:  // another offset
            set(old + static_cast<std::uint64_t>(std::int64_t{input.take<std::int16_t>()}) * 16);
            break;
        case 5: {  // what stands elsewhere
            const Place& from = store.places[input.take<std::uint16_t>() % store.places.size()];
            set(word_at(store.files[from.file].bytes, from.offset));
            break;
        }
        case 6: set((old & ~std::uint64_t{63}) | (input.take<std::uint8_t>() & 63U)); break;
        case 7: {  // the block that it stands in, or another one: cycles, shared nodes
            const Place& to = store.places[input.take<std::uint16_t>() % store.places.size()];
            const std::uint64_t block = (what & 128U) != 0 ? place.block : to.block;
            set((old & ~ipc::entry_offset_mask) | block);
            break;
        }
        case 8: {
            file.bytes.resize(input.take<std::uint32_t>() % (file.bytes.size() * 2 + 1));
            file.resized = true;
            break;
        }
        case 9: {
            const std::uint64_t size = file.bytes.size();
            const std::uint64_t numbers[] = {0,
                                             1,
                                             ~std::uint64_t{0},
                                             size,
                                             size - 64,
                                             size - 8,
                                             4096,
                                             4095,
                                             std::uint64_t{1} << 63,
                                             std::uint64_t{1} << 40,
                                             0xFFFF'FFFF,
                                             size / 64,
                                             ipc::entry_offset_mask | 2,
                                             ipc::entry_offset_mask | 3,
                                             ((size - 64) & ipc::entry_offset_mask) | 1,
                                             0xFFFF'FF00'0000'0000 | (old & ~(0xFFFF'FFULL << 40))};
            set(numbers[input.take<std::uint8_t>() % std::size(numbers)]);
            break;
        }
        case 10:  // the size in an entry word
            set((old & 0xFF'FFFF'FFFF) | (std::uint64_t{input.take<std::uint32_t>()} << 40));
            break;
        case 11: {
            const auto offset = input.take<std::uint32_t>();
            write_word(store, place.file, offset, input.take<std::uint64_t>());
            break;
        }
        case 12: set(old ^ (std::uint64_t{1} << (input.take<std::uint8_t>() & 63U))); break;
        default:
            if (input.take<std::uint8_t>() == 0) file.removed = true;
    }
}

void MutatedStores::repair(Store& store, bool records, bool layers) {
    for (const Place& place : store.image.places) {
        const std::string& bytes = store.files[place.file].bytes;
        if (place.offset != place.block || (!layers && place.area == Area::layer)) continue;
        std::uint64_t checksum = 0;
        std::uint64_t at = place.offset + 120;
        bool known = false;
        switch (place.area) {
            case Area::identity: known = repaired<ipc::ControlIdentity>(bytes, 0, checksum); break;
            case Area::root:
                known = repaired<ipc::RootRecord>(bytes, place.offset, checksum);
                at = place.offset + offsetof(ipc::RootRecord, checksum);
                break;
            case Area::record:
                known = repaired<ipc::DimensionRecord>(bytes, place.offset, checksum);
                break;
            case Area::region_header:
                known = repaired<ipc::RegionHeader>(bytes, 0, checksum);
                break;
            case Area::layer: {
                const std::uint64_t prefix = place.offset - sizeof(ipc::LayerPrefix);
                if (place.offset < sizeof(ipc::LayerPrefix) ||
                    place.offset + sizeof(ipc::LayerHeader) > bytes.size()) {
                    break;
                }
                const ipc::LayerBlock block(reinterpret_cast<const std::byte*>(bytes.data()) +
                                            place.offset);
                const auto shape = block.shape_within(bytes.size() - place.offset);
                if (!shape) break;
                const std::uint64_t whole = block.computed_checksum(*shape);
                at = place.offset + offsetof(ipc::LayerHeader, stamp);
                checksum = block.header().generation() << 24 | (whole & 0xFF'FFFF);
                if (shape->payload_bytes >= ipc::prefixed_payload_bytes &&
                    block.kept_checksum() != whole) {
                    write_word(store, place.file, prefix + offsetof(ipc::LayerPrefix, checksum),
                               whole);
                }
                known = true;
                break;
            }
            default: break;
        }
        if (known && (records || place.area == Area::layer) && word_at(bytes, at) != checksum) {
            write_word(store, place.file, at, checksum);
        }
    }
}

const StoreImage& MutatedStores::apply(std::span<const std::uint8_t> bytes) {
    InputReader input(bytes);
    const auto flags = input.take<std::uint8_t>();
    Store& store = stores_[(flags & 15U) % stores_.size()];
    current_ = &store;
    constexpr int most = 64;
    for (int i = 0; i < most && !input.empty(); ++i) {
        change(store, input);
    }
    repair(store, (flags & 16U) != 0, (flags & 32U) != 0);
    for (std::size_t i = 0; i < store.files.size(); ++i) {
        File& file = store.files[i];
        if (file.removed) {
            std::filesystem::remove(path_of(store, i));
        } else if (file.resized || !file.dirty.empty()) {
            const OpenFile out(path_of(store, i), O_WRONLY);
            if (file.resized) {
                out.resize(file.bytes.size());
                out.write(file.bytes, 0);
            }
            std::erase_if(file.dirty, [&](const auto& range) {
                return range.first + range.second > file.bytes.size();
            });
            for (const auto& [offset, size] : file.dirty) {
                out.write(std::string_view(file.bytes).substr(offset, size), offset);
            }
        }
    }
    return store.image;
}

}  // namespace strata::fuzz
