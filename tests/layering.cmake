# SPDX-License-Identifier: Apache-2.0
cmake_minimum_required(VERSION 3.25)
# cmake -DROOT=... -P layering.cmake: every #include goes along an arrow.
#
#   include/strata <- ipc <- producer, consumer <- tools, examples, bindings, bench, tests
#
#  - Public headers need the standard library only; the adapters named below may add Boost.
#  - producer/ and consumer/ do not know each other.
#  - examples/, tools/ and bindings/ use <strata/...> alone: they prove that it is enough.
#  - Only ipc/ talks to the operating system.

set(folders include ipc producer consumer tools examples bindings bench tests)
set(may_use_include include)
set(may_use_ipc include ipc)
set(may_use_producer include ipc producer)
set(may_use_consumer include ipc consumer)
set(may_use_tools include tools)
set(may_use_examples include examples)
set(may_use_bindings include bindings)
set(may_use_bench include ipc producer consumer bench)
set(may_use_tests ${folders})

set(boost_adapters include/strata/interprocess.hpp)
set(no_system_headers include producer consumer)
set(system_header "^(sys|linux|asm|netinet|arpa)/|^(fcntl|unistd|pthread|sched|signal|poll|dirent|windows)\\.h$")

set(errors 0)
function(report file line reason)
  message(NOTICE "${file}: ${line}\n    ${reason}")
  math(EXPR errors "${errors} + 1")
  set(errors ${errors} PARENT_SCOPE)
endfunction()

set(checked 0)
foreach(folder IN LISTS folders)
  file(GLOB_RECURSE files RELATIVE ${ROOT}
    ${ROOT}/${folder}/*.hpp ${ROOT}/${folder}/*.cpp ${ROOT}/${folder}/*.h ${ROOT}/${folder}/*.c)
  foreach(file IN LISTS files)
    math(EXPR checked "${checked} + 1")
    file(STRINGS ${ROOT}/${file} lines REGEX "^[ \t]*#[ \t]*include")
    foreach(line IN LISTS lines)
      if(NOT line MATCHES "include[ \t]*([<\"])([^>\"]+)[>\"]")
        report("${file}" "${line}" "is no plain include")
        continue()
      endif()
      set(quote "${CMAKE_MATCH_1}")
      set(path "${CMAKE_MATCH_2}")

      # Which folder of ours does it name, if any?
      string(REGEX REPLACE "/.*" "" first "${path}")
      set(target "")
      if(path MATCHES "\\.\\.")
        report("${file}" "${line}" "climbs out of its folder: name the path from the root")
        continue()
      elseif(first STREQUAL "strata")
        set(target include)
      elseif(path MATCHES "/" AND first IN_LIST folders)
        set(target ${first})
      elseif(quote STREQUAL "\"")
        set(target ${folder})  # a neighbour
      endif()

      if(target)
        if(NOT target IN_LIST may_use_${folder})
          report("${file}" "${line}" "${folder}/ must not include ${target}/")
        endif()
      elseif(folder STREQUAL "include" AND NOT path MATCHES "^[a-z_0-9]+$"
          AND NOT (path MATCHES "^boost/" AND file IN_LIST boost_adapters))
        report("${file}" "${line}" "public headers need the standard library only")
      elseif(folder IN_LIST no_system_headers AND path MATCHES "${system_header}")
        report("${file}" "${line}" "only ipc/ talks to the operating system")
      endif()
    endforeach()
  endforeach()
endforeach()

if(checked EQUAL 0)
  message(FATAL_ERROR "no sources found under '${ROOT}'")
endif()
if(errors)
  message(FATAL_ERROR "${errors} include(s) against the arrows")
endif()
message(NOTICE "${checked} files keep to the arrows")
