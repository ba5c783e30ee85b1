// See base_curve.hpp.
#include "backend/trainer/base_curve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "sim/core/json.hpp"
#include "sim/core/random.hpp"

namespace orrery::trainer {
namespace {

using Json = nlohmann::json;

EpochWorth in_millionths(double worth, double error) {
  return {std::llround(worth * 1e6), std::max<std::int64_t>(1, std::llround(error * 1e6))};
}

}  // namespace

Score score_of(double share, std::uint64_t samples) {
  const auto n = static_cast<double>(samples);
  const double p = (share * n + 1) / (n + 2);
  return {share, std::sqrt(p * (1 - p) / (n + 2))};
}

std::optional<EpochWorth> BaseCurve::worth(const Score& score) const {
  if (scores.size() < 2) return std::nullopt;
  const auto last = static_cast<double>(scores.size() - 1);
  double best = scores.front().value;
  std::size_t reached = 0;  // the epoch at whose end the score is reached
  double before = best;
  for (std::size_t i = 1; i < scores.size() && reached == 0; ++i) {
    before = best;
    best = std::max(best, scores[i].value);
    if (best >= score.value && best > before) reached = i;
  }
  const std::size_t end = reached == 0 ? scores.size() - 1 : reached;
  const double slope = best - before;  // of an epoch, the one that ends there
  const double sd = std::hypot(score.error, scores[end].error);
  const double error = slope > 0 ? std::min(sd / slope, last) : last;
  if (score.value <= scores.front().value) return in_millionths(0, error);
  if (reached == 0) return in_millionths(last, error);
  return in_millionths(static_cast<double>(reached - 1) + (score.value - before) / slope, error);
}

std::string BaseCurve::text() const {
  Json rows = Json::array();
  for (const Score& s : scores) rows.push_back(Json::array({s.value, s.error}));
  return Json{{"job", job}, {"scores", rows}}.dump() + "\n";
}

std::optional<BaseCurve> BaseCurve::from_text(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object() || !json.contains("scores") || !json["scores"].is_array()) return std::nullopt;
  BaseCurve curve;
  if (const auto job = json.find("job"); job != json.end() && job->is_string()) curve.job = job->get<std::string>();
  for (const Json& row : json["scores"]) {
    if (!row.is_array() || row.size() != 2 || !row[0].is_number() || !row[1].is_number()) return std::nullopt;
    curve.scores.push_back({row[0].get<double>(), row[1].get<double>()});
  }
  return curve;
}

std::string curve_path(const std::string& work_folder, std::string_view config) {
  const Json json = Json::parse(config.begin(), config.end(), nullptr, false);
  Json alike = Json::object();
  for (const char* key : {"task", "model", "data", "evaluate", "optimizer", "global_batch", "precision"})
    if (json.is_object() && json.contains(key)) alike[key] = json[key];
  const auto beside = std::filesystem::path(work_folder).parent_path();
  return fmt::format("{}/curves/{:016x}.json", beside.string(), hash64(alike.dump()));
}

}  // namespace orrery::trainer
