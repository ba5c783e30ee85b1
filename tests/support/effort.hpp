// How much of a long test is done. A test that does one thing for many seeds, rounds, mutations or instants does all
// of them in a plain build and a tenth under a sanitizer, where everything takes about a hundred times as long: there
// the same code must run on data of every kind, while the plain build says whether rules hold. Every policy, parser
// and scenario has its turn in both. ORRERY_TEST_EFFORT=PER_MILLE sets another share: 100 in a plain build does what
// the sanitizers' do, 5000 goes five times as deep where worlds are drawn.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace orrery::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t kUsualEffort = 100;
#else
inline constexpr std::uint64_t kUsualEffort = 1000;
#endif

// Per mille.
inline std::uint64_t effort() {
  const char* set = std::getenv("ORRERY_TEST_EFFORT");
  return set != nullptr ? std::max<std::uint64_t>(1, std::strtoull(set, nullptr, 10)) : kUsualEffort;
}

// Whether what only shows in all of the draws may be asked for: rare events, means.
inline bool whole_effort() {
  return effort() >= 1000;
}

// How many of `whole` draws are made, rounded up; of what was counted in them as much can be asked for.
template <class Int>
Int share_of(Int whole, Int least = 1) {
  return std::max(least, static_cast<Int>((static_cast<std::uint64_t>(whole) * effort() + 999) / 1000));
}

// Which of 0, ..., n - 1 are tried on the given turn, ascending: all of them, or every so-manieth, on each turn
// others, so that a few turns - policies, say - go through all of them. At least `least` where there are so many.
inline std::vector<std::size_t> some_of(std::size_t n, std::size_t turn, std::size_t least = 1) {
  const std::size_t count = std::max<std::size_t>(1, std::min(n, share_of(n, least)));
  const std::size_t step = std::max<std::size_t>(1, n / count);
  std::vector<std::size_t> out;
  for (std::size_t i = turn % step; i < n; i += step) out.push_back(i);
  return out;
}

}  // namespace orrery::test
