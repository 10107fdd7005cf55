// SPDX-License-Identifier: Apache-2.0
// In a process without standard streams nothing of the library takes their numbers: what somebody
// prints would be written there. A file that was made with such a number, and can get no other,
// goes.
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "ipc/os/directory_watch.hpp"
#include "ipc/os/files.hpp"
#include "tests/skip.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"

using namespace strata;
using namespace strata::test;

namespace {

/// Without standard input, in a process that may have no more descriptors than it has otherwise.
template <class Body>
void without_standard_input(bool any_more, Body body) {
    Child child = Child::start([&](Channel&) {
        if (!any_more) {
            (void)::dup(0);
            const int highest = ::dup(0);
            const rlimit lowered{static_cast<rlim_t>(highest), static_cast<rlim_t>(highest)};
            ::close(highest);
            STRATA_REQUIRE(::setrlimit(RLIMIT_NOFILE, &lowered) == 0);
        }
        ::close(0);
        body();
    });
    CHECK(child.join() == "");
}

}  // namespace

TEST_CASE("a watch of directories leaves the standard streams their numbers") {
    without_standard_input(true, [] {
        const auto watch = ipc::os::make_directory_watch();
        STRATA_REQUIRE(static_cast<bool>(watch));
        STRATA_REQUIRE(watch.value.get() > STDERR_FILENO);
    });
}

TEST_CASE("no file is written under the number of a standard stream, or left behind") {
    STRATA_SKIP_IF(address_sanitized, "the sanitizer looks at objects through a pipe of its own");
    const TempBase base;
    const std::string file = (base.path() / "file").string();
    without_standard_input(false, [&] {
        STRATA_REQUIRE_EQ(ipc::os::replace_file(file, "text", 0600), EMFILE);
        STRATA_REQUIRE_EQ(ipc::os::create_file(AT_FDCWD, file, 0600).error, EMFILE);
    });
    CHECK(entries(base.path()) == 0);
    without_standard_input(true, [&] {
        STRATA_REQUIRE_EQ(ipc::os::replace_file(file, "text", 0600), 0);
        STRATA_REQUIRE_EQ(ipc::os::create_file(AT_FDCWD, file + "2", 0600).error, 0);
    });
    CHECK(entries(base.path()) == 2);
}
