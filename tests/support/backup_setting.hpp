// SPDX-License-Identifier: Apache-2.0
// A store with three dimensions, its backups, and a place to restore to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/volume_backup.hpp>

namespace strata::test {

inline constexpr std::uint64_t layer_count = 60;

/// A store, its backups, and room for what is restored.
struct BackupSetting {
    TempStore store{"market"};
    std::filesystem::path backups = store.base() / "backups";
    std::filesystem::path elsewhere = store.base() / "elsewhere";

    BackupReport back_up(const BackupOptions& options = {}) const {
        Consumer consumer = store.attach();
        return backup_store(consumer, backups, options);
    }
    Consumer attach(const std::string& name) const {
        return Consumer::attach(name, {.base_path = elsewhere, .keep_idle_pin = false});
    }
    std::string restored(const RestoreOptions& options) const {
        restore_store(backups, "restored", elsewhere, options);
        const std::string all = all_of(attach("restored").snapshot());
        remove_store("restored", elsewhere);
        return all;
    }
    bool nothing_left() const {
        return !std::filesystem::exists(elsewhere) || entries(elsewhere) == 0;
    }
    std::string now() const { return all_of(store.attach().snapshot()); }
    std::filesystem::path file(std::uint64_t number, const std::string& name) const {
        return backups / ("backup-0000000" + std::to_string(number)) / name;
    }
};

inline void fill_market(Producer& producer) {
    Batch batch = producer.batch();
    for (Dimension dimension = 1; dimension <= 3; ++dimension) {
        for (std::uint64_t layer = 0; layer < layer_count; ++layer) {
            batch.put({dimension, layer * 7}, payload_of(dimension, layer, layer * 97),
                      {.frequency = static_cast<double>(layer) / 3, .keywords = {"k", "word"}});
        }
    }
    batch.put(5000, "greeting", "a handshake", {.keywords = {"custom"}});
    batch.put_value({5000, 2}, 3.25);
    batch.add_dimension(77, "Empty");
    batch.crystallize();
}

}  // namespace strata::test
