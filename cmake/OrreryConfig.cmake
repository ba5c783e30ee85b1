# find_package(Orrery): the headers of policies, and
#   orrery_add_policy(NAME files...)    a library that `policy: { name: NAME, library: ./NAME.so }` loads
# What it uses of Orrery is in the program that loads it, so it links nothing of Orrery's.
include(CMakeFindDependencyMacro)
find_dependency(fmt)
find_dependency(tl-expected)
get_filename_component(_orrery_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
foreach(_orrery_up 1 2)
  if(NOT EXISTS ${_orrery_prefix}/include/orrery/orrery_interface.hpp)
    get_filename_component(_orrery_prefix "${_orrery_prefix}/.." ABSOLUTE) # lib/<architecture>/cmake
  endif()
endforeach()
if(NOT TARGET Orrery::policy)
  add_library(Orrery::policy INTERFACE IMPORTED)
  target_include_directories(Orrery::policy INTERFACE ${_orrery_prefix}/include/orrery)
  target_compile_features(Orrery::policy INTERFACE cxx_std_20)
  # Same numbers on every machine, as in Orrery itself.
  target_compile_options(Orrery::policy INTERFACE -ffp-contract=off)
  target_link_libraries(Orrery::policy INTERFACE fmt::fmt tl::expected)
endif()
set(ORRERY_PROGRAM ${_orrery_prefix}/bin/orrery)

function(orrery_add_policy name)
  if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release)
  endif()
  add_library(${name} MODULE ${ARGN})
  set_target_properties(${name} PROPERTIES PREFIX "" CXX_EXTENSIONS OFF)
  target_link_libraries(${name} PRIVATE Orrery::policy)
endfunction()
