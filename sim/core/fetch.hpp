// What will be looked at soon is asked of memory now: a run keeps a dozen tables of its jobs, and a job that nothing
// has happened to for a while is in none of the caches. Asked for one after the other, as the code comes to them, the
// tables of one event cost more time than all that is done with them; asked for together, they come together.
#pragma once

#include <cstddef>

namespace orrery {

template <class T>
inline void fetch(const T& value) {
  constexpr std::size_t kLine = 64;
  const char* const from = reinterpret_cast<const char*>(&value);
  for (std::size_t at = 0; at < sizeof(T); at += kLine) __builtin_prefetch(from + at);
  if constexpr (sizeof(T) % kLine != 0) __builtin_prefetch(from + sizeof(T) - 1);
}

}  // namespace orrery
