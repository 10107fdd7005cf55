// SPDX-License-Identifier: Apache-2.0
#include "wordnet/follower.hpp"

#include <algorithm>
#include <iostream>

#include "wordnet/queries.hpp"
#include <strata/changes.hpp>
#include <strata/error.hpp>

namespace wordnet {

using std::chrono::milliseconds;

Follower::Follower(strata::Consumer& consumer, const FollowOptions& options, const StopSignal& stop)
    : consumer_(consumer), options_(options), stop_(stop) {
    if (options.time) deadline_ = Clock::now() + *options.time;
    if (!options.verify) return;
    source_.emplace(Source::load(options.source));
    verifier_.emplace(*source_);
}

void Follower::run() {
    consumer_.event_descriptor();  // from now on no generation goes unnoticed
    seen_ = consumer_.snapshot();
    std::cout << "attached to " << consumer_.path().string() << " at generation "
              << seen_.generation() << std::endl;
    compare_whole();
    for (look(); (ended_by_ = reason_to_end()).empty(); look()) {
        wait_for_any({stop_.descriptor(), consumer_.event_descriptor()}, time_to_wait());
    }
    look();  // at what was published while the last comparison went on
    compare_whole();
}

void Follower::look() {
    consumer_.acknowledge_event();
    removed_ = consumer_.store_replaced() && !attach_anew();
    // Asked before the snapshot is taken: then nothing is newer if the answer is no.
    const bool alive = consumer_.producer_alive();
    strata::Snapshot now = consumer_.snapshot();
    if (now.generation() != seen_.generation()) take(std::move(now));
    report_producer(alive);
}

bool Follower::attach_anew() {
    try {
        consumer_.reattach();
    } catch (const strata::Error& error) {
        if (error.code() == strata::Errc::store_not_found) return false;
        throw;
    }
    seen_ = {};  // generations of another store: no differences
    ++stores_replaced_;
    std::cout << "another store stands here now: attached to it" << std::endl;
    return true;
}

void Follower::report_producer(bool alive) {
    if (alive && gone_since_) {
        gone_since_.reset();
        std::cout << "producer is back at generation " << seen_.generation() << std::endl;
    } else if (!alive && !gone_since_) {
        gone_since_ = Clock::now();
        ++producers_lost_;
        std::cout << "producer is gone at generation " << seen_.generation() << "; "
                  << seen_.layer_count() << " layers stay readable" << std::endl;
    }
}

void Follower::take(strata::Snapshot now) {
    const std::vector<strata::Change> changes = strata::changes(seen_, now);
    if (verifier_) verifier_->changed(seen_, now, changes);
    if (options_.watch) print_changes(now, changes);
    changes_ += changes.size();
    ++generations_;
    seen_ = std::move(now);
    if (Clock::now() >= next_whole_) compare_whole();
}

void Follower::compare_whole() {
    if (!verifier_) return;
    const Clock::time_point start = Clock::now();
    whole_ = verifier_->whole(seen_);
    ++wholes_;
    next_whole_ = Clock::now() + std::chrono::seconds(1);
    std::cout << "whole store at generation " << seen_.generation() << ": " << whole_.layers
              << " layers in " << whole_.dimensions << " dimensions, " << whole_.erased
              << " erased; compared in "
              << std::chrono::duration_cast<milliseconds>(Clock::now() - start).count() << " ms, "
              << verifier_->mismatches() << " mismatches so far" << std::endl;
}

std::string_view Follower::reason_to_end() const {
    const Clock::time_point now = Clock::now();
    if (stop_.raised()) return "signal";
    if (options_.generations && generations_ >= *options_.generations) return "generations";
    if (options_.until_generation && seen_.generation() >= *options_.until_generation) {
        return "until-generation";
    }
    if (deadline_ && now >= *deadline_) return "seconds";
    if (gone_since_ && now >= *gone_since_ + options_.patience) return "patience";
    return {};
}

milliseconds Follower::time_to_wait() const {
    std::optional<Clock::time_point> end = deadline_;
    if (gone_since_) {
        const Clock::time_point patience_ends = *gone_since_ + options_.patience;
        end = end ? std::min(*end, patience_ends) : patience_ends;
    }
    // Nothing announces the successor of a store that was removed.
    milliseconds longest = removed_ ? milliseconds(100) : milliseconds::max();
    if (end) longest = std::min(longest, std::chrono::ceil<milliseconds>(*end - Clock::now()));
    if (longest == milliseconds::max()) return milliseconds(-1);
    return std::max(longest, milliseconds(0));
}

std::vector<std::pair<std::string_view, std::uint64_t>> Follower::counts() const {
    return {{"layers", verifier_ ? whole_.layers : seen_.layer_count()},
            {"dimensions", verifier_ ? whole_.dimensions : seen_.dimension_count()},
            {"generation", seen_.generation()},
            {"generations_seen", generations_},
            {"changes", changes_},
            {"whole_comparisons", wholes_},
            {"layers_compared", verifier_ ? verifier_->compared() : 0},
            {"producers_lost", producers_lost_},
            {"stores_replaced", stores_replaced_},
            {"mismatches", mismatches()}};
}

std::string Follower::summary() const {
    std::string line = "consumer:";
    for (const auto& [key, value] : counts()) {
        line.append(" ").append(key).append("=").append(std::to_string(value));
    }
    return line.append(" ended_by=").append(ended_by_);
}

std::string Follower::summary_json() const {
    std::string line = "{";
    for (const auto& [key, value] : counts()) {
        line.append("\"").append(key).append("\": ").append(std::to_string(value)).append(", ");
    }
    return line.append("\"ended_by\": \"").append(ended_by_).append("\"}");
}

}  // namespace wordnet
