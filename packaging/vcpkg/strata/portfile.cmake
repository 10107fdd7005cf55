# SPDX-License-Identifier: Apache-2.0
# The sources: a checkout or an unpacked release, named by the environment's STRATA_SOURCE. (vcpkg
# hands it on if VCPKG_KEEP_ENV_VARS names it.)
if(NOT EXISTS "$ENV{STRATA_SOURCE}/CMakeLists.txt")
  message(FATAL_ERROR "STRATA_SOURCE is '$ENV{STRATA_SOURCE}': no checkout of strata; set it, and "
    "VCPKG_KEEP_ENV_VARS=STRATA_SOURCE")
endif()
set(SOURCE_PATH "$ENV{STRATA_SOURCE}")

vcpkg_check_features(OUT_FEATURE_OPTIONS features
  FEATURES
    c STRATA_BUILD_BINDINGS
    volume STRATA_BUILD_VOLUME
    tools STRATA_BUILD_TOOLS)

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    ${features}
    -DSTRATA_BUILD_TESTS=OFF
    -DSTRATA_BUILD_EXAMPLES=OFF
    -DSTRATA_INSTALL=ON
    -DSTRATA_PYTHON=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/strata)
vcpkg_fixup_pkgconfig()
if("tools" IN_LIST FEATURES)
  vcpkg_copy_tools(TOOL_NAMES strata AUTO_CLEAN)
endif()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
