// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/store_image.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string_view>

#include "ipc/files/store_files.hpp"
#include "ipc/format/layer_block.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/index/view.hpp"

namespace strata::fuzz {

namespace {

std::string contents_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path.string());
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

template <class T>
T value_at(std::string_view bytes, std::uint64_t offset) {
    T value;
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) {
        throw std::runtime_error("the image is cut off");
    }
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

// Walks the index of a sound store and collects the words of its nodes and leaves.
class PlaceFinder {
public:
    explicit PlaceFinder(StoreImage& image) : image_(image) {}

    void run() {
        control_ = file_called(ipc::control_file_name);
        range(control_, Area::identity, 0, sizeof(ipc::ControlIdentity), 0);
        range(control_, Area::cells, ipc::cells_offset, 24, 0);
        range(control_, Area::statistics, ipc::control_stats_offset, 176, 0);
        range(control_, Area::statistics, ipc::control_memory_offset, 160, 0);
        const std::string_view bytes = image_.files[control_].bytes;
        root(value_at<ipc::ControlCells>(bytes, ipc::cells_offset).root);
        for (std::uint64_t slot = 0; slot < ipc::history_slots; ++slot) {
            const std::uint64_t at = ipc::history_offset + slot * 8;
            if (const auto offset = value_at<std::uint64_t>(bytes, at); offset != 0) {
                range(control_, Area::history, at, 8, 0);
                root(offset);
            }
        }
    }

private:
    std::uint16_t file_called(const std::string& name) const {
        for (std::size_t i = 0; i < image_.files.size(); ++i) {
            if (image_.files[i].name == name) return static_cast<std::uint16_t>(i);
        }
        throw std::runtime_error("the image has no " + name);
    }

    void range(std::uint16_t file, Area area, std::uint64_t offset, std::uint64_t bytes,
               std::uint64_t block) {
        for (std::uint64_t at = offset; at < offset + bytes; at += 8) {
            if (seen_.insert({file, at}).second) {
                image_.places.push_back({file, area, at, block});
            }
        }
    }

    void root(std::uint64_t offset) {
        const auto record = value_at<ipc::RootRecord>(image_.files[control_].bytes, offset);
        range(control_, Area::root, offset, sizeof(record), offset);
        walk(control_, Area::directory, record.directory,
             [&](std::uint64_t at) { this->record(at); });
    }

    void record(std::uint64_t offset) {
        const auto record = value_at<ipc::DimensionRecord>(image_.files[control_].bytes, offset);
        range(control_, Area::record, offset, sizeof(record), offset);
        const std::uint16_t file = file_called(ipc::region_file_name(record.serial));
        range(file, Area::region_header, 0, sizeof(ipc::RegionHeader), 0);
        range(file, Area::statistics, ipc::region_memory_offset, 160, 0);
        walk(file, Area::index, record.index, [&](std::uint64_t at) { layer(file, at); });
    }

    void layer(std::uint16_t file, std::uint64_t offset) {
        const std::string& bytes = image_.files[file].bytes;
        const ipc::LayerBlock block(reinterpret_cast<const std::byte*>(bytes.data()) + offset);
        const auto shape = block.shape_within(bytes.size() - offset);
        if (!shape) throw std::runtime_error("the image is no sound store");
        const ipc::LayerHeader header = block.header();
        range(file, Area::layer, offset, sizeof(header), offset);
        if (shape->payload_bytes >= ipc::prefixed_payload_bytes) {
            const std::uint64_t prefix = offset - sizeof(ipc::LayerPrefix);
            range(file, Area::layer, prefix, sizeof(ipc::LayerPrefix), offset);
        }
        range(file, Area::payload, offset + sizeof(header), 8, offset);
        range(file, Area::metadata, offset + shape->tail_at(), shape->tail_bytes(), offset);
        const LayerId id{header.dimension, header.layer};
        if (std::find(image_.ids.begin(), image_.ids.end(), id) == image_.ids.end()) {
            image_.ids.push_back(id);
        }
    }

    template <class Leaf>
    void walk(std::uint16_t file, Area area, std::uint64_t entry, Leaf leaf) {
        const std::uint64_t offset = ipc::entry_offset(entry);
        switch (ipc::entry_kind(entry)) {
            case ipc::EntryKind::nothing: return;
            case ipc::EntryKind::layer: leaf(offset); return;
            case ipc::EntryKind::array_node:
            case ipc::EntryKind::bitmap_node: break;
        }
        const std::string_view bytes = image_.files[file].bytes;
        const bool array = ipc::entry_kind(entry) == ipc::EntryKind::array_node;
        const auto words = array ? 64 : 1 + std::popcount(value_at<std::uint64_t>(bytes, offset));
        for (int i = 0; i < words; ++i) {
            const std::uint64_t at = offset + 8 * static_cast<std::uint64_t>(i);
            const auto word = value_at<std::uint64_t>(bytes, at);
            if (i < 4 || word != 0) range(file, area, at, 8, offset);
            if (array || i > 0) walk(file, area, word, leaf);
        }
    }

    StoreImage& image_;
    std::uint16_t control_ = 0;
    std::set<std::pair<std::uint16_t, std::uint64_t>> seen_;
};

// The saved form: for each file a line "NAME SIZE SEGMENTS", for each segment of it a line "OFFSET
// BYTES" and the bytes.
constexpr std::uint64_t segment_unit = 64;

}  // namespace

void StoreImage::find_places() { PlaceFinder(*this).run(); }

StoreImage StoreImage::of_store(const std::filesystem::path& directory) {
    StoreImage image;
    image.name = directory.filename().string();
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        image.files.push_back({entry.path().filename().string(), contents_of(entry.path())});
    }
    std::sort(image.files.begin(), image.files.end(),
              [](const File& a, const File& b) { return a.name < b.name; });
    image.find_places();
    return image;
}

void StoreImage::save(const std::filesystem::path& file) const {
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    for (const File& each : files) {
        std::vector<std::pair<std::uint64_t, std::uint64_t>> segments;
        const std::string zeros(segment_unit, '\0');
        for (std::uint64_t at = 0; at < each.bytes.size(); at += segment_unit) {
            const std::string_view unit = std::string_view(each.bytes).substr(at, segment_unit);
            if (unit == std::string_view(zeros).substr(0, unit.size())) continue;
            if (!segments.empty() && segments.back().first + segments.back().second == at) {
                segments.back().second += unit.size();
            } else {
                segments.emplace_back(at, unit.size());
            }
        }
        out << each.name << ' ' << each.bytes.size() << ' ' << segments.size() << '\n';
        for (const auto& [offset, bytes] : segments) {
            out << offset << ' ' << bytes << '\n';
            out.write(each.bytes.data() + offset, static_cast<std::streamsize>(bytes));
            out << '\n';
        }
    }
    if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
}

StoreImage StoreImage::load(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    StoreImage image;
    image.name = path.stem().string();
    File file;
    std::uint64_t size = 0;
    std::size_t segments = 0;
    while (in >> file.name >> size >> segments) {
        file.bytes.assign(size, '\0');
        for (; segments > 0; --segments) {
            std::uint64_t offset = 0;
            std::uint64_t bytes = 0;
            in >> offset >> bytes;
            in.get();
            if (!in || offset > size || bytes > size - offset) {
                throw std::runtime_error(path.string() + " is no image of a store");
            }
            in.read(file.bytes.data() + offset, static_cast<std::streamsize>(bytes));
            in.get();
        }
        image.files.push_back(file);
    }
    if (image.files.empty()) throw std::runtime_error(path.string() + " is no image of a store");
    image.find_places();
    return image;
}

std::vector<StoreImage> load_images(const std::filesystem::path& folder) {
    std::vector<StoreImage> images;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        images.push_back(StoreImage::load(entry.path()));
    }
    std::sort(images.begin(), images.end(),
              [](const StoreImage& a, const StoreImage& b) { return a.name < b.name; });
    if (images.empty()) throw std::runtime_error("no images in " + folder.string());
    return images;
}

}  // namespace strata::fuzz
