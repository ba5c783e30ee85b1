# The headers that policies outside of the tree are written against: which they are, a name for what is in them, and
# the package that `cmake --install` makes of them (find_package(Orrery), docs/policy.md).
file(GLOB interface_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/sim/core/*.hpp ${PROJECT_SOURCE_DIR}/sim/api/*.hpp
     ${PROJECT_SOURCE_DIR}/policies/parts/*.hpp)
# What executors know, and what only writes and reads JSON, is nothing for policies.
list(FILTER interface_headers EXCLUDE REGEX "/truth.hpp$|/json[a-z_]*.hpp$|_text.hpp$|/wire[a-z_]*.hpp$")

# A header with the first digits of the SHA-256 of them all, written anew when one changes.
set(interface_folder ${PROJECT_BINARY_DIR}/interface)
set(interface_header ${interface_folder}/orrery_interface.hpp)
string(REPLACE ";" "\n" interface_list "${interface_headers}")
file(CONFIGURE OUTPUT ${interface_folder}/headers.txt CONTENT "${interface_list}\n" @ONLY)
add_custom_command(OUTPUT ${interface_header}
                   COMMAND ${CMAKE_COMMAND} -DLIST=${interface_folder}/headers.txt -DOUTPUT=${interface_header}
                           -P ${PROJECT_SOURCE_DIR}/cmake/write_interface.cmake
                   DEPENDS ${interface_headers} ${interface_folder}/headers.txt
                           ${PROJECT_SOURCE_DIR}/cmake/write_interface.cmake
                   VERBATIM)
add_custom_target(orrery_interface_header DEPENDS ${interface_header})
add_library(orrery_interface INTERFACE)
target_include_directories(orrery_interface INTERFACE ${interface_folder})
add_dependencies(orrery_interface orrery_interface_header)

# orrery_loads_policies(PROGRAM): it has all of sim/core, sim/api and policies in it, and lets libraries use them.
function(orrery_loads_policies program)
  if(ORRERY_STATIC)
    return()
  endif()
  set_target_properties(${program} PROPERTIES ENABLE_EXPORTS ON LINK_LIBRARY_OVERRIDE
                        "WHOLE_ARCHIVE,orrery_core,orrery_api,orrery_policies")
endfunction()

# A package whose headers are not those that the program was made of would pass the check of its digest, which is made
# when it is built: who changed a header builds first.
set(now_header ${interface_folder}/now.hpp)
install(CODE "
execute_process(COMMAND \"${CMAKE_COMMAND}\" \"-DLIST=${interface_folder}/headers.txt\" \"-DOUTPUT=${now_header}\"
                        -P \"${PROJECT_SOURCE_DIR}/cmake/write_interface.cmake\")
file(READ \"${now_header}\" now)
file(READ \"${interface_header}\" built)
if(NOT now STREQUAL built OR \"${interface_header}\" IS_NEWER_THAN \"${PROJECT_BINARY_DIR}/orrery\")
  message(FATAL_ERROR \"headers changed since `orrery` was built: scripts/build release orrery\")
endif()
")

include(GNUInstallDirs)
set(ORRERY_HEADERS ${CMAKE_INSTALL_INCLUDEDIR}/orrery)
foreach(header ${interface_headers})
  file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR} ${header})
  get_filename_component(folder ${name} DIRECTORY)
  install(FILES ${header} DESTINATION ${ORRERY_HEADERS}/${folder})
endforeach()
install(FILES ${interface_header} DESTINATION ${ORRERY_HEADERS})
file(CONFIGURE OUTPUT ${interface_folder}/OrreryConfigVersion.cmake @ONLY
     CONTENT "set(PACKAGE_VERSION @PROJECT_VERSION@)
if(PACKAGE_FIND_VERSION AND NOT PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
")
install(FILES ${PROJECT_SOURCE_DIR}/cmake/OrreryConfig.cmake ${interface_folder}/OrreryConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Orrery)
