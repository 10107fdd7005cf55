// SPDX-License-Identifier: Apache-2.0
#include "producer/reclaim/bookmarks.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/os.hpp"
#include "producer/reclaim/pinned_epochs.hpp"

namespace strata::producer_impl {

using ipc::BookmarkRecord;

void Bookmarks::load(std::uint64_t epoch, const std::string& operation) {
    Records found =
        ipc::read_bookmarks(directory_, control_.identity(),
                            {.any_owner = false, .owner = ipc::os::effective_user()}, operation);
    for (const BookmarkRecord& record : found) {
        const auto damaged = [&](const std::string& what) {
            ipc::fail(Errc::corrupt, operation, directory_.file(ipc::bookmarks_file_name),
                      "bookmark " + ipc::quoted(ipc::name_of(record)) + ": " + what,
                      "remove the file to give the bookmarks up: what they keep comes free");
        };
        if (record.epoch > epoch || record.removed > epoch) {
            damaged("epoch " + std::to_string(std::max(record.epoch, record.removed)) +
                    " is yet to come, it is " + std::to_string(epoch));
        }
        try {
            const ipc::RootRecord root = control_.file().root_at(record.root, operation);
            if (root.generation == record.generation && root.epoch <= record.epoch) {
                continue;
            }
        } catch (const Error& error) {
            if (error.code() != Errc::corrupt && error.code() != Errc::truncated) {
                throw;
            }
        }
        damaged("the root record of generation " + std::to_string(record.generation) +
                " is not where it says");
    }
    records_ = std::move(found);
}

void Bookmarks::give_up(const std::string& operation) {
    ipc::remove_bookmarks(directory_, operation);
    records_.clear();
}

std::optional<Bookmarks::Root> Bookmarks::root_of(Generation generation) const noexcept {
    for (const BookmarkRecord& record : records_) {
        if (record.removed == 0 && record.generation == generation) {
            return Root{record.generation, record.root, record.epoch};
        }
    }
    return std::nullopt;
}

BookmarkRecord* Bookmarks::find(Records& records, std::string_view name) noexcept {
    const auto found = std::find_if(records.begin(), records.end(), [&](const auto& record) {
        return record.removed == 0 && ipc::name_of(record) == name;
    });
    return found != records.end() ? &*found : nullptr;
}

void Bookmarks::replace(Records&& next, const std::string& operation) {
    STRATA_CRASH_POINT("bookmark.before-file");
    ipc::write_bookmarks(directory_, control_.identity(), control_.file().status(), next,
                         operation);
    STRATA_CRASH_POINT("bookmark.file-written");
    records_ = std::move(next);
}

void Bookmarks::set(std::string_view name, const Root& root, std::uint64_t epoch,
                    const std::string& operation) {
    Records next = records_;
    if (BookmarkRecord* const taken = find(next, name)) {
        if (taken->generation == root.generation) {
            return;
        }
        taken->removed = epoch;
    }
    if (next.size() >= ipc::most_bookmarks) {
        std::string removed;
        if (any_removed()) {
            removed = ", some of them removed but still read";
        }
        throw Error({.code = Errc::limit_exceeded,
                     .operation = operation,
                     .path = directory_.path,
                     .detail = "a store has at most " + std::to_string(ipc::most_bookmarks) +
                               " bookmarks; there are " + std::to_string(next.size()) + removed,
                     .hint = "remove one (remove_bookmark)",
                     .needed = next.size() + 1,
                     .limit = ipc::most_bookmarks,
                     .current = next.size()});
    }
    BookmarkRecord record{};
    record.generation = root.generation;
    record.root = root.offset;
    record.epoch = root.epoch;
    record.made_at_ns = ipc::os::realtime_ns();
    record.name_bytes = static_cast<std::uint32_t>(name.size());
    std::copy(name.begin(), name.end(), std::begin(record.name));
    next.push_back(record);
    replace(std::move(next), operation);
}

Generation Bookmarks::remove(std::string_view name, std::uint64_t epoch,
                             const std::string& operation) {
    Records next = records_;
    BookmarkRecord* const found = find(next, name);
    if (found == nullptr) {
        ipc::fail(Errc::bookmark_not_found, operation, directory_.path,
                  "there is no bookmark " + ipc::quoted(name));
    }
    found->removed = epoch;
    const Generation generation = found->generation;
    replace(std::move(next), operation);
    return generation;
}

void Bookmarks::release_unread(std::span<const ipc::EpochRange> pinned) noexcept {
    const auto unread = [&](const BookmarkRecord& record) {
        return record.removed != 0 && range_within(pinned, record.epoch, record.removed) == nullptr;
    };
    if (std::none_of(records_.begin(), records_.end(), unread)) {
        return;
    }
    try {
        Records next = records_;
        std::erase_if(next, unread);
        replace(std::move(next), ipc::operation_on("remove a bookmark of", directory_.name));
    } catch (const std::exception&) {
        // Held until the next query.
    }
}

bool Bookmarks::any_removed() const noexcept {
    return std::any_of(records_.begin(), records_.end(),
                       [](const BookmarkRecord& record) { return record.removed != 0; });
}

void Bookmarks::merge(std::vector<ipc::EpochRange>& all) const {
    for (const BookmarkRecord& record : records_) {
        insert_epoch(all, record.epoch);
    }
}

void Bookmarks::name_in(Error::Parts& parts) const {
    constexpr std::size_t most_named = 8;
    const std::vector<Bookmark> bookmarks = standing();
    if (bookmarks.empty()) {
        return;
    }
    parts.detail += "; generations are kept for bookmarks:";
    for (std::size_t i = 0; i < bookmarks.size() && i <= most_named; ++i) {
        parts.detail += i == 0 ? " " : ", ";
        parts.detail += i == most_named ? "..." : ipc::quoted(bookmarks[i].name);
    }
    parts.hint += "; or remove bookmarks (remove_bookmark)";
}

}  // namespace strata::producer_impl
