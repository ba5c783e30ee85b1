// See gloo_backend.hpp.
#include "backend/trainer/gloo_backend.hpp"

#include <chrono>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

namespace orrery::trainer {

// The timeout of the collectives is a day: they run on the wall clock, which does not stand still while a gang is
// suspended. A dead peer closes its socket, which is noticed at once; a hung one is the controller's business.
c10::intrusive_ptr<c10d::Backend> make_gloo(const c10::intrusive_ptr<c10d::Store>& store, int rank, int world,
                                            int rendezvous_s) {
  auto options = c10d::ProcessGroupGloo::Options::create(std::chrono::seconds(rendezvous_s));
  options->threads = 1;
  options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
  auto group = c10::make_intrusive<c10d::ProcessGroupGloo>(store, rank, world, options);
  group->setTimeout(std::chrono::hours(24));
  return group;
}

}  // namespace orrery::trainer
