// Steps of several training jobs at once, on one frozen backbone: one rank's part. In a step every member trains on
// its own next samples with its own optimiser, schedule and gradients; only the backbone's forward pass (and what
// goes back through it) is one for all. A member's numbers are those of its session alone but for the order in which
// sums are rounded. What goes wrong with one member (data that cannot be read, say) ends that one. Collective: every
// rank calls the same functions in the same order.
#pragma once

#include <string>
#include <vector>

#include "backend/models/merged.hpp"
#include "backend/trainer/session.hpp"

namespace orrery::trainer {

class MergedGang {
 public:
  // `words` is for agreeing between ranks on who goes on, and outlives the gang.
  explicit MergedGang(Communicator& words) : words_(&words) {}

  // A session, which outlives its membership, becomes a member, with whatever it has restored. Why not: see
  // models::MergedTrunk::add(); then, on all ranks, nothing has changed.
  [[nodiscard]] Expected<live::Ok> add(Session& session);
  void remove(Session& session);
  [[nodiscard]] bool has(const Session& session) const;

  struct Outcome {
    StepReport report{};    // as of Session::step()
    std::string failure{};  // not empty: it has made no step, is in no state to make another, and has to be removed
  };
  // One step of every member, in order of joining. `report`: of each, whether the numbers of its report are wanted.
  [[nodiscard]] std::vector<Outcome> step(const std::vector<bool>& report);

  // How often the backbone ran, and over how many samples, in all steps so far.
  [[nodiscard]] std::int64_t passes() const { return trunk_.passes(); }

 private:
  void micro_step(std::int64_t micro, std::vector<Outcome>& out);
  void agree(std::vector<Outcome>& out);

  Communicator* words_;
  models::MergedTrunk trunk_{};
  std::vector<Session*> sessions_{};
};

}  // namespace orrery::trainer
