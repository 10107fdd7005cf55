// SPDX-License-Identifier: Apache-2.0
#include "volume/tar_reader.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <cerrno>
#include <chrono>
#include <exception>
#include <utility>
#include <vector>

#include "ipc/failure.hpp"
#include "ipc/os/streams.hpp"
#include "volume/failures.hpp"
#include "volume/tar_memory.hpp"

namespace strata::volume_impl {

namespace os = ipc::os;

struct TarReader::State {
    static constexpr std::size_t buffer_bytes = 256 << 10;

    int descriptor;
    std::function<void()> tick;
    std::string operation;
    std::filesystem::path path;
    archive* tar = nullptr;
    archive_entry* entry = nullptr;
    std::vector<std::byte> buffer = std::vector<std::byte>(buffer_bytes);
    std::exception_ptr failure{};  // of the call-back, past the frames of libarchive

    State(int fd, std::function<void()> called, std::string_view name, std::filesystem::path file)
        : descriptor(fd), tick(std::move(called)), operation(name), path(std::move(file)) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        archive_read_free(tar);
        archive_entry_free(entry);
    }

    std::size_t read_some() {
        for (;;) {
            tick();
            const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
            const auto got = os::read_some(descriptor, buffer.data(), buffer.size(), soon);
            if (got) {
                return got.value;
            }
            if (got.error != EAGAIN) {
                fail_file(got.error, operation, path, "the stream cannot be read");
            }
        }
    }
    static la_ssize_t wanted(archive* /*tar*/, void* self, const void** bytes) {
        auto& state = *static_cast<State*>(self);
        try {
            *bytes = state.buffer.data();
            return static_cast<la_ssize_t>(state.read_some());
        } catch (...) {
            state.failure = std::current_exception();
            return -1;
        }
    }
    [[noreturn]] void complain(const std::string& what) const {
        if (failure != nullptr) {
            std::rethrow_exception(failure);
        }
        ipc::fail(Errc::corrupt, operation, path.string(), "the stream " + what);
    }
    void check(la_ssize_t result, const char* what) const {
        if (failure != nullptr) {
            std::rethrow_exception(failure);
        }
        if (result < ARCHIVE_OK) {
            fail_without_memory(tar);
            complain(std::string(what).append(": ").append(archive_error_string(tar)));
        }
    }
};

TarReader::TarReader(int descriptor, std::function<void()> tick, std::string_view operation,
                     const std::filesystem::path& path)
    : state_(std::make_unique<State>(descriptor, std::move(tick), operation, path)) {
    State& own = *state_;
    own.tar = archive_read_new();
    own.entry = archive_entry_new();  // libarchive's own is not looked at before it is used
    if (own.tar == nullptr || own.entry == nullptr) {
        throw std::bad_alloc();
    }
    // These alone, and no programs: others were never written, and each is a way in.
    constexpr const char* unable = "cannot be read with this libarchive";
    own.check(archive_read_support_format_tar(own.tar), unable);
    own.check(archive_read_support_filter_gzip(own.tar), unable);
    own.check(archive_read_support_filter_zstd(own.tar), unable);
    // One by one: archive_read_open does not look whether the second has failed.
    own.check(archive_read_set_read_callback(own.tar, &State::wanted), unable);
    own.check(archive_read_set_callback_data(own.tar, &own), unable);
    own.check(archive_read_open1(own.tar), "is no tar, tar.gz or tar.zst");
}

TarReader::~TarReader() = default;

std::optional<TarReader::File> TarReader::next() {
    const State& own = *state_;
    archive_entry* const entry = own.entry;
    const int result = archive_read_next_header2(own.tar, entry);
    if (result == ARCHIVE_EOF && own.failure == nullptr) {
        return std::nullopt;
    }
    own.check(result, "cannot be read");
    const char* const path = archive_entry_pathname(entry);
    File file{.path = path != nullptr ? path : ""};
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr ||
        archive_entry_symlink(entry) != nullptr || archive_entry_sparse_count(entry) > 0) {
        own.complain("has " + ipc::quoted(file.path) + ", which is no plain file");
    }
    const la_int64_t size = archive_entry_size(entry);
    if (archive_entry_size_is_set(entry) == 0 || size < 0) {
        own.complain("does not say how large " + ipc::quoted(file.path) + " is");
    }
    file.size = static_cast<std::uint64_t>(size);
    return file;
}

void TarReader::read(std::span<std::byte> out) {
    const State& own = *state_;
    while (!out.empty()) {
        const la_ssize_t got = archive_read_data(own.tar, out.data(), out.size());
        own.check(got, "is cut short, or damaged");
        if (got == 0) {
            own.complain("is cut short, or damaged: it ends too early");
        }
        out = out.subspan(static_cast<std::size_t>(got));
    }
}

}  // namespace strata::volume_impl
