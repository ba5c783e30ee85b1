// See heap.hpp.
#include "scenarios/run/heap.hpp"

#include <cstdint>
#include <cstdlib>

#ifdef __linux__
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace orrery::app {
namespace {

bool heap_is_kept = false;

}  // namespace

void keep_heap() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 16 << 20);
  heap_is_kept = true;
#endif
}

void expect_heap([[maybe_unused]] std::size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  constexpr std::size_t kFew = std::size_t{4} << 20;
  if (!heap_is_kept || bytes < kFew) return;
  void* const block = std::malloc(bytes);
  if (block == nullptr) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t from = reinterpret_cast<std::uintptr_t>(block);
  const std::uintptr_t first = (from + page - 1) / page * page, behind = (from + bytes) / page * page;
  // Where it fails, the pages come one by one.
  ::madvise(reinterpret_cast<void*>(first), behind - first, MADV_POPULATE_WRITE);
  std::free(block);
#endif
}

}  // namespace orrery::app
