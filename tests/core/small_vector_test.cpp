// Lists that keep their first elements inside, against std::vector.
#include <catch2/catch.hpp>

#include <utility>
#include <vector>

#include "sim/core/random.hpp"
#include "sim/core/small_vector.hpp"

namespace orrery {

TEST_CASE("small vectors do what vectors do", "[core]") {
  RandomStream rng = stream(1, "tests/small_vector");
  for (int round = 0; round < 200; ++round) {
    SmallVector<std::int64_t, 2> small;
    std::vector<std::int64_t> plain;
    for (int step = 0; step < 60; ++step) {
      const auto value = static_cast<std::int64_t>(uniform_below(rng, 100));
      const auto at = static_cast<std::ptrdiff_t>(uniform_below(rng, plain.size() + 1));
      switch (uniform_below(rng, 8)) {
        case 0:
        case 1: small.push_back(value), plain.push_back(value); break;
        case 2: small.insert(small.begin() + at, value), plain.insert(plain.begin() + at, value); break;
        case 3:
          if (at < std::ssize(plain)) small.erase(small.begin() + at), plain.erase(plain.begin() + at);
          break;
        case 4:
          small.resize(static_cast<std::size_t>(at) + 1, 7), plain.resize(static_cast<std::size_t>(at) + 1, 7);
          break;
        case 5: {  // there and back, by copy and by move
          SmallVector<std::int64_t, 2> copy(small);
          SmallVector<std::int64_t, 2> moved(std::move(small));
          CHECK(copy == moved);
          small = std::move(copy);
          moved.push_back(1);  // what was copied is its own
          CHECK_FALSE(small == moved);
          break;
        }
        case 6: {
          SmallVector<std::int64_t, 2> other;
          other.push_back(value);
          other = small;
          small = std::as_const(other);
          break;
        }
        default:
          if (step % 20 == 0) small.clear(), plain.clear();
      }
      REQUIRE(std::vector<std::int64_t>(small.begin(), small.end()) == plain);
      CHECK(small.empty() == plain.empty());
    }
  }
}

TEST_CASE("a push of its own element survives that the list grows", "[core]") {
  SmallVector<int, 1> list;
  list.push_back(5);
  for (int i = 0; i < 20; ++i) list.push_back(list.front());
  CHECK(list.size() == 21);
  CHECK(list.back() == 5);
}

}  // namespace orrery
