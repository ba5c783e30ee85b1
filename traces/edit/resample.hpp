// A trace drawn again from itself, in blocks of jobs that followed each other: what another month of the same cluster
// might have been. A job moves as a whole row (GPUs, run time, tenant, estimate, ...) with the gap before it; its
// deadline stays as far from its submit, its parents are the copies in its own block. The trace is cut into pieces
// where nobody's parent would be left behind and no burst of submissions broken up (gaps below a tenth of the mean);
// a block is half the cube root of the number of pieces. (A circular block bootstrap, Politis and Romano 1992, over
// the input of a queue rather than over what came out of it: the waits of jobs that queue together are no sample.)
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "sim/core/random.hpp"
#include "traces/format/canonical.hpp"

namespace orrery {

inline constexpr std::size_t kMinResampleJobs = 50;
inline constexpr std::size_t kMinResampleBlocks = 10;  // fewer say too little of how blocks differ

class Resampler {
 public:
  // Keeps a reference to the trace, whose jobs are sorted by submit.
  explicit Resampler(const Trace& trace);
  // Why this trace cannot be drawn again; "" = it can, and the rest may be asked.
  [[nodiscard]] const std::string& refused() const { return refused_; }
  [[nodiscard]] std::size_t block_jobs() const;  // on average
  // As many jobs as there are, but for what the last block has too many. Ids get the number of their block: `j7~3`.
  [[nodiscard]] Trace draw(RandomStream& random) const;

 private:
  void find_pieces();
  [[nodiscard]] std::size_t pieces() const { return cuts_.size() - 1; }
  void append_piece(Trace& out, std::size_t piece, const std::string& mark) const;

  const Trace* trace_;
  std::string refused_;
  std::size_t block_ = 0;            // pieces of a block
  std::vector<std::size_t> cuts_{};  // where pieces begin; the last is the number of jobs
  Duration mean_gap_{};              // before the first job, whose own gap nobody knows
};

}  // namespace orrery
