// SPDX-License-Identifier: Apache-2.0
// Every system call of an export, a backup and a restore fails once, in turn. The source is never
// touched, the target is as it was or complete, and what is thrown is a typed error.
#include <filesystem>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/command.hpp"
#include "tests/support/refuse_each.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/volume_backup.hpp>

using namespace strata;
using namespace strata::test;

TEST_CASE("a backup is complete or not there") {
    const Setting setting;
    {
        Consumer consumer = setting.attach();
        backup_store(consumer, setting.target, {.threads = 1});
    }
    setting.change("second");
    const auto before = files_below(setting.target);
    const auto source = files_below(setting.store.path());
    refuse_each(
        [&] {
            Consumer consumer = setting.attach();
            backup_store(consumer, setting.target, {.threads = 1});
        },
        [&](const std::optional<Error>& error) {
            const bool made = fs::exists(setting.target / "backup-00000002");
            CHECK((made || error));
            if (made) {
                CHECK((!error || contains(error->what(), "is in its place")));
                CHECK(verify_backups(setting.target).ok());
                fs::remove_all(setting.target / "backup-00000002");
            }
            CHECK(files_below(setting.target) == before);
            CHECK(files_below(setting.store.path()) == source);
        });
}

TEST_CASE("a store that is restored in place is the old one or the new one") {
    const Setting setting;
    {
        Consumer consumer = setting.attach();
        backup_store(consumer, setting.target, {.threads = 1});
    }
    const std::string was = all_of(setting.attach().snapshot());
    const auto source = files_below(setting.target);
    setting.change("second");
    const std::string changed = all_of(setting.attach().snapshot());
    refuse_each(
        [&] {
            restore_store(setting.target, setting.store.name(), setting.store.base(),
                          {.replace = true, .threads = 1});
        },
        [&](const std::optional<Error>& error) {
            const std::string now = all_of(setting.attach().snapshot());
            CHECK((now == was || now == changed));
            CHECK((!error || error->code() != Errc::corrupt));  // a refusal is no damage
            if (now == was) {
                CHECK((!error || contains(error->what(), "is in its place")));
                setting.change("second");
                CHECK(all_of(setting.attach().snapshot()) == changed);
            } else {
                CHECK(error);
            }
            CHECK(files_below(setting.target) == source);
        });
}

TEST_CASE("an export replaces an archive or leaves it") {
    const Setting setting;
    const Volume volume = Volume::init({.base_path = setting.target});
    {
        Consumer consumer = setting.attach();
        export_dimensions(consumer.snapshot(), volume, {.threads = 1});
    }
    setting.change("second");
    const auto source = files_below(setting.store.path());
    refuse_each(
        [&] {
            Consumer consumer = setting.attach();
            export_dimensions(consumer.snapshot(), volume, {.threads = 1});
        },
        [&](const std::optional<Error>&) {
            for (const Dimension dimension : {1U, 2U}) {
                const ArchiveReader archive = ArchiveReader::open(volume.archive_path(dimension));
                const auto content = archive.read(archive.index().layers.at(0));
                const std::string text(reinterpret_cast<const char*>(content.data()),
                                       content.size());
                CHECK((text == "first" || text == "second"));
                archive.verify(archive.index().layers.at(1));
            }
            CHECK(files_below(setting.store.path()) == source);
        });
}
