// SPDX-License-Identifier: Apache-2.0
// Where volumes and backups are put: paths as people write them, links, modes, and places of
// others.
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/backup_setting.hpp"
#include "tests/support/process.hpp"
#include <strata/volume.hpp>
#include <strata/volume_archive.hpp>
#include <strata/volume_verify.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

unsigned mode_of(const fs::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status.st_mode & 07777U;
}

struct Umask {
    explicit Umask(mode_t mask) : before(::umask(mask)) {}
    Umask(const Umask&) = delete;
    Umask& operator=(const Umask&) = delete;
    ~Umask() { ::umask(before); }
    mode_t before;
};

}  // namespace

TEST_CASE("a directory of backups is closed to others however its path is written") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    publish(producer, {1, 1}, "first");
    std::string path;
    SUBCASE("plainly") { path = "backups"; }
    SUBCASE("with a slash at the end") { path = "backups/"; }
    SUBCASE("with two") { path = "backups//"; }
    SUBCASE("with a dot") { path = "backups/."; }
    SUBCASE("further down") { path = "a/../b/backups/./"; }
    SUBCASE("with a line break") { path = "back\nups/"; }
    const Umask none(0);
    Consumer consumer = setting.store.attach();
    const fs::path directory = setting.store.base() / path;
    fs::create_directory(setting.store.base() / "a");
    CHECK(backup_store(consumer, directory).made);
    CHECK(mode_of(directory / "backup-00000001") == 0755);
    CHECK(mode_of(fs::canonical(directory)) == 0700);
    CHECK(verify_backups(directory).ok());
    restore_store(directory, "restored", setting.elsewhere / "", {});
    CHECK(mode_of(setting.elsewhere) == 0755);
}

TEST_CASE(
    "a volume has its modes under any umask, with a slash at the end, in a setgid directory") {
    const TempBase base;
    fs::permissions(base.path(), fs::perms(02777));
    unsigned mask = 0;
    SUBCASE("0000") {}
    SUBCASE("0077") { mask = 0077; }
    SUBCASE("0777") { mask = 0777; }
    const Umask set(mask);
    InitReport report;
    const Volume volume = Volume::init({.base_path = base.path() / "volume" / ""}, {}, &report);
    CHECK(report.created.at(0) == ".");
    CHECK(verify_volume(volume).ok());
}

TEST_CASE("a place that cannot be found is a typed error") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    publish(producer, {1, 1}, "first");
    const fs::path gone = setting.store.base() / "gone";
    fs::create_directory(gone);
    Child child = Child::start([&](const Channel&) {
        STRATA_REQUIRE(::chdir(gone.c_str()) == 0);
        fs::remove(gone);
        Consumer consumer = setting.store.attach();
        const auto code = code_of([&] { backup_store(consumer, "backups"); });
        STRATA_REQUIRE_EQ(code, "file_not_found");
        STRATA_REQUIRE_EQ(code_of([] { Volume::init({.base_path = "volume"}); }), "file_not_found");
    });
    CHECK(child.join() == "");
}

TEST_CASE("clean does not follow a link in the place of a directory") {
    const TempBase base;
    const Volume volume = Volume::init({.base_path = base.path() / "volume"});
    const fs::path precious = base.path() / "precious";
    fs::create_directory(precious);
    std::ofstream(precious / "file") << "kept";
    fs::remove(volume.temp_path());
    fs::create_directory_symlink(precious, volume.temp_path());
    CHECK(code_of([&] { volume.clean(); }) == "not_trusted");
    CHECK(fs::exists(precious / "file"));
}

TEST_CASE("a directory of backups keeps what is not a backup's") {
    const BackupSetting setting;
    Producer producer = setting.store.create();
    publish(producer, {1, 1}, "first");
    setting.back_up();
    fs::create_directories(setting.backups / ".strata-new-D01-1" / "layers" / "mine");
    fs::create_directories(setting.backups / ".strata-new-backup-00000002-1");
    publish(producer, {1, 1}, "second");
    setting.back_up();
    CHECK(fs::exists(setting.backups / ".strata-new-D01-1" / "layers" / "mine"));
    CHECK(!fs::exists(setting.backups / ".strata-new-backup-00000002-1"));
}

TEST_CASE("one damaged live store does not hide the others from a verification") {
    const TempBase base;
    const Volume volume = Volume::init({.base_path = base.path() / "volume"});
    for (const char* const name : {"a", "b"}) {
        Producer producer = Producer::create(name, {.base_path = volume.live_path()});
        publish(producer, {1, 1}, "x");
    }
    fs::resize_file(volume.live_path() / "a" / "control.mmap", 100);
    const VolumeReport report = verify_volume(volume);
    CHECK(!report.ok());
    CHECK(report.live_stores == 1);
    CHECK(report.live_layers == 1);
}
