# SPDX-License-Identifier: Apache-2.0
# What every target of this project has in common. Set per target, never globally, so that a project
# that takes strata in with add_subdirectory() or FetchContent keeps its own flags.

find_package(Threads REQUIRED)

set(strata_sanitizer_flags "")
if(STRATA_SANITIZER STREQUAL "address")
  set(strata_sanitizer_flags -fsanitize=address,undefined -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    list(APPEND strata_sanitizer_flags
      -fsanitize-ignorelist=${PROJECT_SOURCE_DIR}/cmake/sanitizer_ignored.txt)
  endif()
elseif(STRATA_SANITIZER STREQUAL "thread")
  set(strata_sanitizer_flags -fsanitize=thread -fno-omit-frame-pointer)
elseif(NOT STRATA_SANITIZER STREQUAL "")
  message(FATAL_ERROR
    "STRATA_SANITIZER is '${STRATA_SANITIZER}'; it may be empty, 'address' or 'thread'")
endif()
if(STRATA_FUZZ)  # ./dev fuzz: counts edges, for libFuzzer
  list(APPEND strata_sanitizer_flags -fsanitize=fuzzer-no-link)
endif()
if(STRATA_COVERAGE)  # ./dev fuzz --coverage: for llvm-cov
  list(APPEND strata_sanitizer_flags -fprofile-instr-generate -fcoverage-mapping)
endif()

# Presets that are compiled for one run parse the standard library once per library, and once for all
# tests; the others compile each source by itself, so that no header forgets what it needs. TESTS: not
# in libraries, for with -O3 GCC 12 warns of overflows that are not there if headers are precompiled.
set(STRATA_PRECOMPILE_HEADERS OFF CACHE STRING "Precompile the standard headers: OFF, TESTS or ON")
set(strata_precompiled ${CMAKE_CURRENT_LIST_DIR}/precompiled.hpp)

function(strata_target_defaults target)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF CXX_STANDARD_REQUIRED ON)
  target_compile_features(${target} PRIVATE cxx_std_20)
  if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    target_compile_options(${target} PRIVATE
      -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${STRATA_WERROR}>:-Werror>
      # Who needs which lock: ipc/thread_annotations.hpp.
      $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
      # GCC 12 sees overlaps in std::string's operator+ that are not there (GCC bug 105651).
      $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
      ${strata_sanitizer_flags})
    target_link_options(${target} PRIVATE ${strata_sanitizer_flags})
  endif()
endfunction()

# strata_library(ipc) declares strata_ipc, alias strata::ipc. Its folder then lists the sources with
# target_sources(). Inside the project, headers are included by their path from the root.
function(strata_library name)
  set(target strata_${name})
  add_library(${target})
  add_library(strata::${name} ALIAS ${target})
  strata_target_defaults(${target})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PUBLIC strata_headers PRIVATE $<BUILD_INTERFACE:Boost::headers>)
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${name}
    POSITION_INDEPENDENT_CODE ON
    INSTALL_RPATH $<IF:$<PLATFORM_ID:Darwin>,@loader_path,$ORIGIN>
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  if(STRATA_PRECOMPILE_HEADERS STREQUAL "ON")
    target_precompile_headers(${target} PRIVATE ${strata_precompiled})
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Position-independent code without losing the inlining of our own functions.
    target_compile_options(${target} PRIVATE -fno-semantic-interposition)
  endif()
  if(STRATA_POPCNT AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$"
      AND CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    # Without it std::popcount, the heart of the index, is a table look-up. Present in every x86-64
    # CPU since 2008 (Nehalem, Barcelona).
    target_compile_options(${target} PRIVATE -mpopcnt)
  endif()
endfunction()

# A program of ours, in <build>/bin.
function(strata_program name)
  add_executable(${name} ${ARGN})
  strata_target_defaults(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()

# For a program in C: with a sanitizer it is linked as C++, for strata is, and what Clang links to
# programs in C lacks that part.
function(strata_link_c_program target)
  target_link_libraries(${target} PRIVATE strata::c)
  if(STRATA_SANITIZER)
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX)
  endif()
endfunction()
