// SPDX-License-Identifier: Apache-2.0
#include "volume/failures.hpp"

#include <cerrno>
#include <utility>

#include "ipc/failure.hpp"

namespace strata::volume_impl {

Errc errc_of(int errno_value) noexcept {
    switch (errno_value) {
        case ENOENT: return Errc::file_not_found;
        case EEXIST:
        case ENOTEMPTY: return Errc::file_exists;
        case EFBIG: return Errc::no_space;
        default: return ipc::errc_of(errno_value);  // ELOOP, ENOTDIR: not_trusted
    }
}

void fail_file(int errno_value, std::string_view operation, const std::filesystem::path& path,
               std::string detail, std::string hint) {
    throw Error({.code = errc_of(errno_value),
                 .operation = std::string(operation),
                 .path = path.string(),
                 .detail = std::move(detail),
                 .hint = std::move(hint),
                 .errno_value = errno_value});
}

void fail_corrupt(std::string_view operation, const std::filesystem::path& path, std::string detail,
                  std::string hint) {
    ipc::fail(Errc::corrupt, operation, path.string(), std::move(detail), std::move(hint));
}

std::filesystem::path absolute_place(const std::filesystem::path& path,
                                     std::string_view operation) {
    std::error_code error;
    std::filesystem::path place = std::filesystem::absolute(path, error);
    if (error) {
        fail_file(error.value(), operation, path, "cannot be found from the working directory");
    }
    while (place.has_parent_path() && place != place.root_path() &&
           (place.filename().empty() || place.filename() == ".")) {
        place = place.parent_path();
    }
    return place;
}

void fail_limit(std::string_view operation, const std::filesystem::path& path, std::string detail,
                std::uint64_t needed, std::uint64_t limit, std::string hint) {
    throw Error({.code = Errc::limit_exceeded,
                 .operation = std::string(operation),
                 .path = path.string(),
                 .detail = std::move(detail),
                 .hint = std::move(hint),
                 .needed = needed,
                 .limit = limit});
}

}  // namespace strata::volume_impl
