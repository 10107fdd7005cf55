// SPDX-License-Identifier: Apache-2.0
// What the volume's commands have in common: which volume, which store, and cancelling.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "console.hpp"
#include "progress.hpp"
#include <strata/volume.hpp>
#include <strata/volume_transfer.hpp>
#include <strata/volume_verify.hpp>

namespace strata::tools {

/// Options of `strata volume` itself.
struct VolumeArguments {
    std::string path;  ///< --volume; empty: MMAP_BASE_PATH
    std::uint64_t max_size = 0;
    std::string store;  ///< --store, under the base directory; empty: the volume's own
    std::uint64_t limit = ProducerOptions{}.memory_limit;
    std::vector<std::string> dimensions;
    unsigned threads = 0;
    bool flag = false;  ///< --dry-run, --populate
};

VolumeOptions volume_options(const VolumeArguments& arguments);
Volume open_volume(const VolumeArguments& arguments);
/// To be changed: what is done is told to the audit log.
Volume open_volume(const Settings& settings, const VolumeArguments& arguments);
/// `7`, `D07` or the name of a core dimension.
std::vector<Dimension> parse_dimensions(const std::vector<std::string>& texts);

struct StorePlace {
    std::string name;
    std::filesystem::path base;
};
StorePlace store_place(const Settings& settings, const VolumeArguments& arguments,
                       const Volume& volume);
/// The same; the volume is only opened if it is meant.
StorePlace store_place(const Settings& settings, const VolumeArguments& arguments);
Consumer attach(const Settings& settings, const StorePlace& place);
/// Its producer: it keeps its limit, or is made with --limit.
Producer producer_of(const Settings& settings, const StorePlace& place,
                     const VolumeArguments& arguments);

/// While it lives, SIGINT, SIGTERM and SIGHUP do not end the process but make `check` throw Ended,
/// so that what is half made is taken away; a pipe that nobody reads any more is an error.
class Cancellation {
public:
    Cancellation();
    Cancellation(const Cancellation&) = delete;
    Cancellation& operator=(const Cancellation&) = delete;
    ~Cancellation();
    static void check();
};

/// While it lives, work can be cancelled and shows how far it is: rate and time that is left.
class TransferBar {
public:
    explicit TransferBar(const Settings& settings) : bar_(!settings.json) {}
    /// For the options of the library; throws Complaint when cancelled.
    std::function<void(const TransferProgress&)> progress();

private:
    Cancellation cancellation_;
    ProgressBar bar_;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

/// Failures, and a line with the sum. Throws Ended{damaged} if there are any.
void tell_volume_report(const Settings& settings, const VolumeReport& report,
                        std::chrono::steady_clock::duration took);

/// A command below `strata volume`.
CLI::App* add_volume_command(CLI::App* volume, const std::string& name, const std::string& what,
                             std::function<void()> run);

// Each file's commands; the first one calls the others.
void add_volume_commands(CLI::App& app, Settings& settings);
void add_volume_layout_commands(CLI::App* volume, Settings& settings, VolumeArguments& arguments);
void add_volume_transfer_commands(CLI::App* volume, Settings& settings, VolumeArguments& arguments);
void add_volume_backup_commands(CLI::App* volume, Settings& settings, VolumeArguments& arguments);
void add_volume_access_command(CLI::App* volume, Settings& settings, VolumeArguments& arguments);
void add_volume_proto_command(CLI::App* volume, Settings& settings, VolumeArguments& arguments);
void add_volume_info_command(CLI::App* volume, Settings& settings, VolumeArguments& arguments);
void add_volume_rollback_command(CLI::App* volume, Settings& settings, VolumeArguments& arguments);
void add_volume_stream_commands(CLI::App* volume, Settings& settings, VolumeArguments& arguments);
void add_volume_verify_command(CLI::App* volume, Settings& settings, VolumeArguments& arguments);

}  // namespace strata::tools
