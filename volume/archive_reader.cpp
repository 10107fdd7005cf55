// SPDX-License-Identifier: Apache-2.0
#include "ipc/failure.hpp"
#include "volume/archive_files.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

struct ArchiveReader::State : volume_impl::OpenArchive {};

ArchiveReader ArchiveReader::open(const std::filesystem::path& directory) {
    return ArchiveReader(std::make_unique<State>(State{volume_impl::OpenArchive::open(directory)}));
}

ArchiveReader::ArchiveReader(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
ArchiveReader::ArchiveReader(ArchiveReader&&) noexcept = default;
ArchiveReader& ArchiveReader::operator=(ArchiveReader&&) noexcept = default;
ArchiveReader::~ArchiveReader() = default;

const ArchiveIndex& ArchiveReader::index() const noexcept {
    return ipc::part_of(state_, "ArchiveReader").index;
}
const std::filesystem::path& ArchiveReader::path() const noexcept {
    return ipc::part_of(state_, "ArchiveReader").files.path();
}

void ArchiveReader::read(const ArchivedLayer& layer, std::span<std::byte> out) const {
    if (out.size() != layer.content_size) {
        ipc::fail(Errc::invalid_argument, "read archive", path().string(),
                  "room for " + std::to_string(out.size()) + " bytes, layer " +
                      std::to_string(layer.layer) + " has " + std::to_string(layer.content_size));
    }
    ipc::part_of(state_, "ArchiveReader").files.read_layer(layer, out);
}

std::vector<std::byte> ArchiveReader::read(const ArchivedLayer& layer) const {
    std::vector<std::byte> content(static_cast<std::size_t>(layer.content_size));
    read(layer, content);
    return content;
}

void ArchiveReader::verify(const ArchivedLayer& layer) const {
    ipc::part_of(state_, "ArchiveReader").files.read_layer(layer, {});
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
