// SPDX-License-Identifier: Apache-2.0
// Just enough JSON to hand the results to the renderer.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "bench/harness/row.hpp"

namespace strata::bench {

class Json {
public:
    void begin_object(std::string_view name = {}) { open(name, '{'); }
    void begin_array(std::string_view name) { open(name, '['); }
    void end_object() { close('}'); }
    void end_array() { close(']'); }
    void member(std::string_view name, std::string_view value);
    void member(std::string_view name, const char* value) { member(name, std::string_view(value)); }
    void member(std::string_view name, double value);
    void member(std::string_view name, bool value);
    void element(double value);
    void element(std::string_view value);

    /// Writes to a temporary file first: a reader never sees half of it.
    void save(const std::filesystem::path& file) const;

private:
    void open(std::string_view name, char bracket);
    void close(char bracket);
    void key(std::string_view name);
    void quoted(std::string_view text);

    std::string text_;
    bool first_ = true;
};

void write(Json& json, const Row& row);

}  // namespace strata::bench
