// SPDX-License-Identifier: Apache-2.0
#include "own_words.hpp"

#include "guess.hpp"

namespace strata::tools {

namespace {

std::string hint_for_store(const std::filesystem::path& path) {
    if (path.filename().empty()) {
        return "`strata ls` lists the stores";
    }
    std::vector<std::string> names;
    try {
        names = list_stores(path.parent_path());
    } catch (const Error&) {
        // What cannot be listed cannot be suggested.
    }
    return did_you_mean(path.filename().string(), names) + "`strata ls` lists the stores";
}

std::string hint_for(const Error& error) {
    switch (error.code()) {
        case Errc::store_not_found:
            return error.hint().starts_with("see --base") ? error.hint()  // of the command itself
                                                          : hint_for_store(error.path());
        case Errc::store_exists: return "`strata info` shows it";
        case Errc::generation_not_retained: return "`strata info` says which generations are";
        case Errc::bookmark_not_found: return "`strata bookmark` lists them";
        case Errc::store_replaced: return "run the command again";
        case Errc::layer_too_large:
            return "the program that creates the store decides how large its files may become";
        case Errc::limit_exceeded:
            if (error.hint().starts_with("MMAP_")) {  // a volume's limit, not a store's
                return "--max-size, or MMAP_MAX_SIZE, says how large a region may be";
            }
            if (error.hint().ends_with("(remove_bookmark)")) {
                return "remove bookmarks (strata bookmark STORE NAME --remove), or what else is "
                       "not "
                       "needed (strata rm)";
            }
            return "remove something (strata rm), or let the program that produces the store raise "
                   "its limit; `strata readers` shows who holds memory back";
        case Errc::name_collision: return "give one of the two layers another name";
        case Errc::type_mismatch: return "";
        case Errc::wrong_process: return "";
        case Errc::invalid_argument: return "";
        case Errc::not_trusted:
            return error.errno_value() == 0 && error.detail().starts_with("owned by")
                       ? "run it as that user"
                       : error.hint();
        case Errc::system:
            return error.detail().starts_with("cannot map") ? "see `ulimit -v`" : error.hint();
        default: return error.hint();
    }
}

}  // namespace

Error in_own_words(const Error& error) {
    return Error({.code = error.code(),
                  .operation = error.operation(),
                  .path = error.path(),
                  .detail = error.detail(),
                  .hint = hint_for(error),
                  .errno_value = error.errno_value(),
                  .needed = error.needed(),
                  .limit = error.limit(),
                  .current = error.current()});
}

}  // namespace strata::tools
