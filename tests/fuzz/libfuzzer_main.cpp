// libFuzzer's entry point for all targets; run it through scripts/fuzz. ORRERY_FUZZ_TARGET names the target; without
// it the program prints the names and leaves. ORRERY_FUZZ_SEEDS names a folder that gets the target's seeds as files
// before libFuzzer reads its corpus.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "tests/fuzz/targets.hpp"

namespace {
const orrery::test::FuzzTarget* chosen = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* const name = std::getenv("ORRERY_FUZZ_TARGET");
  for (const auto& target : orrery::test::fuzz_targets()) {
    if (name == nullptr) std::puts(std::string(target.name).c_str());
    if (name != nullptr && target.name == std::string_view(name)) chosen = &target;
  }
  if (chosen == nullptr) std::exit(name == nullptr ? 0 : 2);
  const char* const folder = std::getenv("ORRERY_FUZZ_SEEDS");
  if (folder == nullptr) return 0;
  int number = 0;
  for (const std::string& seed : chosen->seeds())
    std::ofstream(std::string(folder) + "/seed-" + std::to_string(++number), std::ios::binary) << seed;
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  chosen->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
