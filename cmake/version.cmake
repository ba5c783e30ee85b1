# The commit and build flags that a run's manifest names, as a header that changes only when they do.
find_package(Git QUIET)
set(ORRERY_COMMIT "unknown")
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} describe --always --dirty --abbrev=12
                  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE ORRERY_COMMIT
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT ORRERY_COMMIT)
  set(ORRERY_COMMIT "unknown")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/version.hpp.in ${CMAKE_BINARY_DIR}/generated/orrery_version.hpp @ONLY)
add_library(orrery_version INTERFACE)
target_include_directories(orrery_version INTERFACE ${CMAKE_BINARY_DIR}/generated)
