// Sums the gradients over the ranks while backward still runs. The flat gradient buffer is cut into buckets; a hook
// counts the parameters whose gradient is complete, and a bucket that is full is summed in the background. Buckets
// are launched strictly in order on every rank, also those that fill out of turn or (a parameter that this rank's
// samples did not use) not at all: those go, with zeros, when backward is over.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backend/trainer/communicator.hpp"
#include "backend/trainer/flat.hpp"

namespace orrery::trainer {

class Buckets {
 public:
  // `bytes`: of one bucket, at least (a parameter is never cut). `comm` is used by nobody else.
  Buckets(FlatParameters& flat, Communicator& comm, std::int64_t bytes);
  Buckets(const Buckets&) = delete;
  Buckets& operator=(const Buckets&) = delete;
  ~Buckets();

  // To be called before the backward whose gradients are the step's last: from now on full buckets are launched.
  void arm();
  // Launches the rest (all, where nothing was armed) and waits for all; then the gradients are the sums.
  void finish();

  [[nodiscard]] std::size_t count() const { return buckets_.size(); }
  // Buckets of the last step that were under way before backward was over.
  [[nodiscard]] std::size_t overlapped() const { return overlapped_; }

 private:
  struct Bucket {
    std::int64_t at = 0, size = 0;
    int parameters = 0, missing = 0;
  };

  void ready(std::size_t bucket);
  void launch(Bucket& bucket);

  FlatParameters* flat_;
  Communicator* comm_;
  std::vector<Bucket> buckets_{};
  std::vector<std::shared_ptr<void>> accumulators_{};  // hooks live as long as these
  std::shared_ptr<Buckets*> self_;                     // what hooks point to; null once this is gone
  std::vector<Communicator::Wait> waits_{};
  std::size_t next_ = 0, overlapped_ = 0;
  bool armed_ = false;
};

}  // namespace orrery::trainer
