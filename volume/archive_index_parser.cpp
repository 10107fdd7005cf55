// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "volume/archive_index.hpp"
#include "volume/archive_index_builder.hpp"
#include "volume/failures.hpp"

namespace strata::volume_impl {

namespace {

using nlohmann::json;

// The index needs four levels; a field that we do not know may have more.
constexpr std::size_t max_depth = 64;

/// What nlohmann's parser calls, piece by piece: no tree is built, so that memory is bounded by the
/// text, and nesting costs no stack.
class Handler {
public:
    explicit Handler(const std::filesystem::path& path) : path_(path), index_(path) {}

    // What the parser calls. (Its names and signatures.)
    bool null() { return scalar("null"); }
    bool boolean(bool /*value*/) { return scalar("a truth value"); }
    bool binary(json::binary_t& /*value*/) { return scalar("binary"); }
    bool number_integer(json::number_integer_t value) {
        if (index_.field() == IndexField::frequency && !skipping()) {
            return frequency(static_cast<double>(value));
        }
        return scalar("a negative number");
    }
    bool number_unsigned(json::number_unsigned_t value) {
        if (skipping()) {
            return true;
        }
        if (index_.field() == IndexField::frequency) {
            return frequency(static_cast<double>(value));
        }
        unsigned_number(value);
        return true;
    }
    bool number_float(json::number_float_t value, const std::string& /*text*/) {
        if (index_.field() == IndexField::frequency && !skipping()) {
            return frequency(value);
        }
        return scalar("a number that is not whole, or beyond 2^64");
    }
    bool string(std::string& value) {
        if (!skipping()) {
            text(value);
        }
        return true;
    }
    bool start_object(std::size_t /*elements*/) {
        enter();
        if (skip_depth_ != 0) {
            return true;
        }
        if (depth_ == 1) {
            index_.begin_index();
        } else if (depth_ == 3 && in_layers_) {
            index_.begin_layer();
        } else {
            skip_or_complain("an object");
        }
        return true;
    }
    bool end_object() {
        if (skip_depth_ == 0 && depth_ == 3) {
            index_.end_layer();
        }
        leave();
        return true;
    }
    bool start_array(std::size_t /*elements*/) {
        enter();
        if (skip_depth_ != 0) {
            return true;
        }
        if (depth_ == 2 && index_.field() == IndexField::layers) {
            in_layers_ = true;
            index_.begin_layers();
        } else if (depth_ == 4 && (index_.field() == IndexField::keywords ||
                                   index_.field() == IndexField::keywords_base64)) {
            in_keywords_ = true;
        } else {
            skip_or_complain("a list");
        }
        return true;
    }
    bool end_array() {
        if (skip_depth_ == 0 && depth_ == 4) {
            in_keywords_ = false;
        }
        if (skip_depth_ == 0 && depth_ == 2) {
            in_layers_ = false;
            index_.end_layers();
        }
        leave();
        return true;
    }
    bool key(std::string& name) {
        if (skip_depth_ != 0) {
            return true;
        }
        index_.begin_field(name);
        return true;
    }
    bool parse_error(std::size_t at, const std::string& /*token*/, const json::exception& error) {
        fail_corrupt("read archive", path_,
                     "is no JSON: at byte " + std::to_string(at) + ": " + error.what());
    }

    ParsedIndex finish() { return index_.finish(); }

private:
    bool skipping() const noexcept {
        return skip_depth_ != 0 || (index_.field() == IndexField::unknown && !at_element());
    }
    // An element of a list has no field of its own.
    bool at_element() const noexcept { return in_layers_ && depth_ == 2; }

    void enter() {
        if (++depth_ > max_depth) {
            index_.complain("is nested deeper than " + std::to_string(max_depth) + " levels");
        }
    }
    void leave() {
        if (skip_depth_ == depth_) {
            skip_depth_ = 0;
        }
        --depth_;
        if (depth_ == 0) {
            index_.end_index();
        }
    }
    void skip_or_complain(const char* what) {
        if (depth_ == 1 || index_.field() != IndexField::unknown || (in_layers_ && depth_ == 3)) {
            index_.complain(std::string("has ") + what + " where the format has none");
        }
        skip_depth_ = depth_;
    }
    // Only a field that we do not know, or an optional one that says nothing, may be that.
    bool scalar(const char* what) {
        if (skipping()) {
            return true;
        }
        if (std::string_view(what) != "null" || index_.field() != IndexField::frequency ||
            at_element()) {
            index_.complain(std::string("has ") + what + " where the format has none");
        }
        return true;
    }
    bool frequency(double value) noexcept {
        index_.frequency(value);
        return true;
    }

    void unsigned_number(std::uint64_t value) {
        if (at_element() || in_keywords_) {
            index_.complain("has a number where the format has none");
        }
        index_.number(value);
    }
    void text(std::string& value) {
        if (at_element()) {
            index_.complain("is a text");
        }
        if (in_keywords_) {
            index_.keyword(value);
        } else {
            index_.text(value);
        }
    }

    const std::filesystem::path& path_;
    ArchiveIndexBuilder index_;
    std::size_t depth_ = 0;
    std::size_t skip_depth_ = 0;  // level of the unknown value that is being skipped; 0: none
    bool in_layers_ = false;
    bool in_keywords_ = false;
};

}  // namespace

ParsedIndex parse_index(std::string_view text, const std::filesystem::path& path) {
    Handler handler(path);
    json::sax_parse(text.begin(), text.end(), &handler);
    return handler.finish();
}

}  // namespace strata::volume_impl
