// SPDX-License-Identifier: Apache-2.0
// The process whose calls are refused: it goes through the steps of a scenario, judges the error of
// each, and compares what it has to have at its end with what it had at its beginning.
#pragma once

#include <cerrno>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tests/faults/partner.hpp"
#include "tests/faults/plan.hpp"
#include "tests/faults/stage.hpp"
#include "tests/support/temp_store.hpp"

namespace strata::test {

class Subject {
public:
    Subject(const TempStore& store, Stage& stage, const Channel& partner,
            const std::optional<Plan>& plan);

    const TempStore& store() const noexcept { return store_; }

    /// From here on calls may be refused ...
    void arm() noexcept { stage_.armed = true; }
    /// ... and from here on no more.
    void heal() noexcept { stage_.armed = false; }
    bool was_refused() const noexcept { return stage_.refused > 0; }
    bool refuses(std::string_view kind) const noexcept {
        return was_refused() && plan_ && plan_->site.kind == kind;
    }
    /// A call said that something is not there: whoever believes that is right.
    bool was_told_absent() const noexcept {
        return was_refused() && plan_ && plan_->error == ENOENT;
    }

    /// Work of the library that may end in a fitting error. True if it did not.
    template <class Action>
    bool step(std::string_view name, Action&& action) {
        const bool done = quiet_step(name, std::forward<Action>(action));
        look();
        return done;
    }
    /// The same without looking at the consequences, for a part of something.
    template <class Action>
    bool quiet_step(std::string_view name, Action&& action) {
        stage_.set_step(name);
        bool done = false;
        try {
            stage_.own_work = false;
            std::forward<Action>(action)();
            stage_.own_work = true;
            done = true;
        } catch (const std::exception& error) {
            stage_.own_work = true;
            judge(error);
        }
        return done;
    }
    /// The same, once more if it failed: what is refused once does not fail twice.
    template <class Action>
    bool stubborn_step(std::string_view name, Action&& action) {
        return step(name, action) || step(name, action);
    }
    /// Work that nothing gets in the way of: an error is wrong.
    template <class Action>
    bool must(std::string_view name, Action&& action) {
        stage_.set_step(name);
        try {
            std::forward<Action>(action)();
            return true;
        } catch (const std::exception& error) {
            complain(error.what());
            return false;
        }
    }

    void require(bool condition, const std::string& what) {
        if (!condition) {
            complain(what);
        }
    }
    void complain(const std::string& what) { stage_.complain(what); }
    void request(Request request);

    /// Done after each step once a call was refused.
    void after_steps(std::function<void()> look) { look_ = std::move(look); }

    /// Everything was destroyed: nothing may be left in this process.
    void end();

private:
    struct Belongings {
        std::size_t descriptors = 0;
        std::size_t threads = 0;
        std::size_t mappings = 0;  ///< of the store's files
    };

    void judge(const std::exception& error);
    void look();
    Belongings belongings() const;

    const TempStore& store_;
    Stage& stage_;
    const Channel& partner_;
    std::optional<Plan> plan_;
    std::function<void()> look_;
    Belongings before_;
};

}  // namespace strata::test
