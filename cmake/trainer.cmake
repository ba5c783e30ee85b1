# orrery-trainer, the worker that trains, and its CUDA twin: the only programs that link LibTorch. Nothing else does,
# so that everything but them builds and runs where there is none (scripts/bootstrap --live gets it).
if(ORRERY_LIVE STREQUAL "OFF" OR ORRERY_SANITIZE)
  set(TorchWheel_FOUND FALSE)
  message(STATUS "orrery-trainer: not built (ORRERY_LIVE=OFF or a sanitizer)")
else()
  list(APPEND CMAKE_MODULE_PATH ${PROJECT_SOURCE_DIR}/cmake)
  find_package(TorchWheel 2.11 QUIET)
  if(TorchWheel_FOUND)
    message(STATUS "orrery-trainer: LibTorch ${TorchWheel_VERSION} of ${TorchWheel_ROOT}, "
                   "CUDA half: ${TorchWheel_CUDA_FOUND}")
  elseif(TorchWheel_NAMED)
    message(FATAL_ERROR "orrery-trainer: ORRERY_TORCH is ${TorchWheel_NAMED}, but ${TorchWheel_WHY}. Name a folder "
                        "with include/ and lib/ of LibTorch 2.11 or later (or the one above it), or unset it and "
                        "run scripts/bootstrap --live")
  elseif(ORRERY_LIVE STREQUAL "ON")
    message(FATAL_ERROR "ORRERY_LIVE=ON, but there is no LibTorch: run scripts/bootstrap --live or set ORRERY_TORCH")
  else()
    message(STATUS "orrery-trainer: skipped, there is no LibTorch; `scripts/bootstrap --live` gets it")
  endif()
endif()

include(cmake/trainer_sources.cmake)
if(TorchWheel_FOUND)
  # Of our layers just what the trainer needs, with a fmt of its own: LibTorch and libc are all that it asks of a
  # machine. (The wheel ships headers of a newer fmt than Debian's library, and its include folder comes first.)
  # The programs link it; tests, which have the layers themselves, do not.
  add_library(orrery_trainer_flags INTERFACE)
  target_link_libraries(orrery_trainer_flags INTERFACE orrery_flags orrery_codecs ${json} Threads::Threads)
  target_compile_definitions(orrery_trainer_flags INTERFACE FMT_HEADER_ONLY)
  add_library(orrery_trainer_base STATIC ${orrery_trainer_base_sources})
  target_link_libraries(orrery_trainer_base PUBLIC orrery_trainer_flags)

  # Only gloo_backend.cpp sees our declarations of Gloo's types, which the wheel does not ship.
  set(gloo ${PROJECT_SOURCE_DIR}/backend/trainer/gloo_backend.cpp)
  list(FILTER orrery_trainer_torch_sources EXCLUDE REGEX "/gloo_backend\\.cpp$")
  add_library(orrery_trainer STATIC ${gloo})
  set_source_files_properties(${gloo} PROPERTIES INCLUDE_DIRECTORIES ${PROJECT_SOURCE_DIR}/backend/trainer/stubs)
  orrery_bundles(orrery_trainer 7 ${orrery_trainer_torch_sources})
  target_link_libraries(orrery_trainer PUBLIC orrery_trainer_flags torchwheel::cpu)

  add_executable(orrery-trainer backend/trainer/main.cpp)
  target_link_libraries(orrery-trainer PRIVATE orrery_trainer orrery_trainer_base)

  if(TorchWheel_CUDA_FOUND)
    file(GLOB cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/backend/trainer/cuda_*.cpp)
    add_executable(orrery-trainer-cuda backend/trainer/main_cuda.cpp ${cuda_sources})
    target_link_libraries(orrery-trainer-cuda PRIVATE orrery_trainer orrery_trainer_base torchwheel::cuda)
  endif()
endif()
