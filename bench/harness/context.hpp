// SPDX-License-Identifier: Apache-2.0
// One run of the program: its options, the rows that are wanted, the report.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/harness/machine.hpp"
#include "bench/harness/row.hpp"

namespace strata::bench {

struct Options {
    bool quick = false;
    int rounds = 5;
    std::filesystem::path base{};  ///< a directory on tmpfs: all stores go below it
    std::filesystem::path json{};  ///< empty: no file
    std::string command{};
    std::string software{};            ///< versions, for the report
    std::vector<std::string> names{};  ///< row names or prefixes of them; empty: all
};

class Context {
public:
    explicit Context(Options options) : options_(std::move(options)) {}

    const Options& options() const noexcept { return options_; }
    bool quick() const noexcept { return options_.quick; }
    int rounds() const noexcept { return options_.rounds; }
    /// How long one contestant works in one round.
    double round_seconds() const noexcept { return quick() ? 0.02 : 0.1; }

    /// True if a row of this name, or any row below or above it, was asked for.
    bool wants(const std::string& name) const;

    /// True in the first turn of run_rounds, which does not count.
    bool warming_up() const noexcept { return warming_up_; }
    void set_warming_up(bool is_warming_up) noexcept { warming_up_ = is_warming_up; }

    /// Prints the row, keeps it and rewrites the JSON file, so that an interrupted run leaves what
    /// it had.
    void finish(Row row);

    const std::vector<Row>& rows() const noexcept { return rows_; }

private:
    void write_json() const;

    Options options_;
    std::vector<std::pair<std::string, std::string>> machine_ = describe_machine();
    std::vector<Row> rows_;
    bool warming_up_ = false;
};

/// One contestant's work in one round; returns the round's value.
struct Entrant {
    std::string name{};
    Role role = Role::peer;
    std::function<double()> run{};
};

/// A warm-up, then `rounds` times every entrant in turn, starting with another one each time. An
/// entrant that throws NotRun drops out; WrongAnswer ends the run.
void run_rounds(Context& context, Row& row, std::vector<Entrant>& entrants);

/// A fresh directory below the run's base, removed with everything in it at the end.
class ScratchDirectory {
public:
    ScratchDirectory(const Context& context, const std::string& stem);
    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;
    ~ScratchDirectory();

    const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace strata::bench
