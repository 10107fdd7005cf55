// SPDX-License-Identifier: Apache-2.0
#include "ipc/files/bookmarks_file.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/format/checksum.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/os/named_files.hpp"
#include "ipc/os/sync.hpp"

namespace strata::ipc {

namespace {

constexpr const char* damaged_hint =
    "remove the file to give the bookmarks up: what they keep comes free";

os::Standpoint standpoint(const StoreDirectory& store, std::string_view operation) {
    const auto here = os::standpoint_of(store.directory.get());
    if (!here) {
        fail_errno(here.error, operation, store.path,
                   "cannot find out whether the machine stopped since bookmarks were set");
    }
    return here.value;
}

// Why a record cannot be right; null: it may be.
const char* fault_of(const BookmarkRecord& record) {
    if (record.checksum != record_checksum(record)) {
        return "its checksum is wrong";
    }
    if (record.name_bytes == 0 || record.name_bytes > max_bookmark_name_bytes ||
        name_of(record).find('\0') != std::string_view::npos) {
        return "its name is impossible";
    }
    if (record.generation == 0 || record.epoch == 0 || record.epoch >= epoch_end ||
        (record.removed != 0 && (record.removed < record.epoch || record.removed >= epoch_end))) {
        return "its numbers are impossible";
    }
    return nullptr;
}

}  // namespace

void check_bookmark_name(std::string_view name, std::string_view operation, std::string_view path) {
    const auto refuse = [&](const std::string& why) {
        fail(Errc::invalid_name, operation, path, "bookmark " + quoted(name) + ": " + why,
             "use 1 to " + std::to_string(max_bookmark_name_bytes) + " bytes, any but NUL");
    };
    if (name.empty()) {
        refuse("the name is empty");
    }
    if (name.size() > max_bookmark_name_bytes) {
        refuse("the name has " + std::to_string(name.size()) + " bytes");
    }
    if (name.find('\0') != std::string_view::npos) {
        refuse("the name contains NUL");
    }
}

std::vector<Bookmark> standing_bookmarks(const std::vector<BookmarkRecord>& records) {
    std::vector<Bookmark> result;
    for (const BookmarkRecord& record : records) {
        if (record.removed == 0) {
            const auto made_at = std::chrono::duration_cast<std::chrono::system_clock::duration>(
                std::chrono::nanoseconds(record.made_at_ns));
            result.push_back({.name = std::string(name_of(record)),
                              .generation = record.generation,
                              .made_at = std::chrono::system_clock::time_point(made_at)});
        }
    }
    std::sort(result.begin(), result.end(),
              [](const Bookmark& a, const Bookmark& b) { return a.name < b.name; });
    return result;
}

std::vector<BookmarkRecord> read_bookmarks(const StoreDirectory& store,
                                           const ControlIdentity& identity, const Trust& trust,
                                           std::string_view operation) {
    const std::string path = store.file(bookmarks_file_name);
    const OptionalFile opened =
        open_optional(store, bookmarks_file_name, false, trust, operation, "the bookmarks");
    if (!opened.file) {
        return {};
    }
    const auto damaged = [&](const std::string& what) {
        fail(Errc::corrupt, operation, path, what, damaged_hint);
    };
    const auto read = [&](void* out, std::size_t size, std::uint64_t offset) {
        if (const int error = os::read_at(opened.file.get(), out, size, offset)) {
            fail_errno(error, operation, path, "cannot read the bookmarks");
        }
    };
    const std::uint64_t size = opened.status.size_bytes;
    if (size < sizeof(BookmarkHeader)) {
        damaged("has " + std::to_string(size) + " bytes, its header " +
                std::to_string(sizeof(BookmarkHeader)));
    }
    BookmarkHeader header;
    read(&header, sizeof(header), 0);
    if (header.magic != bookmark_magic || header.version != format_version ||
        header.byte_order != byte_order_mark || header.checksum != record_checksum(header)) {
        damaged("its header is damaged");
    }
    if (!std::equal(std::begin(header.store_id), std::end(header.store_id),
                    std::begin(identity.store_id))) {
        damaged("the bookmarks belong to another store");
    }
    if (header.entries == 0 || header.entries > most_bookmarks ||
        size != sizeof(header) + header.entries * sizeof(BookmarkRecord)) {
        damaged("has " + std::to_string(size) + " bytes and says that it holds " +
                std::to_string(header.entries) + " bookmarks");
    }
    if (!standpoint(store, operation).is_boot(header.boot_id)) {
        return {};
    }
    std::vector<BookmarkRecord> records(header.entries);
    read(records.data(), records.size() * sizeof(BookmarkRecord), sizeof(header));
    for (std::size_t i = 0; i < records.size(); ++i) {
        if (const char* const fault = fault_of(records[i])) {
            damaged("bookmark " + std::to_string(i + 1) + " of " + std::to_string(records.size()) +
                    " is damaged: " + fault);
        }
    }
    return records;
}

void write_bookmarks(const StoreDirectory& store, const ControlIdentity& identity,
                     const os::FileStatus& like, const std::vector<BookmarkRecord>& records,
                     std::string_view operation) {
    if (records.empty()) {
        remove_bookmarks(store, operation);
        return;
    }
    BookmarkHeader header{};
    header.magic = bookmark_magic;
    header.version = format_version;
    header.byte_order = byte_order_mark;
    std::copy(std::begin(identity.store_id), std::end(identity.store_id),
              std::begin(header.store_id));
    const os::Standpoint here = standpoint(store, operation);
    std::copy(here.boot_id.begin(), here.boot_id.end(), std::begin(header.boot_id));
    header.entries = records.size();
    header.checksum = record_checksum(header);
    std::vector<BookmarkRecord> sealed = records;
    for (BookmarkRecord& record : sealed) {
        record.checksum = record_checksum(record);
    }

    const FileDescriptor& directory = store.directory;
    os::remove_file(directory.get(), new_bookmarks_file_name);  // of a writer that died
    auto file = os::create_file(directory.get(), new_bookmarks_file_name,
                                like.mode & most_file_mode, like.group);
    int error = file.error;
    if (error == 0) {
        error = os::write_at(file.value.get(), &header, sizeof(header), 0);
        if (error == 0) {
            error = os::write_at(file.value.get(), sealed.data(),
                                 sealed.size() * sizeof(BookmarkRecord), sizeof(header));
        }
        if (error == 0) {
            error = os::rename_over(directory.get(), new_bookmarks_file_name, bookmarks_file_name);
        }
        if (error != 0) {
            os::remove_file(directory.get(), new_bookmarks_file_name);
        }
    }
    if (error != 0) {
        fail_errno(error, operation, store.file(bookmarks_file_name), "cannot write the bookmarks",
                   os::is_full(error) ? std::string(os::full_hint) : std::string());
    }
}

void remove_bookmarks(const StoreDirectory& store, std::string_view operation) {
    for (const char* const name : {new_bookmarks_file_name, bookmarks_file_name}) {
        const int error = os::remove_file(store.directory.get(), name);
        if (error != 0 && error != ENOENT) {
            fail_errno(error, operation, store.file(name), "cannot remove the bookmarks");
        }
    }
}

}  // namespace strata::ipc
