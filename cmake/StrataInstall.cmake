# SPDX-License-Identifier: Apache-2.0
# Everything a user needs: headers, libraries, find_package(strata), pkg-config. In four components,
# which are also Debian's packages: what programs need to run (`libraries`), what building them takes
# (`development`), the command (`tools`), and the Python package (`python`, only when it is named). The
# Node.js package (`node`, only when it is named) is none of Debian's yet.
include(CMakePackageConfigHelpers)

set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME development)

set(strata_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/strata)

install(TARGETS strata_headers strata_ipc strata_producer strata_consumer strata_directory strata
  EXPORT strata
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libraries NAMELINK_COMPONENT development
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT libraries)
if(TARGET strata_c)
  install(TARGETS strata_c
    EXPORT strata
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libraries NAMELINK_COMPONENT development)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/strata
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.hpp" PATTERN "*.h")
install(EXPORT strata
  NAMESPACE strata:: FILE strata-targets.cmake DESTINATION ${strata_cmake_dir})

# A component of its own, so that only those who ask for it need libcrypto.
if(TARGET strata_volume)
  install(TARGETS strata_volume EXPORT strata-volume
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libraries NAMELINK_COMPONENT development
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT libraries)
  install(EXPORT strata-volume
    NAMESPACE strata:: FILE strata-volume-targets.cmake DESTINATION ${strata_cmake_dir})
endif()

configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/strata-config.cmake.in ${PROJECT_BINARY_DIR}/strata-config.cmake
  INSTALL_DESTINATION ${strata_cmake_dir}
  NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/strata-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/strata-config.cmake ${PROJECT_BINARY_DIR}/strata-config-version.cmake
  DESTINATION ${strata_cmake_dir})

# The .pc file finds its prefix from its own place, so an installed tree can be moved.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(strata_pc_prefix ${CMAKE_INSTALL_PREFIX})
  set(strata_pc_libdir ${CMAKE_INSTALL_FULL_LIBDIR})
  set(strata_pc_includedir ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
  file(RELATIVE_PATH strata_pc_up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" strata_pc_prefix "\${pcfiledir}/${strata_pc_up}")
  set(strata_pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(strata_pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/strata.pc.in ${PROJECT_BINARY_DIR}/strata.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/strata.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(TARGET strata_c)
  configure_file(
    ${PROJECT_SOURCE_DIR}/cmake/strata-c.pc.in ${PROJECT_BINARY_DIR}/strata-c.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/strata-c.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
if(TARGET strata_volume)
  set(strata_pc_archive)
  set(strata_pc_archive_name)
  if(STRATA_VOLUME_STREAMS)
    set(strata_pc_archive " -larchive")
    set(strata_pc_archive_name ", libarchive")
  endif()
  configure_file(${PROJECT_SOURCE_DIR}/cmake/strata-volume.pc.in
    ${PROJECT_BINARY_DIR}/strata-volume.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/strata-volume.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
