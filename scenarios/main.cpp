// The `orrery` command: hands its arguments to the verbs in scenarios/app.
#include <cstdint>
#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#include <sys/mman.h>
#endif

#include "scenarios/app/cli.hpp"

namespace {

// Makes the heap keep what is freed, and have large pages where it begins. A run fills its tables once and holds
// them; giving blocks back, to get them again as fresh pages, took a tenth of a short run.
void keep_heap() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);         // large blocks, too, come from the heap and go back to it
  mallopt(M_TRIM_THRESHOLD, -1);  // and stay in it
  mallopt(M_TOP_PAD, 16 << 20);
  // The heap grows by what is then asked to have large pages: enough for a hundred thousand jobs. What nobody writes
  // to costs no memory.
  constexpr std::size_t kAhead = std::size_t{256} << 20;
  constexpr std::uintptr_t kLargePage = std::uintptr_t{2} << 20;
  void* const ahead = std::malloc(kAhead);
  if (ahead == nullptr) return;
  const std::uintptr_t first = (reinterpret_cast<std::uintptr_t>(ahead) + kLargePage - 1) / kLargePage * kLargePage;
  const std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(ahead) + kAhead) / kLargePage * kLargePage;
  (void)madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);  // where refused, nothing is lost
  std::free(ahead);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  keep_heap();
  return orrery::app::run_command_line(argc, argv);
}
