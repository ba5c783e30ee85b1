// What is fuzzed: every parser of what users or the network hand in, each as a function of bytes that must return
// normally whatever they are, and that checks what can be said of a value that was read (it survives being
// written and read again). Shared by the mutation test and by libFuzzer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace orrery::test {

struct FuzzTarget {
  std::string_view name;
  void (*run)(std::string_view bytes);  // throws std::runtime_error when a property does not hold
  std::vector<std::string> (*seeds)();  // valid inputs to start from
};

const std::vector<FuzzTarget>& fuzz_targets();
const FuzzTarget& fuzz_target(std::string_view name);

}  // namespace orrery::test
