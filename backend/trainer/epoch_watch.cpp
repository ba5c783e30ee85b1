// See epoch_watch.hpp.
#include "backend/trainer/epoch_watch.hpp"

#include <filesystem>
#include <utility>

#include "backend/protocol/files.hpp"

namespace orrery::trainer {
namespace {

std::int64_t epochs_at(const Session& session, std::int64_t position) {
  const auto samples = static_cast<std::int64_t>(session.task().samples());
  return samples > 0 ? position / samples : 0;
}

}  // namespace

EpochWatch::EpochWatch(std::string path, std::string job, bool inherits, bool writes)
    : path_(std::move(path)), inherits_(inherits), writes_(writes) {
  own_.job = std::move(job);
}

// One that goes on needs what it has written; without that it writes no more.
void EpochWatch::begin(Session& session) {
  if (inherits_) return;
  if (session.position() == 0) {
    own_.scores.clear();
    if (const auto at = score(session, session.task().evaluate())) own_.scores.push_back(*at);
    return write();
  }
  auto before = stored();
  if (!before || before->job != own_.job) return;
  own_ = *std::move(before);
  const auto done = static_cast<std::size_t>(epochs_at(session, session.position()));
  if (own_.scores.size() > done + 1) own_.scores.resize(done + 1);
}

bool EpochWatch::epoch_ended(const Session& session) const {
  const std::int64_t now = epochs_at(session, session.position());
  const std::int64_t before = epochs_at(session, session.position() - session.batch());
  return now > before && (!inherits_ || before == 0);
}

std::optional<EpochWorth> EpochWatch::ended(Session& session,
                                            const std::vector<std::pair<std::string, double>>& evaluated) {
  const auto at = score(session, evaluated);
  if (!at) return std::nullopt;
  if (inherits_) {
    const auto base = stored();
    return base ? base->worth(*at) : std::nullopt;
  }
  // A step of several epochs would leave some out.
  if (own_.scores.size() == static_cast<std::size_t>(epochs_at(session, session.position()))) {
    own_.scores.push_back(*at);
    write();
  }
  return std::nullopt;
}

// Shares of held-out samples only: another number has no known error.
std::optional<Score> EpochWatch::score(const Session& session,
                                       const std::vector<std::pair<std::string, double>>& evaluated) {
  const std::uint64_t samples = session.task().held_out();
  if (evaluated.empty() || samples == 0 || evaluated.front().first == "loss") return std::nullopt;
  return score_of(evaluated.front().second, samples);
}

std::optional<BaseCurve> EpochWatch::stored() const {
  const auto text = live::read_file(path_);
  return text ? BaseCurve::from_text(*text) : std::nullopt;
}

// Where another job has got further, its curve stays. One that cannot be written is missed by nobody but children.
void EpochWatch::write() {
  if (!writes_ || own_.scores.empty()) return;
  if (const auto there = stored(); there && there->job != own_.job && there->scores.size() >= own_.scores.size())
    return;
  if (!live::make_folders(std::filesystem::path(path_).parent_path().string())) return;
  (void)live::replace_file(path_, own_.text());
}

}  // namespace orrery::trainer
