# SPDX-License-Identifier: Apache-2.0
# Debian's packages of the install components, as its policy asks for them (cpack -G DEB).
# What CPack cannot say is done in the staged trees by StrataDebianStage.cmake.
if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  message(FATAL_ERROR "STRATA_DEBIAN needs -DCMAKE_INSTALL_PREFIX=/usr, as the preset 'package' has it")
endif()
foreach(target strata_c strata_tool strata_python strata_volume)
  if(NOT TARGET ${target})
    message(FATAL_ERROR "STRATA_DEBIAN packs all there is, but there is no target ${target}")
  endif()
endforeach()

set(debian ${PROJECT_SOURCE_DIR}/packaging/debian)
set(made ${PROJECT_BINARY_DIR}/debian)

# The newest entry of Debian's changelog has the version of the packages; it is one of ours.
file(STRINGS ${debian}/changelog newest LIMIT_COUNT 1)
if(NOT newest MATCHES "^strata \\((${PROJECT_VERSION}-[^)]+)\\) ")
  message(FATAL_ERROR "packaging/debian/changelog: its first entry is no version of ${PROJECT_VERSION}")
endif()
set(version ${CMAKE_MATCH_1})
file(STRINGS ${debian}/changelog signature REGEX "^ -- ")
list(GET signature 0 signature)
if(NOT signature MATCHES "^ -- (.+>)  ")
  message(FATAL_ERROR "packaging/debian/changelog: its first entry is not signed")
endif()
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${CMAKE_MATCH_1})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME strata)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_VENDOR strata)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each package has its own
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/StrataDebianStage.cmake)
set(CPACK_COMPONENTS_ALL libraries development tools python)
if(TARGET strata_node)  # where Node's headers are: Debian's libnode-dev, a large download, is not asked for
  list(APPEND CPACK_COMPONENTS_ALL node)
endif()
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
string(REGEX REPLACE "^${PROJECT_VERSION}-" "" CPACK_DEBIAN_PACKAGE_RELEASE ${version})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SOURCE strata)

# strata_debian_package(component name section SUMMARY text DESCRIPTION text [DEPENDS relations]
# [RECOMMENDS relations] [SUGGESTS relations] [SHLIBDEPS] [CONTROL file...])
function(strata_debian_package component name section)
  cmake_parse_arguments(PARSE_ARGV 3 arg "SHLIBDEPS" "SUMMARY;DESCRIPTION;DEPENDS;RECOMMENDS;SUGGESTS"
    "CONTROL")
  string(TOUPPER ${component} upper)
  set(prefix CPACK_DEBIAN_${upper})
  set(${prefix}_DESCRIPTION "${arg_SUMMARY}\n${arg_DESCRIPTION}" PARENT_SCOPE)
  set(${prefix}_PACKAGE_NAME ${name} PARENT_SCOPE)
  set(${prefix}_PACKAGE_SECTION ${section} PARENT_SCOPE)
  set(${prefix}_PACKAGE_SHLIBDEPS ${arg_SHLIBDEPS} PARENT_SCOPE)
  set(${prefix}_PACKAGE_CONTROL_EXTRA "${arg_CONTROL}" PARENT_SCOPE)
  foreach(relation DEPENDS RECOMMENDS SUGGESTS)
    set(${prefix}_PACKAGE_${relation} "${arg_${relation}}" PARENT_SCOPE)
  endforeach()

  set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME ${component})
  install(FILES ${debian}/copyright ${made}/changelog.gz ${made}/changelog.Debian.gz
    DESTINATION share/doc/${name})
  if(EXISTS ${debian}/${name}.lintian-overrides)
    install(FILES ${debian}/${name}.lintian-overrides
      DESTINATION share/lintian/overrides RENAME ${name})
  endif()
endfunction()

# Without time stamps, so that equal sources make equal packages.
file(MAKE_DIRECTORY ${made})
foreach(pair changelog.Debian=${debian}/changelog changelog=${PROJECT_SOURCE_DIR}/CHANGELOG.md)
  string(REPLACE "=" ";" pair ${pair})
  list(GET pair 0 name)
  list(GET pair 1 source)
  execute_process(COMMAND gzip -9nc ${source} OUTPUT_FILE ${made}/${name}.gz
    COMMAND_ERROR_IS_FATAL ANY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
endforeach()

get_target_property(soversion strata_c SOVERSION)  # the package is named after what it promises
set(about "strata shares versioned, read-mostly data between the processes of one
machine: a producer publishes generations into mapped memory, any number of
consumers read consistent snapshots in place, without locks and without
writing anything.")
set(popcnt "")
if(STRATA_POPCNT AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(popcnt "\n.\nThe processor needs the POPCNT instruction (all since 2008 have it).")
endif()

# CPack would have this package call ldconfig itself, were it to look for shared libraries in it; the
# trigger does that, once for many packages. So its dependencies are found by the script.
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_LIST_DIR}/StrataDebianDepends.cmake)
set(CPACK_STRATA_LIBRARY ${PROJECT_BINARY_DIR}/bindings/c/libstrata.so.${PROJECT_VERSION})
file(WRITE ${made}/shlibs "libstrata ${soversion} libstrata${soversion} (>= ${PROJECT_VERSION})\n")

strata_debian_package(libraries libstrata${soversion} libs
  CONTROL ${debian}/triggers ${made}/shlibs
  SUMMARY "versioned data shared between processes (shared library)"
  DESCRIPTION "${about}\n.\nThis is the library with the C interface, which bindings use.${popcnt}")
strata_debian_package(development libstrata-dev libdevel
  DEPENDS "libstrata${soversion} (= ${version}), libc6-dev"
  RECOMMENDS "libssl-dev, libarchive-dev"
  SUGGESTS "libboost-dev, strata-tools"
  SUMMARY "versioned data shared between processes (development files)"
  DESCRIPTION "${about}\n.\nThese are the headers, the C++ libraries (static), and files for CMake and
pkg-config. The component volume needs libssl-dev and libarchive-dev,
<strata/interprocess.hpp> needs libboost-dev.${popcnt}")
strata_debian_package(tools strata-tools utils
  SHLIBDEPS
  SUMMARY "versioned data shared between processes (command line)"
  DESCRIPTION "${about}\n.\nThis is the command strata: it lists, reads, watches and verifies stores,
finds slow readers, serves metrics to Prometheus and keeps archives.${popcnt}")
strata_debian_package(python python3-strata python
  SHLIBDEPS
  DEPENDS "python3 (>= 3.11)"
  SUGGESTS "python3-numpy"
  CONTROL ${debian}/python3-strata/postinst ${debian}/python3-strata/prerm
  SUMMARY "versioned data shared between processes (Python module)"
  DESCRIPTION "${about}\n.\nThis is the Python module strata, consumer and producer.${popcnt}")
if(TARGET strata_node)
  strata_debian_package(node node-strata javascript
    SHLIBDEPS
    DEPENDS "nodejs (>= 18)"
    SUMMARY "versioned data shared between processes (Node.js addon)"
    DESCRIPTION "${about}\n.\nThis is the Node.js package strata, consumer and producer.${popcnt}")
endif()
include(CPack)
