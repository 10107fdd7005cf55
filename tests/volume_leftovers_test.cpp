// SPDX-License-Identifier: Apache-2.0
// What killed restores and backups left half made: removed by the next one, unless it is still
// being made or is another user's; what cannot be removed for any other reason is an error.
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <doctest/doctest.h>

#include "ipc/os.hpp"
#include "tests/skip.hpp"
#include "tests/support/backup_setting.hpp"
#include "tests/support/process.hpp"
#include "tests/support/refused_call.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include "volume/staged_directory.hpp"

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

/// A store with a backup, and a place where others may have begun to restore.
struct Leftovers : BackupSetting {
    const fs::path stage = elsewhere / ".strata-new-begun-dead";

    Leftovers() {
        Producer producer = store.create();
        publish(producer, {1, 1}, "content");
        back_up();
        fs::create_directory(elsewhere);
    }
    void leave() const {
        fs::create_directories(stage / "begun");
        std::ofstream(stage / "begun" / "control.mmap") << "x";
    }
    /// The error, if there is one, of a restore by a process for which something else has changed.
    std::optional<Error> restore() const {
        return error_of([&] { restore_store(backups, "restored", elsewhere); });
    }
    bool is_restored() const {
        return attach("restored").snapshot().get({1, 1}).text() == "content";
    }
};

std::string in_child(const std::function<void()>& body) {
    return Child::start([&](const Channel&) { body(); }).join();
}

}  // namespace

TEST_CASE("what another user's restore left is no obstacle, and stays") {
    STRATA_SKIP_UNLESS_ROOT();
    const Leftovers setting;
    fs::permissions(setting.store.base(), fs::perms(0755));
    fs::permissions(setting.backups, fs::perms(0755));
    for (const auto& entry : fs::recursive_directory_iterator(setting.backups)) {
        fs::permissions(entry, fs::perms(0755));
    }
    const auto restored_by_another = [&] {
        CHECK(in_child([&] {
                  become_user(nobody);
                  const auto error = setting.restore();
                  STRATA_REQUIRE_EQ(std::string(error ? error->what() : ""), "");
                  STRATA_REQUIRE(setting.is_restored());
              }) == "");
    };
    SUBCASE("whose content is its owner's: EACCES") {
        ::chmod(setting.elsewhere.c_str(), 0777);
        setting.leave();
        restored_by_another();
        CHECK(fs::exists(setting.stage / "begun" / "control.mmap"));
    }
    SUBCASE("in a directory where each may remove what is his own: EPERM") {
        ::chmod(setting.elsewhere.c_str(), 01777);
        fs::create_directory(setting.stage);
        restored_by_another();
        CHECK(fs::exists(setting.stage));
    }
}

TEST_CASE("a restore that cannot remove what was left says so, and makes nothing") {
    const Leftovers setting;
    setting.leave();
    CHECK(in_child([&] {
              refuse_call(SYS_unlinkat, EIO);
              const auto error = setting.restore();
              STRATA_REQUIRE(error.has_value());
              STRATA_REQUIRE_EQ(error->errno_value(), EIO);
              STRATA_REQUIRE_EQ(error->operation(), "restore");
              STRATA_REQUIRE_EQ(error->path(), setting.stage.string());
              STRATA_REQUIRE_EQ(error->detail(), "was left half made and cannot be removed");
          }) == "");
    CHECK(entries(setting.elsewhere) == 1);
    // One that somebody else removes meanwhile is gone, which is what was wanted.
    CHECK(in_child([&] {
              refuse_call(SYS_unlinkat, ENOENT);
              const auto error = setting.restore();
              STRATA_REQUIRE_EQ(std::string(error ? error->what() : ""), "");
              STRATA_REQUIRE(setting.is_restored());
          }) == "");
}

TEST_CASE("a backup that cannot remove what was left says so, and makes nothing") {
    const Leftovers setting;
    const fs::path left = setting.backups / ".strata-new-backup-00000002-dead";
    fs::create_directories(left / "D01");
    const auto back_up = [&] { return error_of([&] { setting.back_up({.full = true}); }); };
    for (const int refusal : {EIO, EACCES}) {
        CHECK(in_child([&] {
                  refuse_call(SYS_unlinkat, refusal);
                  const auto error = back_up();
                  STRATA_REQUIRE(error.has_value());
                  STRATA_REQUIRE_EQ(error->errno_value(), refusal);
                  STRATA_REQUIRE_EQ(error->path(), left.string());
                  STRATA_REQUIRE_EQ(error->detail(), "was left half made and cannot be removed");
              }) == "");
        CHECK(entries(setting.backups) == 2);
    }
    CHECK(in_child([&] {
              refuse_call(SYS_unlinkat, ENOENT);
              STRATA_REQUIRE(!back_up());
          }) == "");
    CHECK(fs::exists(setting.backups / "backup-00000002"));
    CHECK_FALSE(back_up());
    CHECK_FALSE(fs::exists(left));
}

TEST_CASE("what may still be under construction stays") {
    const Leftovers setting;
    const auto lock = [](const ipc::FileDescriptor& directory, ipc::os::LockType type) {
        REQUIRE(ipc::os::set_lock(directory.get(), type, 0, 1) == 0);
    };
    const auto left = [&] { return volume_impl::abandoned_stages(setting.elsewhere).size(); };
    setting.leave();
    CHECK(left() == 1);
    SUBCASE("its builder lives") {
        const auto stage = ipc::os::open_directory(setting.stage.string());
        REQUIRE(stage);
        lock(stage.value, ipc::os::LockType::shared);
        CHECK(left() == 0);
        CHECK_FALSE(setting.restore());
        CHECK(fs::exists(setting.stage));
        lock(stage.value, ipc::os::LockType::unlock);
    }
    SUBCASE("somebody begins one just now") {
        const auto parent = ipc::os::open_directory(setting.elsewhere.string());
        REQUIRE(parent);
        lock(parent.value, ipc::os::LockType::shared);
        CHECK(left() == 0);
        CHECK_FALSE(setting.restore());
        CHECK(fs::exists(setting.stage));
        lock(parent.value, ipc::os::LockType::unlock);
    }
    SUBCASE("nobody can tell") {
        STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be made to fail");
        bool happened = true;
        for (std::uint64_t n = 1; happened; ++n) {
            std::size_t found = 0;
            const FailingCall failing(n);
            const auto error = error_of([&] { found = left(); });
            happened = FailingCall::happened();
            CAPTURE(FailingCall::name());
            CHECK(found == (happened ? 0 : 1));
            CHECK((happened || !error));
        }
    }
    CHECK(left() == 1);
    if (fs::exists(setting.elsewhere / "restored")) {
        remove_store("restored", setting.elsewhere);
    }
    CHECK_FALSE(setting.restore());
    CHECK_FALSE(fs::exists(setting.stage));
}

TEST_CASE("a staged directory that cannot be made leaves nothing") {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be made to fail");
    const TempBase base;
    std::uint64_t n = 1;
    for (;; ++n) {
        std::optional<volume_impl::StagedDirectory> stage;
        std::optional<Error> error;
        {
            const FailingCall failing(n);
            error = error_of([&] { stage.emplace(base.path(), "name", "operate"); });
        }
        CAPTURE(n);
        CAPTURE(FailingCall::name());
        if (!FailingCall::happened()) {
            CHECK_FALSE(error);
            break;
        }
        REQUIRE(error);
        CHECK(error->errno_value() == FailingCall::error());
        CHECK(error->operation() == "operate");
        CHECK(entries(base.path()) == 0);
    }
    CHECK(n > 5);  // two directories are opened and locked, one of them is made
    CHECK(entries(base.path()) == 0);
}

TEST_CASE("a staged directory tells which of its steps failed, and for what reason") {
    const TempBase base;
    const auto failing = [&](std::uint32_t call, int error, const std::string& path,
                             const std::string& detail,
                             const std::function<void(volume_impl::StagedDirectory&)>& act) {
        CAPTURE(detail);
        CHECK(in_child([&] {
                  volume_impl::StagedDirectory stage(base.path(), "name", "operate");
                  const std::string place = path.empty() ? stage.path().string()
                                            : path.starts_with('/')
                                                ? path
                                                : (stage.path() / path).string();
                  refuse_call(call, error);
                  const auto thrown = error_of([&] { act(stage); });
                  STRATA_REQUIRE(thrown.has_value());
                  STRATA_REQUIRE_EQ(thrown->errno_value(), error);
                  STRATA_REQUIRE_EQ(thrown->operation(), "operate");
                  STRATA_REQUIRE_EQ(thrown->path(), place);
                  STRATA_REQUIRE_EQ(thrown->detail(), detail);
              }) == "");
    };
    const std::string file = (base.path() / "name" / "file").string();
    const std::string target = (base.path() / "name").string();
    using Stage = volume_impl::StagedDirectory;
    failing(SYS_openat, ENOSPC, "file", "cannot be created",
            [](Stage& stage) { stage.create_file("file"); });
    failing(SYS_openat, ENOSPC, "file", "cannot be created",
            [](Stage& stage) { stage.write_file("file", "text"); });
    failing(SYS_write, EIO, file, "cannot be written",
            [](Stage& stage) { stage.write_file("file", "text"); });
    failing(SYS_fdatasync, EIO, file, "cannot be written",
            [](Stage& stage) { stage.write_file("file", "text"); });
    failing(SYS_close, EIO, file, "cannot be written",
            [](Stage& stage) { stage.write_file("file", "text"); });
    failing(SYS_mkdirat, ENOSPC, "directory", "cannot be made",
            [](Stage& stage) { stage.create_directory("directory"); });
    for (const bool anew : {false, true}) {
        const auto publish = [anew](Stage& stage) {
            if (anew) {
                stage.publish_new();
            } else {
                stage.publish();
            }
        };
        failing(SYS_fsync, EIO, "", "is not known to be durable", publish);
        failing(SYS_renameat2, EROFS, target, "cannot be put in its place", publish);
    }
}
