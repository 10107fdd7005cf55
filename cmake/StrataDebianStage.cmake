# SPDX-License-Identifier: Apache-2.0
# Run by CPack between installing the components and packing them: what Debian's policy asks of
# staged files. Manual pages are compressed, archives and modules lose what no linker reads.
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  set(staged ${CPACK_TEMPORARY_DIRECTORY}/${component})
  file(GLOB pages ${staged}/usr/share/man/man*/*.[0-9])
  if(pages)
    execute_process(COMMAND gzip -9n ${pages} COMMAND_ERROR_IS_FATAL ANY)
  endif()
  file(GLOB_RECURSE archives ${staged}/usr/lib/*.a)
  if(archives)
    execute_process(COMMAND strip --strip-debug --remove-section=.comment --remove-section=.note
      --enable-deterministic-archives ${archives} COMMAND_ERROR_IS_FATAL ANY)
  endif()
  file(GLOB_RECURSE objects ${staged}/usr/lib/*.so ${staged}/usr/lib/*.so.*
    ${staged}/usr/lib/*.node)
  foreach(object IN LISTS objects)
    if(NOT IS_SYMLINK ${object})
      execute_process(COMMAND strip --strip-unneeded --remove-section=.comment --remove-section=.note
        ${object} COMMAND_ERROR_IS_FATAL ANY)
      file(CHMOD ${object} PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
    endif()
  endforeach()
endforeach()
