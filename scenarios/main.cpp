// The `orrery` command: hands its arguments to the verbs in scenarios/app.
#ifdef __linux__
#include <malloc.h>
#endif

#include "scenarios/app/command_line.hpp"

namespace {

// Makes the heap keep what is freed: a run fills its tables once and holds them, and giving large blocks back to the
// kernel, to get them again as fresh pages, took a twentieth of a short run. (Asking for large pages took away most
// of the rest on some machines, and more than all of it on others, whose host had not backed them yet.)
void keep_heap() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 16 << 20);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  keep_heap();
  return orrery::app::run_command_line(argc, argv);
}
