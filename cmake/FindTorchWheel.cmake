# Finds LibTorch as a PyPI wheel (or a LibTorch archive) lays it out, without its own CMake package, which demands a
# CUDA toolkit even of programs that only use the CPU.
#
# Looks in ORRERY_TORCH (cache variable, then environment: the folder with include/ and lib/, or the one above it),
# then where scripts/bootstrap --live puts it. Sets TorchWheel_FOUND, TorchWheel_ROOT, TorchWheel_VERSION and
# TorchWheel_CUDA_FOUND; where it is not found, TorchWheel_NAMED is what ORRERY_TORCH says, and TorchWheel_WHY a
# clause that says what is wrong with that. Targets:
#   torchwheel::cpu    torch_cpu and c10; loads libcudart and libcupti but needs no driver
#   torchwheel::cuda   also torch_cuda, c10_cuda, cudart and nccl, with the toolkit's headers; only when all are there
# Nothing that links them may be compiled with -fopenmp: the wheel has a libgomp of its own.
include(FindPackageHandleStandardArgs)

set(ORRERY_TORCH "" CACHE PATH "LibTorch to build orrery-trainer with; empty = the one of scripts/bootstrap --live")
set(_torch_hints ${ORRERY_TORCH})
if(NOT _torch_hints)
  set(_torch_hints $ENV{ORRERY_TORCH})
endif()
set(TorchWheel_NAMED ${_torch_hints})
if(NOT _torch_hints)
  set(_torch_cache $ENV{XDG_CACHE_HOME})
  if(NOT _torch_cache)
    set(_torch_cache $ENV{HOME}/.cache)
  endif()
  set(_torch_hints ${_torch_cache}/orrery/torch-2.11.0)
endif()

# Asked again at every configure: what is installed later must be found.
unset(TorchWheel_INCLUDE CACHE)
find_path(TorchWheel_INCLUDE torch/csrc/distributed/c10d/Backend.hpp HINTS ${_torch_hints}
          PATH_SUFFIXES include torch/include NO_DEFAULT_PATH)
if(TorchWheel_INCLUDE)
  get_filename_component(TorchWheel_ROOT ${TorchWheel_INCLUDE} DIRECTORY)
  set(TorchWheel_VERSION)
  foreach(_header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(EXISTS ${TorchWheel_INCLUDE}/${_header} AND NOT TorchWheel_VERSION)
      file(STRINGS ${TorchWheel_INCLUDE}/${_header} _torch_version REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
      string(REGEX MATCHALL "[0-9]+" TorchWheel_VERSION "${_torch_version}")
      list(JOIN TorchWheel_VERSION "." TorchWheel_VERSION)
    endif()
  endforeach()
endif()
unset(TorchWheel_CPU CACHE)
unset(TorchWheel_C10 CACHE)
find_library(TorchWheel_CPU torch_cpu HINTS ${TorchWheel_ROOT}/lib NO_DEFAULT_PATH)
find_library(TorchWheel_C10 c10 HINTS ${TorchWheel_ROOT}/lib NO_DEFAULT_PATH)
find_package_handle_standard_args(TorchWheel REQUIRED_VARS TorchWheel_CPU TorchWheel_C10 TorchWheel_INCLUDE
                                  VERSION_VAR TorchWheel_VERSION)
mark_as_advanced(TorchWheel_INCLUDE TorchWheel_CPU TorchWheel_C10)
if(NOT TorchWheel_INCLUDE)
  set(TorchWheel_WHY "there is no include/torch/csrc/distributed/c10d/Backend.hpp")
elseif(NOT TorchWheel_CPU OR NOT TorchWheel_C10)
  set(TorchWheel_WHY "lib/ has no libtorch_cpu.so or no libc10.so")
else()
  set(TorchWheel_WHY "LibTorch is ${TorchWheel_VERSION}, older than ${TorchWheel_FIND_VERSION}")
endif()

if(TorchWheel_FOUND AND NOT TARGET torchwheel::cpu)
  # Libraries that torch's own libraries load, for the linker; at run time their RPATH finds them.
  get_filename_component(_torch_site ${TorchWheel_ROOT} DIRECTORY)
  set(_torch_needs ${TorchWheel_ROOT}/lib ${_torch_site}/nvidia/cu13/lib ${_torch_site}/nvidia/cusparselt/lib
      ${_torch_site}/nvidia/nvshmem/lib ${_torch_site}/nvidia/cudnn/lib ${_torch_site}/nvidia/nccl/lib)
  list(TRANSFORM _torch_needs PREPEND "-Wl,-rpath-link," OUTPUT_VARIABLE _torch_rpath_link)

  add_library(torchwheel::c10 SHARED IMPORTED)
  set_target_properties(torchwheel::c10 PROPERTIES IMPORTED_LOCATION ${TorchWheel_C10})
  add_library(torchwheel::cpu SHARED IMPORTED)
  set_target_properties(torchwheel::cpu PROPERTIES IMPORTED_LOCATION ${TorchWheel_CPU}
    INTERFACE_LINK_LIBRARIES torchwheel::c10)
  target_include_directories(torchwheel::cpu SYSTEM INTERFACE
    ${TorchWheel_INCLUDE} ${TorchWheel_INCLUDE}/torch/csrc/api/include)
  # Without these the headers of c10d compile to nothing.
  target_compile_definitions(torchwheel::cpu INTERFACE USE_DISTRIBUTED USE_C10D_GLOO _GLIBCXX_USE_CXX11_ABI=1)
  target_link_options(torchwheel::cpu INTERFACE ${_torch_rpath_link})

  set(TorchWheel_CUDA_FOUND FALSE)
  unset(TorchWheel_CUDA CACHE)
  unset(TorchWheel_C10_CUDA CACHE)
  unset(TorchWheel_NCCL CACHE)
  unset(TorchWheel_CUDART CACHE)
  unset(TorchWheel_CUDA_INCLUDE CACHE)
  find_library(TorchWheel_CUDA torch_cuda HINTS ${TorchWheel_ROOT}/lib NO_DEFAULT_PATH)
  find_library(TorchWheel_C10_CUDA c10_cuda HINTS ${TorchWheel_ROOT}/lib NO_DEFAULT_PATH)
  set(_torch_toolkits $ENV{ORRERY_CUDA} $ENV{CUDA_HOME} /usr/local/cuda ${_torch_site}/nvidia/cu13)
  find_library(TorchWheel_NCCL NAMES nccl libnccl.so.2 HINTS ${_torch_site}/nvidia/nccl/lib
               ${_torch_toolkits} PATH_SUFFIXES lib64 lib NO_DEFAULT_PATH)
  find_library(TorchWheel_CUDART NAMES cudart libcudart.so.13 HINTS ${_torch_toolkits} PATH_SUFFIXES lib64 lib
               NO_DEFAULT_PATH)
  find_path(TorchWheel_CUDA_INCLUDE cuda_runtime_api.h HINTS ${_torch_toolkits} PATH_SUFFIXES include
            NO_DEFAULT_PATH)
  find_path(TorchWheel_NCCL_INCLUDE nccl.h HINTS ${_torch_site}/nvidia/nccl ${_torch_toolkits}
            PATH_SUFFIXES include NO_DEFAULT_PATH)
  mark_as_advanced(TorchWheel_CUDA TorchWheel_C10_CUDA TorchWheel_NCCL TorchWheel_CUDART TorchWheel_CUDA_INCLUDE
                   TorchWheel_NCCL_INCLUDE)
  if(TorchWheel_CUDA AND TorchWheel_C10_CUDA AND TorchWheel_NCCL AND TorchWheel_CUDART AND TorchWheel_CUDA_INCLUDE
     AND TorchWheel_NCCL_INCLUDE)
    set(TorchWheel_CUDA_FOUND TRUE)
    add_library(torchwheel::cuda INTERFACE IMPORTED)
    # torch_cuda registers its kernels when it is loaded; nobody need call into it.
    target_link_libraries(torchwheel::cuda INTERFACE torchwheel::cpu -Wl,--no-as-needed ${TorchWheel_CUDA}
                          -Wl,--as-needed ${TorchWheel_C10_CUDA} ${TorchWheel_CUDART} ${TorchWheel_NCCL})
    target_include_directories(torchwheel::cuda SYSTEM INTERFACE ${TorchWheel_CUDA_INCLUDE}
                               ${TorchWheel_NCCL_INCLUDE})
    target_compile_definitions(torchwheel::cuda INTERFACE USE_C10D_NCCL)
  endif()
endif()
