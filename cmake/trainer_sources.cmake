# What a worker that trains is made of besides LibTorch. One list for the two builds that make it (the main one, and
# cmake/gpu where nothing can be installed), so that what is missing in it is found by either.
#   orrery_trainer_base_sources    protocol, checkpoints, data, descriptions of models: no LibTorch
#   orrery_trainer_torch_sources   everything on LibTorch but the programs' main files and what only CUDA compiles
get_filename_component(_root ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)
set(_models device_speed job_schema multimodal_config multimodal_cost multimodal_model)
list(TRANSFORM _models REPLACE "(.+)" "${_root}/sim/models/training/\\1.cpp")

file(GLOB orrery_trainer_base_sources CONFIGURE_DEPENDS ${_root}/backend/protocol/*.cpp ${_root}/backend/data/*.cpp)
list(APPEND orrery_trainer_base_sources ${_models} ${_root}/sim/core/assert.cpp ${_root}/sim/core/error.cpp
     ${_root}/sim/models/lifecycle/feature_store.cpp
     ${_root}/sim/core/json_box.cpp ${_root}/sim/core/json_text.cpp ${_root}/sim/core/why.cpp)
file(GLOB orrery_trainer_torch_sources CONFIGURE_DEPENDS ${_root}/backend/trainer/*.cpp ${_root}/backend/models/*.cpp)
list(FILTER orrery_trainer_torch_sources EXCLUDE REGEX "/backend/trainer/(main|main_cuda|cuda_.*)\\.cpp$")
