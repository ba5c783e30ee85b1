# A source of ours takes most of its compile time to read headers. So some forty neighbours are compiled at once, as
# one source that includes them: the whole tree in half of the time, for the sanitizers in less. The price: private
# names of a folder must differ (scripts/tidy looks), and a change compiles its neighbours again
# (-DORRERY_BUNDLE=OFF: each file alone).
option(ORRERY_BUNDLE "Compile several sources of a folder at once" ON)

# Headers that take seconds: the files that need them are put side by side, so that few bundles read them.
set(orrery_heavy_headers "<(yaml-cpp/.*|boost/graph/.*|Eigen/.*)>"
                         "(core/json|step_graph|training_step|trainer_step|pipeline|link_tree|job_file)\\.hpp\"")
list(JOIN orrery_heavy_headers "|" orrery_heavy_headers)

# orrery_bundles(TARGET EACH files...): adds the files to TARGET, at most EACH of them a bundle, all bundles alike. A
# bundle names them as from the root, so the compiler cache knows it in any clone (CMake's own unity builds write
# absolute paths).
function(orrery_bundles target each)
  if(NOT ORRERY_BUNDLE)
    target_sources(${target} PRIVATE ${ARGN})
    return()
  endif()
  set(heavy "")
  set(light "")
  foreach(file ${ARGN})
    file(STRINGS ${file} found REGEX "^#include .*(${orrery_heavy_headers})" LIMIT_COUNT 1)
    if(found)
      list(APPEND heavy ${file})
    else()
      list(APPEND light ${file})
    endif()
  endforeach()
  set(files ${heavy} ${light})
  list(LENGTH files length)
  math(EXPR bundles "(${length} + ${each} - 1) / ${each}")
  math(EXPR each "(${length} + ${bundles} - 1) / ${bundles}")
  set(number 0)
  set(first 0)
  while(first LESS length)
    list(SUBLIST files ${first} ${each} part)
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
