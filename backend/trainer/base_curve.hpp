// What jobs that start from their base checkpoint reach after each epoch, and what a child's first epoch is worth
// beside that: the epochs that such a job needs for the same score on held-out samples. Pure, and without torch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/error.hpp"
#include "sim/models/lifecycle/first_epoch.hpp"

namespace orrery::trainer {

// A share of held-out samples (accuracy), in [0, 1], with its standard error.
struct Score {
  double value = 0, error = 0;
};
// Of a share of so many samples: the binomial error, as if one sample more had been right and one wrong, so that it
// is never 0.
[[nodiscard]] Score score_of(double share, std::uint64_t samples);

// Scores after 0, 1, 2, ... epochs.
struct BaseCurve {
  std::string job{};  // who has written it
  std::vector<Score> scores{};

  // How many of its epochs lead to the score, by linear interpolation between the best scores so far. 0 where it
  // begins there or above, its last epoch where it never gets as far. The error follows from both scores' and the
  // slope there; where the curve is flat, it is the whole curve's length. Nothing: it has not an epoch yet.
  [[nodiscard]] std::optional<EpochWorth> worth(const Score& score) const;

  [[nodiscard]] std::string text() const;  // JSON, a line
  [[nodiscard]] static std::optional<BaseCurve> from_text(std::string_view text);
};

// The file of the curve of jobs that are alike but for where they start from, their seed, length and what they
// report: in the folder `curves` beside the job's own. `config`: the job's JSON.
[[nodiscard]] std::string curve_path(const std::string& work_folder, std::string_view config);

}  // namespace orrery::trainer
