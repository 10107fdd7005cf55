// SPDX-License-Identifier: Apache-2.0
// For tests of volumes in which every system call fails once, in turn, in whatever thread, as on a
// full disk, a broken one, and one that became read-only.
#pragma once

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <string>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/process.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/strata.hpp>

namespace strata::test {

namespace fs = std::filesystem;

/// Every visible file below a directory, and what is in it. (Hidden ones may stay where a removal
/// was refused: the next call sweeps them.)
inline std::map<std::string, std::string> files_below(const fs::path& directory) {
    std::map<std::string, std::string> files;
    if (!fs::exists(directory)) return files;
    for (auto at = fs::recursive_directory_iterator(directory);
         at != fs::recursive_directory_iterator(); ++at) {
        if (at->path().filename().string().starts_with('.')) {
            at.disable_recursion_pending();
        } else if (at->is_regular_file()) {
            files[at->path().string()] = content_of(at->path());
        }
    }
    return files;
}

/// A store without a producer, so that nothing else makes calls.
struct Setting {
    TempStore store{"market"};
    fs::path target = store.base() / "target";

    Setting() {
        Producer producer = store.create();
        change(producer, "first");
    }
    static void change(Producer& producer, const std::string& text) {
        Batch batch = producer.batch();
        for (Dimension dimension = 1; dimension <= 2; ++dimension) {
            batch.put({dimension, 1}, text, {.keywords = {"k"}});
            batch.put({dimension, 2}, payload_of(dimension, 2, 5000));
        }
        batch.crystallize();
    }
    void change(const std::string& text) const {
        Producer producer = store.open();
        change(producer, text);
    }
    Consumer attach() const {
        return Consumer::attach(store.name(), {.base_path = store.base(), .keep_idle_pin = false});
    }
};

// The last errors are left out of a build that is many times slower.
inline constexpr int all_errors[] = {ENOSPC, EIO, EROFS};
inline constexpr std::span<const int> errors(all_errors,
                                             scaled(std::size(all_errors), std::size_t{1}));

/// Calls `action` with each of its system calls failing in turn, until none is left to fail;
/// `check(error)` after each. It makes `least` calls or more. `for_good`: from that call on all
/// fail. `stride`: with each error only every so manyth call, with the next error the ones beside
/// them.
inline void refuse_each(const std::function<void()>& action,
                        const std::function<void(const std::optional<Error>&)>& check,
                        std::uint64_t least = 20, std::span<const int> with = errors,
                        bool for_good = false, std::uint64_t stride = 1) {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be made to fail");
    std::uint64_t first = 0;
    for (const int error : with) {
        std::uint64_t n = 1 + first++ % stride;
        for (;; n += stride) {
            std::optional<Error> thrown;
            {
                const FailingCallAnywhere failing(n, error, for_good);
                thrown = error_of(action);
            }
            CAPTURE(n);
            CAPTURE(error);
            CAPTURE(FailingCallAnywhere::name());
            if (thrown) {
                CAPTURE(std::string(thrown->what()));
                CHECK(FailingCallAnywhere::happened());
                CHECK_FALSE(thrown->operation().empty());
                CHECK_FALSE(thrown->detail().empty());
                // Its own failure is told, not what came of going on without it.
                CHECK((thrown->errno_value() == error ||
                       thrown->detail().starts_with("the restored store has ")));
                // What was not read is not damaged, except to a restore that reads its store back.
                CHECK((thrown->code() != Errc::corrupt ||
                       thrown->detail().starts_with("the restored store has ")));
            }
            check(thrown);
            if (!FailingCallAnywhere::happened()) {
                CHECK_FALSE(thrown);
                break;
            }
        }
        CHECK(n > least);  // it was about something
    }
}

}  // namespace strata::test
