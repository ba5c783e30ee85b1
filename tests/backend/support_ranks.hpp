// Ranks of a training job as threads of the test, with real Gloo groups between them.
#pragma once

#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <vector>

#include "backend/trainer/rendezvous.hpp"
#include "backend/trainer/session.hpp"

namespace orrery::test {

// Torch's flight recorder of collectives is one per process and not made for ranks that are threads: its Gloo groups
// write to it without a lock (found as a crash in one of ten runs, torch 2.11.0). Set before anything makes one.
inline const bool kNoFlightRecorder = ::setenv("TORCH_FR_BUFFER_SIZE", "0", 1) == 0;

// Runs `body` as every rank of a gang; the first exception of a rank is the caller's.
using RankBody = std::function<void(int rank, trainer::Communicator& gradients, trainer::TaskContext context)>;
inline void as_ranks(int world, const RankBody& body) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(world));
  std::vector<std::thread> threads;
  for (int r = 0; r < world; ++r)
    threads.emplace_back([&, r] {
      try {
        const auto gradients = trainer::make_gloo_communicator(store, "gradients", r, world);
        const auto own = trainer::make_gloo_communicator(store, "task", r, world);
        trainer::TaskContext context;
        context.comm = own.get();
        body(r, *gradients, context);
      } catch (...) {
        failures[static_cast<std::size_t>(r)] = std::current_exception();
      }
    });
  for (std::thread& t : threads) t.join();
  for (const std::exception_ptr& f : failures)
    if (f) std::rethrow_exception(f);
}

inline std::unique_ptr<trainer::Session> make(const nlohmann::json& config, const trainer::TaskContext& context,
                                              trainer::Communicator& gradients) {
  auto session = trainer::Session::make(config, context, gradients);
  if (!session) throw std::runtime_error(session.error().items.at(0).message);
  return *std::move(session);
}

}  // namespace orrery::test
