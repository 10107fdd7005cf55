// SPDX-License-Identifier: Apache-2.0
#include "wordnet/queries.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>

#include "wordnet/lexicographer_files.hpp"

namespace wordnet {

namespace {

using Clock = std::chrono::steady_clock;

/// e.g. "1.25 ms"
std::string time_since(Clock::time_point start) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(2)
         << std::chrono::duration<double, std::milli>(Clock::now() - start).count() << " ms";
    return text.str();
}

std::optional<std::uint64_t> as_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
    return number;
}

bool equal_in_any_case(std::string_view left, std::string_view right) {
    return std::ranges::equal(left, right, [](unsigned char a, unsigned char b) {
        return std::tolower(a) == std::tolower(b);
    });
}

std::string display_name(strata::Dimension dimension) {
    return is_lexicographer_dimension(dimension) ? std::string(name_of(dimension))
                                                 : std::to_string(dimension);
}

void print_synset(const strata::Layer& layer) {
    std::cout << "  " << layer->id().layer << ' ' << display_name(layer->id().dimension) << ' ';
    const char* separator = "";
    for (const std::string_view word : layer->keywords()) {
        std::cout << separator << word;
        separator = ", ";
    }
    std::cout << " (" << layer->frequency() << "x): " << layer->text() << '\n';
}

/// The dimension is not known: asks all of them at once.
std::vector<strata::Layer> find_number(const strata::Snapshot& snapshot, std::uint64_t layer) {
    std::array<strata::LayerId, lexicographer_files.size()> ids;
    for (std::size_t number = 0; number < ids.size(); ++number) {
        ids[number] = {dimension_of(number), layer};
    }
    std::vector<strata::Layer> found(ids.size());
    snapshot.find(ids, found);
    std::erase_if(found, [](const strata::Layer& candidate) { return !candidate; });
    return found;
}

std::vector<strata::Layer> find_word(const strata::Snapshot& snapshot, std::string_view word) {
    std::vector<strata::Layer> found;
    for (const strata::DimensionInfo& info : snapshot.dimensions()) {
        if (!is_lexicographer_dimension(info.dimension)) continue;
        for (const strata::Layer& layer : snapshot.dimension(info.dimension)) {
            const auto has_word = [&](std::string_view key) {
                return equal_in_any_case(key, word);
            };
            if (std::ranges::any_of(layer->keywords(), has_word)) found.push_back(layer);
        }
    }
    return found;
}

}  // namespace

void print_overview(const strata::Snapshot& snapshot) {
    std::cout << "generation " << snapshot.generation() << ": " << snapshot.layer_count()
              << " layers in " << snapshot.dimension_count() << " dimensions\n";
    for (const strata::DimensionInfo& info : snapshot.dimensions()) {
        std::cout << std::setw(5) << info.dimension << ' ' << std::left << std::setw(20)
                  << info.name << std::right << std::setw(7) << info.layers << " layers"
                  << std::setw(7) << (info.live_bytes + 1023) / 1024 << " KiB\n";
    }
    std::cout << std::flush;
}

void print_lookup(const strata::Snapshot& snapshot, std::string_view word_or_number) {
    const Clock::time_point start = Clock::now();
    const std::optional<std::uint64_t> number = as_number(word_or_number);
    std::vector<strata::Layer> found;
    if (number) found = find_number(snapshot, *number);
    if (found.empty()) found = find_word(snapshot, word_or_number);
    const std::string time = time_since(start);
    std::cout << "lookup " << word_or_number << ": " << found.size() << " of "
              << snapshot.layer_count() << " layers, in " << time << '\n';
    for (const strata::Layer& layer : found)
        print_synset(layer);
    std::cout << std::flush;
}

bool print_scan(const strata::Snapshot& snapshot, std::string_view dimension) {
    const std::optional<std::uint64_t> number = as_number(dimension);
    const std::optional<strata::Dimension> named = dimension_named(dimension);
    if (!named && (!number || *number > UINT32_MAX)) return false;
    const strata::Dimension id = named ? *named : static_cast<strata::Dimension>(*number);
    if (!snapshot.has_dimension(id)) return false;

    const Clock::time_point start = Clock::now();
    std::uint64_t layers = 0;
    std::uint64_t bytes = 0;
    std::vector<strata::Layer> top;  // the three most frequent, best first
    for (const strata::Layer& layer : snapshot.dimension(id)) {
        ++layers;
        bytes += layer->size();
        if (top.size() == 3 && layer->frequency() <= top.back()->frequency()) continue;
        const auto place = std::ranges::find_if(top, [&](const strata::Layer& other) {
            return other->frequency() < layer->frequency();
        });
        top.insert(place, layer);
        if (top.size() > 3) top.pop_back();
    }
    const std::string time = time_since(start);
    std::cout << "scan " << display_name(id) << ": " << layers << " layers, " << bytes
              << " bytes of text, in " << time << "; most frequent:\n";
    for (const strata::Layer& layer : top)
        print_synset(layer);
    std::cout << std::flush;
    return true;
}

void print_changes(const strata::Snapshot& after, const std::vector<strata::Change>& changes) {
    using Kind = strata::Change::Kind;
    const auto count = [&](Kind kind) {
        return std::ranges::count(changes, kind, &strata::Change::kind);
    };
    std::cout << "generation " << after.generation() << ": " << count(Kind::updated) << " updated, "
              << count(Kind::removed) << " removed, " << count(Kind::added) << " added";
    const auto sample = std::ranges::find_if(changes, [](const strata::Change& change) {
        return is_lexicographer_dimension(change.id.dimension) && change.after;
    });
    if (sample != changes.end()) {
        std::cout << "; e.g. " << display_name(sample->id.dimension) << ' ' << sample->id.layer
                  << ": " << sample->after.text();
    }
    std::cout << std::endl;
}

}  // namespace wordnet
