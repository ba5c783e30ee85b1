// Shares of a batch; the interface that tasks and the loop meet in.
#include "tests/backend/support_catch.hpp"

#include "backend/trainer/task.hpp"

#include <ATen/ATen.h>

#include <set>

namespace {
using namespace orrery::trainer;

TEST_CASE("The shares of a step cover its batch once, for any number of ranks and micro batches", "[torch][task]") {
  for (const int world : {1, 2, 3, 4})
    for (const std::int64_t micros : {1, 2, 3})
      for (const std::int64_t batch : {1, 2, 7, 16}) {
        std::set<std::int64_t> seen;
        for (std::int64_t m = 0; m < micros; ++m)
          for (int r = 0; r < world; ++r) {
            const Share s = share_of(5, batch, m, micros, r, world);
            for (std::int64_t i = 0; i < s.count; ++i) CHECK(seen.insert(s.first + i).second);
          }
        CHECK(seen.size() == static_cast<std::size_t>(batch));
        CHECK(*seen.begin() == 5 * batch);
        CHECK(*seen.rbegin() == 6 * batch - 1);
      }
}

}  // namespace
