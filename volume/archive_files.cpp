// SPDX-License-Identifier: Apache-2.0
#include "volume/archive_files.hpp"

#include <algorithm>
#include <cerrno>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ipc/failure.hpp"
#include "ipc/os/named_files.hpp"
#include "volume/archive_index.hpp"
#include "volume/failures.hpp"

namespace strata::volume_impl {

namespace os = ipc::os;

namespace {

constexpr std::string_view operation = "read archive";
constexpr std::size_t step_bytes = 256 << 10;
constexpr std::size_t least_populated_bytes = 16 << 10;

ipc::FileDescriptor open_part(const ipc::FileDescriptor& directory,
                              const std::filesystem::path& path, const char* name,
                              std::uint64_t& bytes) {
    auto file = os::open_read(directory.get(), name);
    if (!file) {
        fail_file(file.error, operation, path / name, "cannot be opened",
                  file.error == ELOOP ? "links are not followed" : "");
    }
    const auto status = os::status(file.value.get());
    if (!status) {
        fail_file(status.error, operation, path / name, "cannot be looked at");
    }
    if (!status.value.is_regular) {
        ipc::fail(Errc::not_trusted, operation, (path / name).string(), "is no regular file");
    }
    bytes = status.value.size_bytes;
    return std::move(file.value);
}

std::string range_text(const ArchivedLayer& layer) {
    return "layer " + std::to_string(layer.layer) + " (" + std::to_string(layer.size) +
           " bytes at " + std::to_string(layer.offset) + ")";
}

}  // namespace

ArchiveFiles::ArchiveFiles(std::filesystem::path directory) : path_(std::move(directory)) {
    // An archive may be exchanged for another one at any time: both files are of the directory that
    // was opened. If that one was replaced and its files removed in between, the new one is tried.
    constexpr int attempts = 3;
    for (int attempt = 1;; ++attempt) {
        const auto opened = os::open_directory(path_.string());
        if (!opened) {
            fail_file(opened.error, operation, path_, "cannot be opened");
        }
        try {
            index_ = open_part(opened.value, path_, index_name, index_bytes_);
            region_ = open_part(opened.value, path_, region_name, region_bytes_);
            return;
        } catch (const Error& error) {
            const auto status = os::status(opened.value.get());
            const bool replaced = status && status.value.links == 0;
            if (error.code() != Errc::file_not_found || !replaced || attempt == attempts) {
                throw;
            }
        }
    }
}

std::string ArchiveFiles::index_text() const {
    if (index_bytes_ > max_index_bytes) {
        fail_limit(operation, index_path(), "has " + std::to_string(index_bytes_) + " bytes",
                   index_bytes_, max_index_bytes, "an index has at most 2 GiB");
    }
    std::string text(static_cast<std::size_t>(index_bytes_), '\0');
    const auto done = os::read_up_to(index_.get(), text.data(), text.size(), 0);
    if (!done) {
        fail_file(done.error, operation, index_path(), "cannot be read");
    }
    text.resize(done.value);
    return text;
}

Sha256Digest ArchiveFiles::index_checksum() const { return sha256_of(index_text()); }

ArchiveIndex ArchiveFiles::read_index(Sha256Digest* checksum) {
    const std::string text = index_text();
    index_.reset();  // reading many archives would exhaust the descriptors
    if (checksum != nullptr) {
        *checksum = sha256_of(text);
    }
    ParsedIndex parsed = parse_index(text, index_path());
    const ArchiveIndex& index = parsed.index;
    if (parsed.layer_count != index.layers.size()) {
        fail_corrupt(operation, index_path(),
                     "says layer_count " + std::to_string(parsed.layer_count) + ", and lists " +
                         std::to_string(index.layers.size()));
    }
    std::uint64_t end = archive_header_bytes;
    std::unordered_set<std::uint64_t> numbers;
    numbers.reserve(index.layers.size());
    for (const ArchivedLayer& layer : index.layers) {
        if (layer.offset != end) {
            fail_corrupt(operation, index_path(),
                         range_text(layer) + " does not begin where the one before ends, at " +
                             std::to_string(end));
        }
        if (layer.size % archive_page_bytes != 0 || layer.size > index.total_size ||
            layer.size > index.total_size - end) {
            fail_corrupt(operation, index_path(),
                         range_text(layer) + " has no size in whole pages within total_size, " +
                             std::to_string(index.total_size));
        }
        if (layer.content_size > layer.size || padded(layer.content_size) != layer.size) {
            fail_corrupt(operation, index_path(),
                         range_text(layer) + " cannot have content_size " +
                             std::to_string(layer.content_size));
        }
        if (!numbers.insert(layer.layer).second) {
            fail_corrupt(operation, index_path(), range_text(layer) + " is listed twice");
        }
        end += layer.size;
    }
    if (end != index.total_size) {
        fail_corrupt(operation, index_path(),
                     "says total_size " + std::to_string(index.total_size) +
                         ", and its layers end at " + std::to_string(end));
    }
    return std::move(parsed.index);
}

ArchiveHeader ArchiveFiles::read_header() const {
    ArchiveHeaderBytes bytes{};
    const auto done = os::read_up_to(region_.get(), bytes.data(), bytes.size(), 0);
    if (!done) {
        fail_file(done.error, operation, region_path(), "cannot be read");
    }
    if (done.value < bytes.size()) {
        ipc::fail(Errc::truncated, operation, region_path().string(),
                  "has " + std::to_string(done.value) + " bytes, the header alone takes 256");
    }
    return decode(bytes, region_path());
}

void ArchiveFiles::compare(const ArchiveHeader& header, const ArchiveIndex& index) const {
    const auto differ = [&](const char* what, std::uint64_t ours, std::uint64_t theirs) {
        if (ours != theirs) {
            fail_corrupt(operation, region_path(),
                         std::string("says ") + what + " " + std::to_string(ours) +
                             ", and index.json " + std::to_string(theirs));
        }
    };
    differ("dimension", header.dimension, index.dimension);
    differ("layer count", header.layer_count, index.layers.size());
    differ("total size", header.total_size, index.total_size);
    if (region_bytes_ < header.total_size) {
        ipc::fail(Errc::truncated, operation, region_path().string(),
                  "has " + std::to_string(region_bytes_) + " bytes of " +
                      std::to_string(header.total_size));
    }
    if (region_bytes_ > header.total_size) {
        fail_corrupt(operation, region_path(),
                     "has " + std::to_string(region_bytes_) + " bytes, " +
                         std::to_string(region_bytes_ - header.total_size) +
                         " more than its header says");
    }
    if (header_checksum(header, index.layers) != header.checksum) {
        fail_corrupt(operation, region_path(),
                     "the header's checksum is not that of the header and of the checksums in "
                     "index.json");
    }
}

void ArchiveFiles::read_layer(const ArchivedLayer& layer, std::span<std::byte> out) const {
    thread_local std::vector<std::byte> buffer(step_bytes);
    thread_local Sha256 sha;
    const auto damaged = [&](const std::string& what) {
        sha.finish();  // starts over
        fail_corrupt(operation, region_path(), range_text(layer) + ": " + what);
    };
    for (std::uint64_t at = 0; at < layer.size;) {
        const bool content = at < layer.content_size;
        const auto wanted = static_cast<std::size_t>(
            std::min<std::uint64_t>((content ? layer.content_size : layer.size) - at, step_bytes));
        const std::span<std::byte> part = content && !out.empty()
                                              ? out.subspan(static_cast<std::size_t>(at), wanted)
                                              : std::span(buffer).first(wanted);
        // Of what is written for the first time a fault for each page would cost as much as
        // reading it. Only a hint.
        if (part.size() >= least_populated_bytes && part.data() != buffer.data()) {
            os::advise_mapping(part.data(), part.size(), os::Advice::populate_writable);
        }
        const auto done =
            os::read_up_to(region_.get(), part.data(), part.size(), layer.offset + at);
        if (!done) {
            sha.finish();
            fail_file(done.error, operation, region_path(), range_text(layer) + " cannot be read");
        }
        if (done.value < wanted) {
            sha.finish();
            ipc::fail(
                Errc::truncated, operation, region_path().string(),
                range_text(layer) + " ends at " + std::to_string(layer.offset + at + done.value));
        }
        if (!content && std::ranges::any_of(part, [](std::byte b) { return b != std::byte{0}; })) {
            damaged("the padding is not zero");
        }
        sha.update(part);
        at += wanted;
    }
    if (sha.finish() != layer.checksum) {
        fail_corrupt(operation, region_path(),
                     range_text(layer) + ": the bytes do not have the checksum in index.json");
    }
}

OpenArchive OpenArchive::open(const std::filesystem::path& directory) {
    ArchiveFiles files(directory);
    ArchiveIndex index = files.read_index();
    files.compare(files.read_header(), index);
    return {std::move(files), std::move(index)};
}

}  // namespace strata::volume_impl
