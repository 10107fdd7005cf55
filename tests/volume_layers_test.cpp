// SPDX-License-Identifier: Apache-2.0
// What a user keeps in an archive's folder outlives every replacement of the archive: with calls or
// memory refused, in a process that is killed, and among several.
#include <filesystem>
#include <fstream>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/command.hpp"
#include "tests/support/failing_allocations.hpp"
#include "tests/support/process.hpp"
#include "tests/support/refuse_each.hpp"
#include "tests/support/system_calls.hpp"
#include <strata/volume.hpp>
#include <strata/volume_archive.hpp>

using namespace strata;
using namespace strata::test;

namespace {

struct LayersSetting {
    TempBase base;
    Volume volume = Volume::init({.base_path = base.path() / "volume"});
    fs::path folder = volume.archive_path(1);

    LayersSetting() { std::ofstream(folder / "layers" / "mine") << "kept"; }
    void replace() const { ArchiveWriter(volume.archives_path(), 1).publish(); }
    /// Where it is now.
    std::vector<fs::path> places() const {
        std::vector<fs::path> found;
        for (const auto& entry : fs::directory_iterator(volume.archives_path())) {
            if (fs::exists(entry.path() / "layers" / "mine")) {
                found.push_back(entry.path());
            }
        }
        return found;
    }
    /// There is one, and the archive can be read; after `clean` everything is where it was.
    void check() const {
        REQUIRE(places().size() == 1);
        CHECK(ArchiveReader::open(folder).index().layers.empty());
        volume.clean();
        REQUIRE(places() == std::vector{folder});
        CHECK(content_of(folder / "layers" / "mine") == "kept");
        CHECK(entries(folder) == 3);
        CHECK(volume.clean().removed.empty());
        CHECK(entries(volume.archives_path()) == 14);
    }
};

}  // namespace

TEST_CASE("layers/ survives whatever call is refused while an archive is replaced") {
    const LayersSetting setting;
    const auto check = [&](const std::optional<Error>& error) {
        if (error && contains(error->what(), "still lie in")) {
            CHECK(setting.places().at(0) != setting.folder);
        }
        setting.check();
    };
    refuse_each([&] { setting.replace(); }, check, 10);
    refuse_each([&] { setting.replace(); }, check, 10, errors, true);
}

TEST_CASE("layers/ survives a clean-up whatever call is refused") {
    const LayersSetting setting;
    const auto leave = [&] {  // as a process that was killed between its two renames
        fs::create_directories(setting.volume.archives_path() / ".strata-new-D01-dead");
        fs::rename(setting.folder / "layers",
                   setting.volume.archives_path() / ".strata-new-D01-dead" / "layers");
        fs::create_directory(setting.folder / "layers");
    };
    leave();
    refuse_each([&] { setting.volume.clean(); },
                [&](const std::optional<Error>&) {
                    setting.check();
                    leave();
                },
                10);
}

TEST_CASE("layers/ survives that memory runs out while an archive is replaced") {
    const LayersSetting setting;
    bool failed = true;
    for (std::uint64_t n = 0; failed; ++n) {
        CAPTURE(n);
        failed = false;
        try {
            const FailAfter fault(n);
            setting.replace();
        } catch (const std::bad_alloc&) {
            failed = true;
        }
        setting.check();
    }
}

TEST_CASE("layers/ survives a process that is killed while it replaces the archive") {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be made to fail");
    const LayersSetting setting;
    bool killed = true;
    for (std::uint64_t n = 1; killed; ++n) {
        CAPTURE(n);
        Child child = Child::start([&](const Channel&) {
            const KillingCall killing(n);
            setting.replace();
        });
        killed = child.join_killed().empty();
        setting.check();
    }
}

TEST_CASE("layers/ survives several who replace the archive, and clean, at the same time") {
    const LayersSetting setting;
    std::vector<Child> children;
    for (int i = 0; i < 3; ++i) {
        children.push_back(Child::start([&](const Channel&) {
            for (int round = 0; round < scaled(300, 30); ++round) {
                setting.replace();
            }
        }));
    }
    children.push_back(Child::start([&](const Channel&) {
        for (int round = 0; round < scaled(300, 30); ++round) {
            setting.volume.clean();
        }
    }));
    for (Child& child : children) {
        CHECK(child.join() == "");
    }
    setting.check();
}

TEST_CASE("a file that somebody put beside an archive meanwhile is not removed with the old one") {
    const LayersSetting setting;
    ArchiveWriter writer(setting.volume.archives_path(), 1);
    std::ofstream(setting.folder / "notes.txt") << "kept";
    const auto error = error_of([&] { writer.publish(); });
    REQUIRE(error);
    CHECK(error->code() == Errc::file_exists);
    CHECK(contains(error->what(), "is in its place"));
    setting.volume.clean();
    std::size_t found = 0;
    for (const auto& entry : fs::directory_iterator(setting.volume.archives_path())) {
        found += fs::exists(entry.path() / "notes.txt") ? 1 : 0;
    }
    CHECK(found == 1);
    CHECK(setting.places() == std::vector{setting.folder});
}

TEST_CASE("init does not replace an archive that appears in the meantime") {
    const LayersSetting setting;
    ArchiveWriter late(setting.volume.archives_path(), 1, {.replace = false});
    CHECK(code_of([&] { late.publish(); }) == "file_exists");
    ArchiveWriter first(setting.volume.archives_path(), 77, {.replace = false});
    first.publish();
    CHECK(ArchiveReader::open(setting.volume.archive_path(77)).index().dimension == 77);
}
