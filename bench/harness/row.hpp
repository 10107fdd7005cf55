// SPDX-License-Identifier: Apache-2.0
// The result model: a row of the table, its contestants' rounds, its budgets.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace strata::bench {

/// A contestant that cannot take part; the row goes on without it.
class NotRun : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// strata: ours. peer: what somebody would use instead. ceiling: what nobody can be faster than, or
/// a structure without the promises (one process, one version).
enum class Role : unsigned char { strata, peer, ceiling };

struct Contestant {
    std::string name{};
    Role role = Role::peer;
    std::vector<double> rounds{};
    std::string not_run{};  ///< reason
};

enum class Bound : unsigned char { at_most, at_least };

/// A budget: the value of `over`, divided by that of `under` in the same round if one is named,
/// against a bound.
struct Budget {
    std::string over{};
    std::string under{};
    Bound bound = Bound::at_most;
    double limit = 0;
    std::optional<double> measured{};  ///< nothing: a contestant did not run

    bool met() const {
        return measured && (bound == Bound::at_most ? *measured <= limit : *measured >= limit);
    }
    std::string text() const;
};

struct Row {
    std::string name{};   ///< path-like: reads/uniform/280
    std::string title{};  ///< what one number means
    std::string unit{};   ///< "ns", "MB", ...
    bool more_is_better = false;
    std::vector<Contestant> contestants{};
    std::vector<Budget> budgets{};
    std::vector<std::string> notes{};
    double others_busy = 0;  ///< share of all CPUs that other processes used meanwhile

    Contestant& contestant(const std::string& who, Role role);
    const Contestant* find(const std::string& who) const;
    void value(const std::string& who, Role role, double one_round);
    void not_run(const std::string& who, Role role, const std::string& reason);

    void at_most(double limit, const std::string& over, const std::string& under = {});
    void at_least(double limit, const std::string& over, const std::string& under = {});

    /// Taken round by round, and then the median, so that a slow phase of the machine hits both
    /// sides. Nothing if one of them did not run.
    std::optional<double> ratio(const std::string& over, const std::string& under) const;
    /// Measured values of the budgets; call when all rounds are there.
    void evaluate();
};

}  // namespace strata::bench
