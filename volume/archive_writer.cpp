// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/format/layer_block.hpp"
#include "ipc/os/named_files.hpp"
#include "ipc/os/sync.hpp"
#include "strata/text_values.hpp"
#include "volume/archive_draft.hpp"
#include "volume/archive_files.hpp"
#include "volume/archive_folder.hpp"
#include "volume/archive_header.hpp"
#include "volume/archive_index.hpp"
#include "volume/failures.hpp"
#include "volume/sha256.hpp"
#include "volume/staged_directory.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;
namespace impl = volume_impl;

namespace {

constexpr std::string_view operation = "write archive";

}  // namespace

struct ArchiveWriter::State {
    static constexpr std::size_t buffer_bytes = 1 << 20;
    // Hashed and then written while it is in the caches.
    static constexpr std::size_t step_bytes = 256 << 10;
    // Then the disk is told to begin, so that it writes while the next bytes are hashed.
    static constexpr std::uint64_t writeback_bytes = 8 << 20;

    impl::StagedDirectory stage;
    ipc::FileDescriptor region;
    ArchiveIndex index;
    std::uint64_t max_bytes;
    bool replace;
    impl::Sha256 sha{};
    std::vector<std::byte> buffer{};      // not written yet
    std::uint64_t unannounced_bytes = 0;  // written since the disk was last told
    bool completed = false;
    bool broken = false;  // a write has failed, or it was published

    State(const std::filesystem::path& parent, Dimension dimension,
          const ArchiveWriterOptions& options)
        : stage(parent, archive_folder(dimension), operation),
          region(stage.create_file(impl::region_name)),
          index{.dimension = dimension,
                .dimension_name = options.dimension_name.empty()
                                      ? impl::default_dimension_name(dimension)
                                      : std::string(options.dimension_name),
                .created_at = std::string(options.created_at),
                .live_generation = options.live_generation},
          max_bytes(options.max_bytes),
          replace(options.replace) {
        buffer.reserve(buffer_bytes);
        put_zeros(impl::archive_header_bytes);  // the header comes last
    }

    void write(std::span<const std::byte> bytes) {
        const auto done = os::write_all(region.get(), bytes.data(), bytes.size());
        if (!done) {
            broken = true;
            impl::fail_file(done.error, operation, stage.target() / impl::region_name,
                            std::to_string(bytes.size() - done.value) + " bytes cannot be written");
        }
        unannounced_bytes += bytes.size();
        if (unannounced_bytes >= writeback_bytes) {
            os::start_writeback(region.get());
            unannounced_bytes = 0;
        }
    }
    void flush() {
        write(buffer);
        buffer.clear();
    }
    void put(std::span<const std::byte> bytes) {
        index.total_size += bytes.size();
        if (bytes.size() > buffer_bytes - buffer.size()) {
            flush();
            if (bytes.size() >= step_bytes) {
                write(bytes);
                return;
            }
        }
        buffer.insert(buffer.end(), bytes.begin(), bytes.end());
    }
    void put_zeros(std::size_t count) {
        static constexpr std::array<std::byte, impl::archive_page_bytes> zeros{};
        put(std::span(zeros).first(count));
    }

    void check_usable() const {
        if (broken) {
            ipc::fail(Errc::invalid_argument, operation, stage.target().string(),
                      "was published, or has failed before", "begin a new one");
        }
    }
    void check_room(std::uint64_t size) const {
        const std::uint64_t needed =
            size > max_region_bytes ? size : index.total_size + impl::padded(size);
        if (needed > max_bytes) {
            impl::fail_limit(operation, stage.target() / impl::region_name,
                             "would take " + std::to_string(needed) + " bytes of at most " +
                                 std::to_string(max_bytes),
                             needed, max_bytes,
                             "MMAP_MAX_SIZE (VolumeOptions::max_size) says how "
                             "large a region may be");
        }
    }
    void write_index() {
        const std::string text = impl::index_text(index);
        if (text.size() > impl::max_index_bytes) {
            impl::fail_limit(operation, stage.target() / impl::index_name,
                             "would take " + std::to_string(text.size()) + " bytes", text.size(),
                             impl::max_index_bytes, "use several dimensions");
        }
        ipc::FileDescriptor file = stage.create_file(impl::index_name);
        const auto done = os::write_all(file.get(), text.data(), text.size());
        int error = done.error;
        error = error != 0 ? error : os::sync_data(file.get());
        error = error != 0 ? error : os::close_file(std::move(file));
        if (error != 0) {
            impl::fail_file(error, operation, stage.target() / impl::index_name,
                            "cannot be written");
        }
    }
    void write_header() {
        impl::ArchiveHeader header{.dimension = index.dimension,
                                   .layer_count = index.layers.size(),
                                   .total_size = index.total_size};
        header.checksum = impl::header_checksum(header, index.layers);
        const impl::ArchiveHeaderBytes bytes = impl::encode(header);
        int error = os::write_at(region.get(), bytes.data(), bytes.size(), 0);
        error = error != 0 ? error : os::sync_data(region.get());
        error = error != 0 ? error : os::close_file(std::move(region));
        if (error != 0) {
            impl::fail_file(error, operation, stage.target() / impl::region_name,
                            "cannot be written");
        }
    }
    /// Nothing on the way between the two renames may need memory: the old layers/ is the user's.
    void publish() {
        const impl::ReplacedArchive old(stage.hidden_name(), archive_folder(index.dimension));
        if (!replace) {
            stage.publish_new();
            return;
        }
        const bool replaced = stage.publish();
        if (const int error = replaced ? old.save_layers(stage.parent()) : 0) {
            impl::fail_file(
                error, operation, stage.target(),
                "is in its place, but the old layers/ still lie in " + stage.path().string(),
                "`strata volume clean` tries it again");
        }
        stage.sync_parent();  // before the old one goes
        const int kept = replaced ? old.remove(stage.parent()) : 0;
        stage.release_replaced();
        if (kept == ENOTEMPTY) {
            impl::fail_file(ENOTEMPTY, operation, stage.target(),
                            "is in its place, but what else lay in the old folder is now in " +
                                stage.path().string());
        }
    }
};

ArchiveWriter::ArchiveWriter(const std::filesystem::path& parent, Dimension dimension,
                             const ArchiveWriterOptions& options) {
    impl::check_replaceable(parent, archive_folder(dimension), operation);
    state_ = std::make_unique<State>(parent, dimension, options);
}
ArchiveWriter::ArchiveWriter(ArchiveWriter&&) noexcept = default;
ArchiveWriter& ArchiveWriter::operator=(ArchiveWriter&&) noexcept = default;
ArchiveWriter::~ArchiveWriter() = default;

void ArchiveWriter::add(const ArchivedLayer& description, std::span<const std::byte> content) {
    State& own = ipc::part_of(state_, "ArchiveWriter");
    own.check_usable();
    if (own.completed) {
        ipc::fail(Errc::invalid_argument, operation, own.stage.target().string(),
                  "is complete: no layer can be added");
    }
    if (!own.index.layers.empty() && own.index.layers.back().layer >= description.layer) {
        ipc::fail(Errc::invalid_argument, operation, own.stage.target().string(),
                  "layer " + std::to_string(description.layer) + " comes after layer " +
                      std::to_string(own.index.layers.back().layer),
                  "numbers ascend, and none comes twice");
    }
    if (!ipc::LayerShape::is_alignment(description.alignment)) {
        ipc::fail(Errc::invalid_argument, operation, own.stage.target().string(),
                  "layer " + std::to_string(description.layer) + " has alignment " +
                      std::to_string(description.alignment),
                  "a power of two from 8 to 4096");
    }
    own.check_room(content.size());
    ArchivedLayer layer = description;
    layer.offset = own.index.total_size;
    layer.content_size = content.size();
    layer.size = impl::padded(content.size());
    try {
        for (std::size_t at = 0; at < content.size(); at += State::step_bytes) {
            const auto step = content.subspan(at, std::min(State::step_bytes, content.size() - at));
            own.sha.update(step);
            own.put(step);
        }
        const auto padding = static_cast<std::size_t>(layer.size - layer.content_size);
        own.sha.update_zeros(padding);
        own.put_zeros(padding);
        layer.checksum = own.sha.finish();
        own.index.layers.push_back(std::move(layer));
    } catch (...) {
        own.broken = true;
        throw;
    }
}

void ArchiveWriter::add(const Layer& layer) { add(impl::description_of(layer), layer.bytes()); }

void ArchiveWriter::complete() {
    State& own = ipc::part_of(state_, "ArchiveWriter");
    own.check_usable();
    if (own.completed) {
        return;
    }
    own.broken = true;
    own.flush();
    own.index.updated_at = rfc3339(std::chrono::system_clock::now());
    if (own.index.created_at.empty()) {
        own.index.created_at = own.index.updated_at;
    }
    own.write_index();
    own.write_header();
    own.stage.create_directory(impl::layers_name);
    own.completed = true;
    own.broken = false;
}

ArchiveIndex ArchiveWriter::publish() {
    complete();
    State& own = *state_;
    own.broken = true;
    ArchiveIndex index = own.index;
    own.publish();
    return index;
}

std::uint64_t ArchiveWriter::size() const noexcept {
    return ipc::part_of(state_, "ArchiveWriter").index.total_size;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
