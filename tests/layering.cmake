# SPDX-License-Identifier: Apache-2.0
cmake_minimum_required(VERSION 3.25)
# cmake -DROOT=... -P layering.cmake: every #include goes along an arrow.
#
#   include/strata <- ipc <- producer, consumer, directory <- volume <- tools, examples, bindings,
#   bench, tests
#
#  - Public headers need the standard library only (those of C: two headers of C's); the adapters
#    named below may add Boost.
#  - producer/, consumer/ and directory/ do not know each other; volume/ uses what they offer in
#    include/, not their own headers.
#  - examples/, tools/ and bindings/ use <strata/...> alone: they prove that it is enough.
#  - Only ipc/os/ talks to the operating system, and a few programs: whoever no longer does comes
#    off their list.

set(folders include ipc producer consumer directory volume tools examples bindings bench tests)
set(may_use_include include)
set(may_use_ipc include ipc)
set(may_use_producer include ipc producer)
set(may_use_consumer include ipc consumer)
set(may_use_directory include ipc directory)
set(may_use_volume include ipc volume)
set(may_use_tools include tools)
set(may_use_examples include examples)
set(may_use_bindings include bindings)
set(may_use_bench include ipc producer consumer directory volume bench)
set(may_use_tests ${folders})

set(boost_adapters include/strata/interprocess.hpp)
set(system_header "^(sys|linux|asm|netinet|arpa)/|^(fcntl|unistd|pthread|sched|signal|poll|dirent|windows)\\.h$|^csignal$")
set(no_system_headers include ipc producer consumer directory volume tools bindings)
set(system_users  # each in front of its reason; bench/, examples/ and tests/ may as they like
  tools/content.cpp        # whether standard input is a terminal, and how large its file is
  tools/doctor_checks.cpp  # file systems and limits: what the doctor is for
  tools/metrics_server.cpp # signals that end it
  tools/terminal.cpp       # whether people sit at the other end
  tools/top_screen.cpp     # signals, and a terminal that changes its size
  tools/volume.cpp         # signals that interrupt what can be resumed
)

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
          AND NOT (path MATCHES "^std(def|int)\\.h$" AND file MATCHES "\\.h$")
          AND NOT (path MATCHES "^boost/" AND file IN_LIST boost_adapters))
        report("${file}" "${line}" "public headers need the standard library only")
      elseif(folder IN_LIST no_system_headers AND path MATCHES "${system_header}"
          AND NOT file MATCHES "^ipc/os/")
        if(file IN_LIST system_users)
          list(APPEND system_users_found ${file})
        else()
          report("${file}" "${line}" "only ipc/os/ talks to the operating system")
        endif()
      endif()
    endforeach()
  endforeach()
endforeach()

foreach(file IN LISTS system_users)
  if(EXISTS ${ROOT}/CMakeLists.txt AND NOT file IN_LIST system_users_found)
    report("${file}" "needs no system header any more" "take it off the list of system_users")
  endif()
endforeach()
if(checked EQUAL 0)
  message(FATAL_ERROR "no sources found under '${ROOT}'")
endif()
if(errors)
  message(FATAL_ERROR "${errors} include(s) against the arrows")
endif()
message(NOTICE "${checked} files keep to the arrows")
