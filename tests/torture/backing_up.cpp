// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <string>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/torture/victim.hpp"
#include <strata/leftovers.hpp>
#include <strata/volume_backup.hpp>

namespace strata::test {

namespace {

namespace fs = std::filesystem;

/// So many backups build on each other before a new directory is begun.
constexpr std::uint64_t longest_chain = 12;

/// Beside the stores' directory, which is to have nothing but them.
fs::path backups_of(const Orders& orders) {
    return fs::path(orders.base).parent_path() / "backups" / name_of(orders.place);
}

/// What was killed while it removed something has only half of it under the name `discarded`.
void discard(const fs::path& directory) {
    const fs::path discarded = directory.parent_path() / "discarded";
    fs::remove_all(discarded);
    fs::rename(directory, discarded);
    fs::remove_all(discarded);
}

class Archivist {
public:
    Archivist(const Orders& orders, Ledger& ledger, Random& random)
        : orders_(orders), ledger_(ledger), random_(random), directory_(backups_of(orders)) {
        fs::create_directories(directory_.parent_path());
    }

    void work() {
        Consumer consumer = Consumer::attach(name_of(orders_.place), {.base_path = orders_.base});
        ledger_.attached.fetch_add(1);
        const Generation published =
            ledger_.published[static_cast<std::size_t>(orders_.place)].load();
        const BackupReport report =
            backup_store(consumer, directory_,
                         {.full = random_.below(6) == 0,
                          .threads = static_cast<unsigned>(1 + random_.below(2))});
        if (report.generation < published) {
            wrong("backup " + std::to_string(report.number) + " is of generation " +
                  std::to_string(report.generation) + " after " + std::to_string(published));
        }
        ledger_.backups.fetch_add(1);
        look_at_names();
        if (random_.below(3) == 0) {
            restore(1 + random_.below(report.number));
        }
        if (report.number >= longest_chain) {
            verify();
            discard(directory_);
        }
    }

private:
    // A backup is there as a whole or not at all, and what the killed have left is gone.
    void look_at_names() {
        std::uint64_t listed = 0;
        for (const auto& entry : fs::directory_iterator(directory_)) {
            if (!entry.path().filename().string().starts_with("backup-")) {
                wrong("nobody's: " + entry.path().string());
            }
            ++listed;
        }
        if (const auto found = list_backups(directory_); found.size() != listed) {
            wrong(std::to_string(found.size()) + " backups in " + std::to_string(listed) +
                  " directories");
        }
    }

    void restore(std::uint64_t number) {
        const fs::path base = directory_.parent_path() / "restored";
        const RestoreReport report = restore_store(directory_, name_of(orders_.place), base,
                                                   {.number = number, .replace = true});
        if (!leftovers(base).empty()) {
            wrong("restore_store left " + leftovers(base).at(0).path.string());
        }
        const Snapshot snapshot =
            Consumer::attach(name_of(orders_.place), {.base_path = base, .keep_idle_pin = false})
                .snapshot();
        const auto clock = World::clock_of(snapshot);
        if (!clock || clock->at_least > report.backed_up_generation) {
            wrong("backup " + std::to_string(number) + " has layers of after its generation");
        }
        World::Verdict verdict = World(lasting_salt).check(snapshot, Stamps::anew);
        if (verdict) {
            verdict.text.insert(0, "backup " + std::to_string(number) + ", restored: ");
        }
        judge(ledger_, verdict, "archivist");
        ledger_.restored.fetch_add(1);
    }

    void verify() {
        const VolumeReport report = verify_backups(directory_);
        if (!report.ok()) {
            wrong("verify_backups: " + report.failures.at(0).what);
        }
    }

    void wrong(std::string text) { judge(ledger_, {std::move(text)}, "archivist"); }

    const Orders& orders_;
    Ledger& ledger_;
    Random& random_;
    const fs::path directory_;
};

}  // namespace

void back_up(const Orders& orders, Ledger& ledger) {
    Random random(orders.seed);
    Archivist archivist(orders, ledger, random);
    for (std::uint64_t i = 0; i < orders.steps; ++i) {
        archivist.work();
    }
}

}  // namespace strata::test
