// The Gloo group of c10d, made in the one file that sees our declarations of Gloo's types.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace orrery::trainer {

// Joins the group of `world` ranks that meet in `store` (keys of its own): over loopback, returns when all have come.
// Throws what c10d throws when they do not come within `rendezvous_s`.
[[nodiscard]] c10::intrusive_ptr<c10d::Backend> make_gloo(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                                          int world, int rendezvous_s);

}  // namespace orrery::trainer
