# SPDX-License-Identifier: Apache-2.0
# Read by CPack before it packs: what libstrata.so depends on, as dpkg-shlibdeps says.
set(strata_work ${CPACK_PACKAGE_DIRECTORY}/depends)
file(WRITE ${strata_work}/debian/control "Source: strata\n\nPackage: strata\nArchitecture: any\n")
execute_process(COMMAND dpkg-shlibdeps -O ${CPACK_STRATA_LIBRARY}
  WORKING_DIRECTORY ${strata_work} OUTPUT_VARIABLE strata_depends COMMAND_ERROR_IS_FATAL ANY)
if(NOT strata_depends MATCHES "^shlibs:Depends=([^\n]+)\n")
  message(FATAL_ERROR "dpkg-shlibdeps says nothing of ${CPACK_STRATA_LIBRARY}: '${strata_depends}'")
endif()
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_DEPENDS "${CMAKE_MATCH_1}")
file(REMOVE_RECURSE ${strata_work})
