// What an application takes of one GPU, as measured by local batch: its memory, and how long its step takes while
// another job of the same application is on that GPU. Compiled to flat tables; look-ups allocate nothing. Linear
// between measurements, as the step times alone are (docs/formulas.md); what was not measured is said to be so.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/core/error.hpp"

namespace orrery {

struct MemoryPoint {
  double local_batch = 0;  // samples per GPU and step
  double gib = 0;          // 2^30 bytes of the GPU
};

// Two jobs of one application on one GPU, each with a local batch.
struct SharedStep {
  struct Side {
    double local_batch = 0;
    double step_s = 0;
    double gib = 0;
  };
  Side left, right;
};

class MemoryTable {
 public:
  // In any order; a batch that is there twice counts with the larger figure.
  [[nodiscard]] static MemoryTable compile(std::vector<MemoryPoint> points);
  [[nodiscard]] bool empty() const { return points_.empty(); }
  // GiB at a local batch; at the nearest measured one outside of them. 0 when nothing was measured.
  [[nodiscard]] double at(double local_batch) const;
  // The largest whole local batch such that it and every measured smaller one take at most `gib`; 0 when not even the
  // smallest does. Never more than the largest measured.
  [[nodiscard]] std::int64_t most(double gib) const;
  // What the least measured batch takes.
  [[nodiscard]] MemoryPoint least() const { return points_.front(); }

 private:
  std::vector<MemoryPoint> points_;  // by batch
};

class SharedSteps {
 public:
  static constexpr std::size_t kMostBatches = 256;
  // Either side of a measurement is beside the other; where both have the same batch, the mean of the two. An error
  // when there are more different batches than kMostBatches.
  [[nodiscard]] static Expected<SharedSteps> compile(const std::vector<SharedStep>& steps);
  [[nodiscard]] bool empty() const { return batches_.empty(); }
  struct Beside {
    double step_s = 0;  // of the own step
    double gib = 0;     // of both together
  };
  // Nothing where it neither was measured nor lies between four (or two) pairs that were.
  [[nodiscard]] std::optional<Beside> at(double own_batch, double other_batch) const;

 private:
  // Where a batch lies between two measured: batches_[low] and the next, `part` of the way.
  struct Place {
    std::size_t low = 0;
    double part = 0;
  };
  [[nodiscard]] std::optional<Place> place(double batch) const;

  std::vector<double> batches_;  // ascending
  std::vector<Beside> pairs_;    // [own * batches + other]; step 0 = not measured
};

}  // namespace orrery
