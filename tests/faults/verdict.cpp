// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/verdict.hpp"

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <new>
#include <string_view>
#include <system_error>

#include "tests/faults/call_table.hpp"
#include "tests/support/temp_store.hpp"

namespace strata::test {

namespace {

bool is_one_of(Errc code, std::initializer_list<Errc> codes) {
    return std::find(codes.begin(), codes.end(), code) != codes.end();
}

// The code says what a user can do about it. Beside `system`, these fit:
bool fits(Errc code, int error, std::string_view kind) {
    const bool lock = kind == "fcntl.OFD_SETLK" || kind == "fcntl.OFD_GETLK";
    switch (error) {
        case EACCES:
            return code == Errc::permission_denied ||
                   (lock && is_one_of(code, {Errc::producer_active, Errc::system}));
        case EPERM:
        case EROFS: return code == Errc::permission_denied;
        case EAGAIN: return code == Errc::system || (lock && code == Errc::producer_active);
        case ENOSPC:
        case EDQUOT: return code == Errc::no_space;
        case ENOENT:
            return is_one_of(code, {Errc::store_not_found, Errc::not_a_store, Errc::corrupt,
                                    Errc::store_replaced, Errc::bookmark_not_found});
        case ELOOP:
        case ENOTDIR: return is_one_of(code, {Errc::not_trusted, Errc::not_a_store});
        case EEXIST: return is_one_of(code, {Errc::store_exists, Errc::system});
        case ENOTEMPTY: return is_one_of(code, {Errc::store_exists, Errc::system});
        default: return code == Errc::system;
    }
}

bool asks_for_memory(std::string_view kind) {
    return kind.starts_with("mmap") || kind == "mprotect" || kind == "mremap" ||
           kind.starts_with("clone") || kind == "munmap" || kind == "new";
}

// Whether another errno is right for the one that was injected.
bool is_translation(const Plan& plan, int told) {
    switch (told) {
        case EAGAIN:  // no thread, whichever of its calls was refused; a lock's EACCES
            return asks_for_memory(plan.site.kind) ||
                   (plan.error == EACCES && plan.site.kind == "fcntl.OFD_SETLK");
        case EINVAL:  // what the C library makes of it
            return plan.error == ENOSYS && plan.site.kind == "renameat2";
        case ENOTEMPTY:  // of a directory in which something is not there, as it was told
            return plan.error == ENOENT;
        case ENOENT:  // of what is not there, although it was told that it is
            return plan.error == EEXIST && plan.site.kind == "mkdirat";
        case EEXIST:  // of a name that is taken, and was told not to be there
            return plan.error == ENOENT && plan.site.kind == "openat";
        case ENAMETOOLONG:  // what the C++ library makes of a path of which nothing is there
            return (plan.error == ENOENT || plan.error == ENOTDIR) && plan.site.kind == "fstatat";
        default: return false;
    }
}

std::string judged(const Error& error, const Plan& plan, const std::filesystem::path& base) {
    if (error.operation().empty() || error.detail().empty()) {
        return "an error without operation or detail: ";
    }
    if (!error.path().starts_with(base.native())) {
        return "an error that names no file of the store: ";
    }
    const int told = error.errno_value();
    const bool translated = is_translation(plan, told);
    if (told != 0 && told != plan.error && !translated) {
        return "an error of another errno, " + errno_name(error.errno_value()) + ": ";
    }
    if (!translated && !fits(error.code(), plan.error, plan.site.kind)) {
        return "a code that does not fit, " + std::string(to_string(error.code())) + ": ";
    }
    return "";
}

}  // namespace

std::string verdict_on(const std::exception& exception, const std::optional<Plan>& plan,
                       const std::filesystem::path& base) {
    if (!plan) {
        return std::string("an error though nothing was refused: ") + exception.what();
    }
    if (const auto* const error = dynamic_cast<const Error*>(&exception)) {
        const std::string wrong = judged(*error, *plan, base);
        return wrong.empty() ? "" : wrong + error->what();
    }
    if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr &&
        asks_for_memory(plan->site.kind)) {
        return "";
    }
    // What the C++ library throws where no thread can be had.
    if (dynamic_cast<const std::system_error*>(&exception) != nullptr &&
        (plan->site.kind.starts_with("clone") || asks_for_memory(plan->site.kind))) {
        return "";
    }
    return std::string("an error that is not strata's: ") + exception.what();
}

}  // namespace strata::test
