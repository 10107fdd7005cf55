# SPDX-License-Identifier: Apache-2.0
cmake_minimum_required(VERSION 3.25)
# cmake -DROOT=... -DBUILD=... -P guarantees.cmake: every test that docs/guarantees.md names is one.
execute_process(COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${BUILD} --show-only
  OUTPUT_VARIABLE known RESULT_VARIABLE result)
if(result OR NOT known MATCHES "Total Tests: [1-9]")
  message(FATAL_ERROR "the tests of ${BUILD} cannot be listed")
endif()

file(STRINGS ${ROOT}/docs/guarantees.md rows REGEX "^\\|.*\\|$")
set(named 0)
foreach(row IN LISTS rows)
  # The last column of the row.
  string(REGEX MATCH "\\|([^|]*)\\|$" ignored "${row}")
  string(REGEX MATCHALL "`[a-z0-9_]*[a-z0-9]`" names "${CMAKE_MATCH_1}")
  foreach(name IN LISTS names)
    string(REPLACE "`" "" name "${name}")
    math(EXPR named "${named} + 1")
    if(NOT known MATCHES "Test +#[0-9]+: ${name}[ .\n]")
      message(SEND_ERROR "docs/guarantees.md names the test ${name}: there is none")
    endif()
  endforeach()
endforeach()
if(named LESS 40)
  message(FATAL_ERROR "only ${named} tests found in docs/guarantees.md: is it still a table?")
endif()
message(NOTICE "${named} names of tests, all of them known")
