#include "sim/core/event_queue.hpp"

namespace orrery {

// One instance compiled here, so that the layer is a library and the header is compiled alone.
template class EventQueue<int>;

}  // namespace orrery
