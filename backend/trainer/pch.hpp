// Precompiled for the trainer's sources and tests: the part of torch that nearly all of them use. Sources still
// include what they use; this only makes it cheap.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/variable.h>

#include <nlohmann/json.hpp>
