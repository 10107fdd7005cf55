// SPDX-License-Identifier: Apache-2.0
#include "volume/tar_writer.hpp"

#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <exception>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/os/streams.hpp"
#include "volume/failures.hpp"
#include "volume/tar_memory.hpp"

namespace strata::volume_impl {

namespace os = ipc::os;

struct TarWriter::State {
    static constexpr int block_bytes = 256 << 10;
    static constexpr std::uint32_t file_mode = 0644;

    int descriptor;
    std::function<void()> tick;
    std::string operation;
    std::filesystem::path path;
    archive* tar = nullptr;
    archive_entry* entry = nullptr;
    std::exception_ptr failure{};  // of the call-back, past the frames of libarchive
    std::uint64_t left = 0;        // of the file that is being written
    bool ready = false;
    bool abandoned = false;  // what libarchive still has goes nowhere

    State(int fd, std::function<void()> called, std::string_view name, std::filesystem::path file)
        : descriptor(fd), tick(std::move(called)), operation(name), path(std::move(file)) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        // One that could not be made ready is in no state in which it could be freed: libarchive
        // would free what zstd has of it twice.
        if (tar != nullptr && ready) {
            abandoned = true;
            archive_write_fail(tar);   // the rest of the file is not made up
            archive_write_close(tar);  // after a failure, free alone would leave its buffer behind
            archive_write_free(tar);
        }
        archive_entry_free(entry);
    }

    void write(const std::byte* bytes, std::size_t size) const {
        while (size > 0) {
            const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
            const auto put = os::write_some(descriptor, bytes, size, soon);
            if (put.error != 0 && put.error != EAGAIN) {
                fail_file(put.error, operation, path, "the stream cannot be written",
                          put.error == EPIPE ? "nobody reads it any more" : "");
            }
            bytes += put.value;
            size -= put.value;
            tick();
        }
    }
    static la_ssize_t written(archive* /*tar*/, void* self, const void* bytes, std::size_t size) {
        auto& state = *static_cast<State*>(self);
        if (state.abandoned) {
            return static_cast<la_ssize_t>(size);
        }
        try {
            if (state.failure == nullptr) {
                state.write(static_cast<const std::byte*>(bytes), size);
                return static_cast<la_ssize_t>(size);
            }
        } catch (...) {
            state.failure = std::current_exception();
        }
        return -1;
    }
    void check(la_ssize_t result) const {
        if (failure != nullptr) {
            std::rethrow_exception(failure);
        }
        if (result < ARCHIVE_OK) {
            fail_without_memory(tar);
            ipc::fail(Errc::system, operation, path.string(),
                      std::string("the stream cannot be made: ") + archive_error_string(tar));
        }
    }
};

TarWriter::TarWriter(int descriptor, StreamFormat format, std::function<void()> tick,
                     std::string_view operation, const std::filesystem::path& path)
    : state_(std::make_unique<State>(descriptor, std::move(tick), operation, path)) {
    State& own = *state_;
    own.tar = archive_write_new();
    own.entry = archive_entry_new();
    if (own.tar == nullptr || own.entry == nullptr) {
        throw std::bad_alloc();
    }
    own.check(archive_write_set_format_pax_restricted(own.tar));
    if (format == StreamFormat::tar_gz) {
        own.check(archive_write_add_filter_gzip(own.tar));
    } else if (format == StreamFormat::tar_zst) {
        own.check(archive_write_add_filter_zstd(own.tar));
    }
    own.check(archive_write_set_bytes_per_block(own.tar, State::block_bytes));
    own.check(archive_write_set_bytes_in_last_block(own.tar, 1));
    own.check(archive_write_open(own.tar, &own, nullptr, &State::written, nullptr));
    own.ready = true;
}

TarWriter::~TarWriter() = default;

void TarWriter::begin(const std::string& path, std::uint64_t size) {
    State& own = *state_;
    archive_entry_clear(own.entry);
    archive_entry_set_pathname(own.entry, path.c_str());
    archive_entry_set_size(own.entry, static_cast<la_int64_t>(size));
    archive_entry_set_filetype(own.entry, AE_IFREG);
    archive_entry_set_perm(own.entry, State::file_mode);
    archive_entry_set_mtime(own.entry, std::time(nullptr), 0);
    own.left = size;
    own.check(archive_write_header(own.tar, own.entry));
}

void TarWriter::put(std::span<const std::byte> bytes) {
    State& own = *state_;
    if (bytes.size() > own.left) {
        ipc::bug("a file of a stream is longer than was said");
    }
    own.left -= bytes.size();
    while (!bytes.empty()) {
        const la_ssize_t done = archive_write_data(own.tar, bytes.data(), bytes.size());
        own.check(done);
        if (done == 0) {
            ipc::bug("libarchive takes no more of a file than was said");
        }
        bytes = bytes.subspan(static_cast<std::size_t>(done));
    }
}

void TarWriter::put_file(const std::string& path, std::string_view text) {
    begin(path, text.size());
    put(std::as_bytes(std::span(text)));
}

void TarWriter::finish() {
    State& own = *state_;
    if (own.left != 0) {
        ipc::bug("a file of a stream is shorter than was said");
    }
    own.check(archive_write_close(own.tar));
    archive_write_free(std::exchange(own.tar, nullptr));
}

}  // namespace strata::volume_impl
