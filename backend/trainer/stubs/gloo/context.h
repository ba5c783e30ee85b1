// Declarations of ours in place of Gloo's headers, which the PyTorch wheel does not ship: just what ProcessGroupGloo's
// header names. Sound because that class's own code, every use of these types included, is inside libtorch_cpu.so,
// and its members that mention them are pointers. So: never derive from these, never call them, never define
// GLOO_STORE_HAS_STORE_V2, include them from gloo_backend.cpp only; a test runs a real two-process all-reduce.
#pragma once

#include <chrono>

namespace gloo {
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};
}  // namespace gloo
