// The heap of a program that runs and ends.
#pragma once

#include <cstddef>

namespace orrery::app {

// Makes the heap keep what is freed: a run fills its tables once and holds them, and giving large blocks back to the
// kernel, to get them again as fresh pages, took a twentieth of a short run. (Asking for large pages took away most
// of the rest on some machines, and more than all of it on others, whose host had not backed them yet.)
void keep_heap();

// So many more bytes will be asked of the heap soon. Where it is kept, the kernel is asked for their pages at once,
// which takes less than asking for each when it is first touched. Does nothing for few, and on Linux before 5.14.
void expect_heap(std::size_t bytes);

}  // namespace orrery::app
