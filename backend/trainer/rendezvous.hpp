// How the ranks of a gang find each other: rank 0 opens a TCPStore on a port of its own and publishes its address
// under the run folder by an atomic rename; everybody signs in there. Nothing blocks before all are there, so a rank
// that waits for a missing peer still hears that it shall stop. Only then are the communicators made.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <memory>
#include <string>

#include "backend/protocol/files.hpp"
#include "backend/protocol/protocol.hpp"
#include "backend/trainer/communicator.hpp"

namespace orrery::trainer {

class Rendezvous {
 public:
  // Keys and the address file carry job, incarnation and generation: a gang that was replaced meets nobody.
  Rendezvous(const live::Start& start, int rank);

  // Rank 0 opens the store.
  [[nodiscard]] Expected<live::Ok> open();
  // One more look, without waiting; whether all ranks have signed in.
  [[nodiscard]] Expected<bool> assembled();
  [[nodiscard]] const c10::intrusive_ptr<c10d::Store>& store() const { return store_; }

 private:
  [[nodiscard]] std::string address_path() const;

  int rank_, world_;
  std::string folder_, prefix_;
  c10::intrusive_ptr<c10d::Store> store_{};
  bool signed_in_ = false;
};

// A Gloo communicator of all ranks that have met in `store`; `name` tells several of them apart. Throws c10::Error.
[[nodiscard]] std::unique_ptr<Communicator> make_gloo_communicator(const c10::intrusive_ptr<c10d::Store>& store,
                                                                   const std::string& name, int rank, int world,
                                                                   int rendezvous_s = 30);

}  // namespace orrery::trainer
