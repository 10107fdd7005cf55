// SPDX-License-Identifier: Apache-2.0
// JSON forms of what the commands show. Keys keep the order in which they are set.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include <strata/strata.hpp>

namespace strata::tools {

using Json = nlohmann::ordered_json;

/// One value on one line, or `indented`. Made harmless by printable_json(); integers beyond 2^53
/// as strings.
std::string json_text(const Json& value, bool indented = false);
void print_json(const Json& value);

/// A list that is written item by item, so that it need not fit into memory.
class JsonList {
public:
    JsonList();
    void add(const Json& item);
    void end();

private:
    bool empty_ = true;
};

Json to_json(const StoreInfo& info);
Json to_json(const Bookmark& bookmark);
Json to_json(const DimensionInfo& info);
/// Without its content.
Json to_json(const Layer& layer, const LayerId& id);
Json to_json(const Change& change);
Json to_json(const Error& error);

}  // namespace strata::tools
