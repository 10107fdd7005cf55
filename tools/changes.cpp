// SPDX-License-Identifier: Apache-2.0
#include "changes.hpp"

#include <array>

#include "text.hpp"

namespace strata::tools {

std::string change_text(const Settings& settings, const Change& change) {
    constexpr std::array<const char*, 3> kinds = {"added    ", "updated  ", "removed  "};
    std::string text = kinds[static_cast<std::size_t>(change.kind)];
    text += std::to_string(change.id.dimension) + "/" + std::to_string(change.id.layer) + "  ";
    if (change.before) {
        text += size_text(change.before.size(), settings.bytes);
    }
    if (change.before && change.after) {
        text += " -> ";
    }
    if (change.after) {
        text += size_text(change.after.size(), settings.bytes);
    }
    const Layer& layer = change.after ? change.after : change.before;
    if (!layer.name().empty()) {
        text += "  @" + printable(layer.name());
    }
    return text;
}

std::vector<Change> changes_between(const Snapshot& before, const Snapshot& after,
                                    const std::string& dimension) {
    if (dimension.empty()) {
        return changes(before, after);
    }
    for (const Snapshot* const snapshot : {&after, &before}) {
        try {
            return changes(before, after, find_dimension(*snapshot, dimension));
        } catch (const Error& error) {
            if (error.code() != Errc::dimension_not_found) {
                throw;
            }
        }
    }
    return {};  // it may come yet
}

}  // namespace strata::tools
