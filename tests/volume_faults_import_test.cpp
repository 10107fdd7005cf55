// SPDX-License-Identifier: Apache-2.0
// Every system call of an import, a load, an initialisation, a verification and a salvage fails
// once, in turn. A producer goes on with what it had or with all that was imported; what could not
// be looked at is never called sound; what was begun can be done again.
#include <filesystem>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/refuse_each.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/volume.hpp>
#include <strata/volume_archive.hpp>
#include <strata/volume_transfer.hpp>
#include <strata/volume_verify.hpp>

using namespace strata;
using namespace strata::test;

namespace {

/// A volume that has archives of the dimensions 1 and 2 of the store.
struct VolumeSetting : Setting {
    Volume volume = Volume::init({.base_path = target});

    VolumeSetting() {
        Consumer consumer = attach();
        export_dimensions(consumer.snapshot(), volume, {.dimensions = {1, 2}, .threads = 1});
    }
};

void require_sound(const Volume& volume) {
    const VolumeReport report = verify_volume(volume, {.threads = 1});
    CHECK(report.ok());
    CHECK((report.ok() || report.failures.at(0).what.empty()));  // shows it
}

}  // namespace

TEST_CASE("an import is one generation or nothing, and the producer works on") {
    const VolumeSetting setting;
    const auto source = files_below(setting.target);
    const std::string archived = all_of(setting.attach().snapshot());
    Producer producer = setting.store.open();
    Setting::change(producer, "second");
    const std::string second = all_of(setting.attach().snapshot());
    const auto check = [&](const std::optional<Error>& error) {
        const std::string now = all_of(setting.attach().snapshot());
        CHECK((now == archived || now == second));
        CHECK((error || now == archived));
        CHECK(files_below(setting.target) == source);
        Setting::change(producer, "second");
        CHECK(all_of(setting.attach().snapshot()) == second);
        CHECK(verify(setting.attach().snapshot()).ok());
    };
    SUBCASE("all dimensions") {
        refuse_each(
            [&] {
                import_dimensions(producer, setting.volume, {.dimensions = {1, 2}, .threads = 1});
            },
            check);
    }
    SUBCASE("one, loaded") {
        std::string loaded;
        refuse_each([&] { load_dimension(producer, setting.volume, 1); },
                    [&](const std::optional<Error>& error) {
                        const Snapshot snapshot = setting.attach().snapshot();
                        const std::string first(snapshot.get({1, 1}).text());
                        CHECK((first == "first" || first == "second"));
                        CHECK((error || first == "first"));
                        CHECK(snapshot.get({2, 1}).text() == "second");
                        CHECK(files_below(setting.target) == source);
                        Setting::change(producer, "second");
                        CHECK(all_of(setting.attach().snapshot()) == second);
                    },
                    10);
    }
}

TEST_CASE("an initialisation that failed is done again") {
    const TempBase base;
    const fs::path path = base.path() / "volume";
    refuse_each([&] { static_cast<void>(Volume::init({.base_path = path})); },
                [&](const std::optional<Error>&) {
                    require_sound(Volume::init({.base_path = path}));
                    fs::remove_all(path);
                });
}

TEST_CASE("what a verification could not look at is not called sound") {
    const VolumeSetting setting;
    const auto source = files_below(setting.target);
    std::optional<VolumeReport> report;
    refuse_each(
        [&] {
            report.reset();
            report = verify_volume(setting.volume, {.threads = 1});
        },
        [&](const std::optional<Error>& error) {
            const bool all = report && report->layers == 4;
            CHECK((error || (report && (all || !report->ok()))));
            CHECK(files_below(setting.target) == source);
        });
}

TEST_CASE("a salvage leaves whole archives, and says what is lost") {
    const VolumeSetting setting;
    const auto source = files_below(setting.target);
    const fs::path path = setting.store.base() / "salvaged";
    std::optional<VolumeReport> report;
    std::optional<Volume> target = Volume::init({.base_path = path});
    refuse_each(
        [&] {
            report.reset();
            report = salvage_volume(setting.volume, *target, {.dimensions = {1, 2}, .threads = 1});
        },
        [&](const std::optional<Error>& error) {
            require_sound(*target);
            std::uint64_t layers = 0;
            for (const Dimension dimension : {1U, 2U}) {
                layers +=
                    ArchiveReader::open(target->archive_path(dimension)).index().layers.size();
            }
            CHECK((error || (report && (!report->ok() || layers == 4))));
            CHECK(files_below(setting.target) == source);
            fs::remove_all(path);
            target = Volume::init({.base_path = path});
        });
}
