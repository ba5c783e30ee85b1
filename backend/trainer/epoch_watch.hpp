// Follows a training job from epoch to epoch (`assess: true` in its JSON): one that starts from its base checkpoint
// writes down what it reaches, one that started from another job's version compares what it has reached after its
// first epoch with what such jobs wrote. Of every rank; rank 0 reads and writes.
#pragma once

#include <optional>
#include <string>

#include "backend/trainer/base_curve.hpp"
#include "backend/trainer/session.hpp"

namespace orrery::trainer {

class EpochWatch {
 public:
  // `inherits`: it started from another job's version.
  EpochWatch(std::string path, std::string job, bool inherits, bool writes);

  // It is where it begins, or goes on. Collective: may evaluate.
  void begin(Session& session);
  // Whether the last step ended an epoch.
  [[nodiscard]] bool epoch_ended(const Session& session) const;
  // It did, and the task was evaluated since: what a child's first one was worth, where there is something to compare
  // with.
  [[nodiscard]] std::optional<EpochWorth> ended(Session& session,
                                                const std::vector<std::pair<std::string, double>>& evaluated);

 private:
  [[nodiscard]] static std::optional<Score> score(const Session& session,
                                                  const std::vector<std::pair<std::string, double>>& evaluated);
  [[nodiscard]] std::optional<BaseCurve> stored() const;
  void write();

  std::string path_;
  bool inherits_, writes_;
  BaseCurve own_{};
};

}  // namespace orrery::trainer
