# SPDX-License-Identifier: Apache-2.0
cmake_minimum_required(VERSION 3.25)
# cmake -DVERSION=... -DROOT=... -P version.cmake: one version number in all places.
file(READ ${ROOT}/include/strata/version.hpp header)
string(REPLACE "." ";" parts "${VERSION}")
list(GET parts 0 major)
list(GET parts 1 minor)
list(GET parts 2 patch)
foreach(expected IN ITEMS
    "#define STRATA_VERSION_MAJOR ${major}\n"
    "#define STRATA_VERSION_MINOR ${minor}\n"
    "#define STRATA_VERSION_PATCH ${patch}\n"
    "#define STRATA_ABI_NAMESPACE v${major}_${minor}\n"
    "version_string = \"${VERSION}\"")
  string(FIND "${header}" "${expected}" at)
  if(at EQUAL -1)
    message(SEND_ERROR "CMakeLists.txt says ${VERSION}; include/strata/version.hpp lacks: ${expected}")
  endif()
endforeach()

file(STRINGS ${ROOT}/CHANGELOG.md headings REGEX "^## ")
list(GET headings 0 newest)
if(NOT newest MATCHES "^## .${VERSION}. - ")
  message(SEND_ERROR "CMakeLists.txt says ${VERSION}; the first heading of CHANGELOG.md is: ${newest}")
endif()
