// The entry point of libFuzzer for one target; scripts/fuzz builds one binary per target.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/targets.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto run = orrery::test::fuzz_target(ORRERY_FUZZ_TARGET).run;
  run({reinterpret_cast<const char*>(data), size});
  return 0;
}
