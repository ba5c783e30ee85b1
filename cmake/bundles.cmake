# A source of ours takes most of its compile time to read headers. So a dozen neighbours are compiled at once, as one
# source that includes them: the whole tree in half of the time, for the sanitizers in less. The price: private names
# of neighbours must differ, and a change compiles its neighbours again (-DORRERY_BUNDLE=OFF: each file alone).
option(ORRERY_BUNDLE "Compile several sources of a folder at once" ON)

# orrery_bundles(TARGET EACH files...): adds the files to TARGET, EACH of them a bundle. A bundle names them as from
# the root, so the compiler cache knows it in any clone (CMake's own unity builds write absolute paths).
function(orrery_bundles target each)
  if(NOT ORRERY_BUNDLE)
    target_sources(${target} PRIVATE ${ARGN})
    return()
  endif()
  list(LENGTH ARGN length)
  set(number 0)
  set(first 0)
  while(first LESS length)
    list(SUBLIST ARGN ${first} ${each} part)
    set(text "")
    foreach(file ${part})
      file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR} ${file})
      string(APPEND text "#include \"${name}\"  // NOLINT\n")
    endforeach()
    set(bundle ${PROJECT_BINARY_DIR}/bundles/${target}_${number}.cpp)
    file(CONFIGURE OUTPUT ${bundle} CONTENT "${text}" @ONLY)
    target_sources(${target} PRIVATE ${bundle})
    # To GCC a file that is included is a header, and types of an unnamed namespace are suspicious there.
    set_property(SOURCE ${bundle} TARGET_DIRECTORY ${target} APPEND PROPERTY COMPILE_OPTIONS
                 $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
    math(EXPR number "${number} + 1")
    math(EXPR first "${first} + ${each}")
  endwhile()
endfunction()
