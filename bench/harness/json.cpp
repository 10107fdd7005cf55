// SPDX-License-Identifier: Apache-2.0
#include "bench/harness/json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>

#include "bench/harness/stats.hpp"

namespace strata::bench {

void Json::key(std::string_view name) {
    if (!first_) {
        text_ += ",\n";
    }
    first_ = false;
    if (!name.empty()) {
        quoted(name);
        text_ += ": ";
    }
}

void Json::quoted(std::string_view text) {
    text_ += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            text_ += '\\';
        }
        text_ += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    text_ += '"';
}

void Json::open(std::string_view name, char bracket) {
    if (!text_.empty()) {
        key(name);
    }
    text_ += bracket;
    first_ = true;
}

void Json::close(char bracket) {
    text_ += bracket;
    first_ = false;
}

void Json::member(std::string_view name, std::string_view value) {
    key(name);
    quoted(value);
}

void Json::member(std::string_view name, double value) {
    key(name);
    char number[40];
    std::snprintf(number, sizeof number, "%.6g", std::isfinite(value) ? value : 0.0);
    text_ += number;
}

void Json::member(std::string_view name, bool value) {
    key(name);
    text_ += value ? "true" : "false";
}

void Json::element(double value) { member({}, value); }
void Json::element(std::string_view value) { member({}, value); }

void Json::save(const std::filesystem::path& file) const {
    std::filesystem::path temporary = file;
    temporary += ".new";
    std::ofstream(temporary) << text_ << "\n";
    std::filesystem::rename(temporary, file);
}

void write(Json& json, const Row& row) {
    json.begin_object();
    json.member("name", row.name);
    json.member("title", row.title);
    json.member("unit", row.unit);
    json.member("more_is_better", row.more_is_better);
    json.member("others_busy", row.others_busy);
    json.begin_array("contestants");
    for (const Contestant& one : row.contestants) {
        json.begin_object();
        json.member("name", one.name);
        json.member("role", one.role == Role::strata    ? "strata"
                            : one.role == Role::ceiling ? "ceiling"
                                                        : "peer");
        if (!one.not_run.empty()) {
            json.member("not_run", one.not_run);
        } else if (!one.rounds.empty()) {
            const auto [low, high] = std::minmax_element(one.rounds.begin(), one.rounds.end());
            json.member("median", median(one.rounds));
            json.member("min", *low);
            json.member("max", *high);
            json.member("rounds", static_cast<double>(one.rounds.size()));
        }
        json.end_object();
    }
    json.end_array();
    json.begin_array("budgets");
    for (const Budget& budget : row.budgets) {
        json.begin_object();
        json.member("text", budget.text());
        json.member("limit", budget.limit);
        if (budget.measured) {
            json.member("measured", *budget.measured);
        }
        json.member("verdict", !budget.measured ? "not run" : budget.met() ? "met" : "missed");
        json.end_object();
    }
    json.end_array();
    json.begin_array("notes");
    for (const std::string& note : row.notes) {
        json.element(note);
    }
    json.end_array();
    json.end_object();
}

}  // namespace strata::bench
