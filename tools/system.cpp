// SPDX-License-Identifier: Apache-2.0
#include "system.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

namespace strata::tools {

std::optional<Error> failure_of(const std::function<bool()>& call, std::string operation,
                                std::string path) {
    errno = 0;
    if (call()) {
        return std::nullopt;
    }
    const int error = errno;  // before anything else can change it
    return Error(
        {.code = error == EACCES || error == EPERM ? Errc::permission_denied : Errc::system,
         .operation = std::move(operation),
         .path = std::move(path),
         .detail = error == 0 ? "" : std::system_category().message(error),
         .errno_value = error});
}

}  // namespace strata::tools
