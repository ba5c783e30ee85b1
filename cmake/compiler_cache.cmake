# The compiler cache, where there is one, is told to take names of files as from the source folder, and to leave the
# folder of the build out of what it compares: clones and worktrees then share what one of them has compiled. The
# price: debug information of a shared object names the clone that compiled it. The generator of random numbers has a
# header that names the time of the compilation, in a function that nobody calls: to the cache, whatever included it
# was never the same again. What a user has set, in the environment or in the cache's own settings, holds.
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(settings "")
  foreach(setting base_dir hash_dir sloppiness)
    execute_process(COMMAND ${CCACHE} --get-config ${setting} OUTPUT_VARIABLE ${setting}
                    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endforeach()
  if(base_dir STREQUAL "")
    list(APPEND settings CCACHE_BASEDIR=${PROJECT_SOURCE_DIR})
  endif()
  if(hash_dir STREQUAL "true")
    list(APPEND settings CCACHE_NOHASHDIR=true)
  endif()
  if(sloppiness STREQUAL "")
    list(APPEND settings CCACHE_SLOPPINESS=time_macros)
  endif()
  if(settings)
    find_program(ENV_PROGRAM env REQUIRED)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${ENV_PROGRAM} ${settings} ${CCACHE})
  else()
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  endif()
endif()
