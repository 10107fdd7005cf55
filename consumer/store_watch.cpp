// SPDX-License-Identifier: Apache-2.0
#include "strata/store_watch.hpp"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "ipc/failure.hpp"
#include "ipc/files/store_files.hpp"
#include "ipc/os/directory_watch.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace os = ipc::os;

namespace {

/// The directories on the way to a path, from the root on, and what of each decides where the path
/// leads: that it keeps its name; that a symbolic link in it does; of the last one that exists,
/// that the next name appears.
class PathWatch {
public:
    /// Of a watch's descriptor; the numbers that it has are added to `numbers`.
    PathWatch(const ipc::FileDescriptor& watch, std::vector<int>& numbers)
        : watch_(watch), numbers_(numbers) {}

    /// 0, or an errno that keeps the last directory that exists from being watched; see at().
    int follow(const std::filesystem::path& path) {
        std::deque<std::filesystem::path> left;
        put_first(left, path.relative_path());
        at_ = "/";
        int error = enter(at_);
        while (error == 0 && !left.empty()) {
            const std::filesystem::path name = left.front();
            left.pop_front();
            const std::filesystem::path next = name == ".." ? at_.parent_path() : at_ / name;
            std::error_code is_link;
            const std::filesystem::path target = std::filesystem::read_symlink(next, is_link);
            if (!is_link) {
                entered_[last_].what = os::Watched::names;
                if (++links_ > most_links) {
                    return ELOOP;
                }
                at_ = target.is_absolute() ? "/" : at_;
                put_first(left, target.relative_path());
            } else if (const int entering = enter(next);
                       entering == ENOENT || entering == ENOTDIR) {
                break;
            } else {
                at_ = next;
                error = entering;
            }
        }
        return error != 0 ? error : settle();
    }
    /// Where it has come to.
    const std::filesystem::path& at() const noexcept { return at_; }

private:
    static constexpr int most_links = 40;  // as the kernel

    struct Entered {
        std::filesystem::path path;
        int number;  // none if it may not be read: what becomes of it is not told
        os::Watched what = os::Watched::itself;
    };
    static constexpr int none = -1;

    static void put_first(std::deque<std::filesystem::path>& left,
                          const std::filesystem::path& path) {
        std::vector<std::filesystem::path> names;
        for (const std::filesystem::path& name : path) {
            if (!name.empty() && name != ".") {
                names.push_back(name);
            }
        }
        left.insert(left.begin(), names.begin(), names.end());
    }
    // All of its names, before the next one is examined: what appears in between is reported.
    int enter(const std::filesystem::path& path) {
        const auto watched = os::watch_also(watch_.get(), path.string(), os::Watched::names);
        if (!watched && watched.error != EACCES) {
            return watched.error;
        }
        const int number = watched ? watched.value : none;
        const auto known =
            number != none ? std::ranges::find(entered_, number, &Entered::number) : entered_.end();
        last_ = static_cast<std::size_t>(known - entered_.begin());
        if (known == entered_.end()) {
            entered_.push_back({path, number});
            if (number != none) {
                numbers_.push_back(number);
            }
        }
        return 0;
    }
    // Less of those on the way, so that what happens beside it wakes nobody.
    int settle() {
        if (entered_[last_].number == none) {
            return EACCES;
        }
        entered_[last_].what = os::Watched::names;
        const std::filesystem::path parent = entered_[last_].path.parent_path();
        for (Entered& entered : entered_) {
            if (entered.path == parent && entered.what == os::Watched::itself) {
                entered.what = os::Watched::removals;
            }
            if (entered.number != none && entered.what != os::Watched::names) {
                // Refused: it tells more than it has to.
                static_cast<void>(
                    os::watch_also(watch_.get(), entered.path.string(), entered.what));
            }
        }
        return 0;
    }

    const ipc::FileDescriptor& watch_;
    std::vector<int>& numbers_;
    std::vector<Entered> entered_;
    std::size_t last_ = 0;  // entered
    std::filesystem::path at_;
    int links_ = 0;
};

}  // namespace

struct StoreWatch::State {
    std::string name;
    std::filesystem::path base;
    std::string operation;
    ipc::FileDescriptor watch;
    std::vector<int> numbers{};  // of the directories that are watched, ascending
    bool followed = false;       // nothing has happened to them since, or it is still to be read

    void follow_path();
    bool look() const;
    [[noreturn]] void fail(int error, const std::filesystem::path& path) const;
};

void StoreWatch::State::fail(int error, const std::filesystem::path& path) const {
    throw Error({.code = ipc::os::is_out_of_watches(error) ? Errc::system : ipc::errc_of(error),
                 .operation = operation,
                 .path = path.string(),
                 .detail = "cannot watch for the store",
                 .hint = ipc::os::watch_hint(error),
                 .errno_value = error});
}

void StoreWatch::State::follow_path() {
    followed = false;
    std::vector<int> before;
    before.swap(numbers);
    PathWatch path(watch, numbers);
    const int error = path.follow(base);
    std::ranges::sort(numbers);
    for (const int number : before) {
        if (!std::ranges::binary_search(numbers, number)) {
            os::watch_no_more(watch.get(), number);
        }
    }
    if (error != 0) {
        fail(error, error == EACCES || error == ENOENT ? path.at() : base);
    }
    followed = true;
}

bool StoreWatch::State::look() const {
    const auto directory = os::open_directory(base.string());
    if (!directory) {
        if (directory.error == ENOENT || directory.error == ENOTDIR) {
            return false;
        }
        fail(directory.error, base);
    }
    const auto status = os::status_at(directory.value.get(), name);
    if (!status && status.error != ENOENT) {
        fail(status.error, base / name);
    }
    return static_cast<bool>(status);
}

StoreWatch::StoreWatch(std::string_view name, const std::filesystem::path& base) {
    check_store_name(name);
    std::error_code error;
    std::filesystem::path absolute = std::filesystem::absolute(base, error);
    auto watch = os::make_directory_watch();
    state_ = std::make_unique<State>(State{.name = std::string(name),
                                           .base = std::move(absolute),
                                           .operation = ipc::operation_on("watch for", name),
                                           .watch = std::move(watch.value)});
    if (error || !watch) {
        state_->fail(error ? error.value() : watch.error, base);
    }
    state_->follow_path();
}

StoreWatch::StoreWatch(StoreWatch&&) noexcept = default;
StoreWatch& StoreWatch::operator=(StoreWatch&&) noexcept = default;
StoreWatch::~StoreWatch() = default;

int StoreWatch::descriptor() const noexcept {
    return ipc::part_of(state_, "StoreWatch").watch.get();
}

// First watch, then check: what happens in between makes the descriptor readable. So do watches
// that are removed, and other processes can at any time: hence the bound.
bool StoreWatch::present() {
    State& state = ipc::part_of(state_, "StoreWatch");
    constexpr int most_looks = 4;
    for (int looks = 0;; ++looks) {
        const bool moved = os::drain(state.watch.get()) || !state.followed;
        if (moved) {
            state.follow_path();
        }
        if (state.look()) {
            return true;
        }
        if (!moved || looks == most_looks) {
            return false;
        }
    }
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
