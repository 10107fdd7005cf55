# SPDX-License-Identifier: Apache-2.0
cmake_minimum_required(VERSION 3.25)
# cmake -DKIND=... -DWORK=... -P run.cmake: builds one consumer project from nothing and runs it.
#   find_package_volume: the component `volume`
#   find_package, pkg_config, and the same in C (find_package_c, pkg_config_c): against the tree installed in PREFIX
#   fetch_content: from the sources in STRATA_SOURCE_DIR, as shared libraries

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(ENV{CXXFLAGS} "")
set(here ${CMAKE_CURRENT_LIST_DIR})
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK}/stores)

if(KIND STREQUAL "pkg_config")
  file(GLOB_RECURSE pc ${PREFIX}/strata.pc)
  cmake_path(GET pc PARENT_PATH pc_dir)
  set(ENV{PKG_CONFIG_PATH} ${pc_dir})
  execute_process(COMMAND ${PKG_CONFIG} --cflags --libs strata
    OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run(${CXX} -std=c++20 ${here}/main.cpp -o ${WORK}/hello ${flags})
elseif(KIND STREQUAL "pkg_config_c")  # no word of C++, neither when compiling nor when linking
  file(GLOB_RECURSE pc ${PREFIX}/strata-c.pc)
  cmake_path(GET pc PARENT_PATH pc_dir)
  set(ENV{PKG_CONFIG_PATH} ${pc_dir})
  execute_process(COMMAND ${PKG_CONFIG} --cflags --libs strata-c
    OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  cmake_path(GET pc_dir PARENT_PATH library_dir)
  run(cc -std=c11 -Wall -Wextra -Wpedantic -Werror ${here}/main.c -o ${WORK}/hello ${flags}
    -Wl,-rpath,${library_dir})
elseif(KIND MATCHES "^find_package")
  run(${CMAKE_COMMAND} -G Ninja -S ${here}/${KIND} -B ${WORK} -DCMAKE_CXX_COMPILER=${CXX}
    -DCMAKE_PREFIX_PATH=${PREFIX} -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
  run(${CMAKE_COMMAND} --build ${WORK} -j 2)
elseif(KIND STREQUAL "fetch_content")
  run(${CMAKE_COMMAND} -G Ninja -S ${here}/fetch_content -B ${WORK} -DCMAKE_CXX_COMPILER=${CXX}
    -DSTRATA_SOURCE_DIR=${STRATA_SOURCE_DIR} -DBUILD_SHARED_LIBS=ON -DSTRATA_PRECOMPILE_HEADERS=ON)
  run(${CMAKE_COMMAND} --build ${WORK} -j 2)
else()
  message(FATAL_ERROR "KIND is '${KIND}'")
endif()

run(${WORK}/hello ${WORK}/stores)
