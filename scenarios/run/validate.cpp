#include "scenarios/run/validate.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <utility>

#include "backend/protocol/files.hpp"
#include "scenarios/run/ended_badly.hpp"
#include "scenarios/run/exit_codes.hpp"
#include "scenarios/run/live_folder.hpp"
#include "scenarios/run/live_tasks.hpp"
#include "scenarios/run/live_times.hpp"
#include "scenarios/run/output_folder.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
#include "sim/observe/log/digest.hpp"

namespace orrery::app {
namespace {

using Json = nlohmann::json;

// The paced gate, in percent: mean JCT and makespan from profiles against live. Wider where the machine's cores were
// contended for.
constexpr double kGatePct = 1;
constexpr double kContendedGatePct = 3;
constexpr double kContendedPressurePct = 60;
// Jobs that really train are gated on what the simulator does not know of: the row of measured times.
constexpr double kTrainedGatePct = 3;

std::vector<double> submits_of(const Prepared& p) {
  std::vector<double> s;
  for (const JobSpec& spec : p.workload.specs) s.push_back(to_seconds(spec.submit));
  return s;
}

// The numbers of a gap and their names in validate.json, beside those of its summary.
struct GapNumber {
  const char* name;
  double report::FidelityGap::*value;
};
constexpr std::array kGapNumbers{GapNumber{"mean_jct_error_pct", &report::FidelityGap::mean_jct_error_pct},
                                 GapNumber{"makespan_error_pct", &report::FidelityGap::makespan_error_pct},
                                 GapNumber{"p50_job_error_pct", &report::FidelityGap::p50_job_error_pct},
                                 GapNumber{"p90_job_error_pct", &report::FidelityGap::p90_job_error_pct},
                                 GapNumber{"order_tau", &report::FidelityGap::order_tau},
                                 GapNumber{"mean_jct_low_pct", &report::FidelityGap::mean_jct_low_pct},
                                 GapNumber{"mean_jct_high_pct", &report::FidelityGap::mean_jct_high_pct}};

Json json_of(const report::FidelityGap& g) {
  Json j{{"mean_jct_s", g.summary.mean_jct_s}, {"makespan_s", g.summary.makespan_s}};
  for (const auto& [name, value] : kGapNumbers) j[name] = g.*value;
  return j;
}

Json json_of(const Validated& v) {
  const report::Fidelity& f = v.fidelity;
  return {{"policy", f.policy},
          {"mean_jct_s", f.live.mean_jct_s},
          {"makespan_s", f.live.makespan_s},
          {"replayed", json_of(f.replayed)},
          {"profiled", json_of(f.profiled)},
          {"decisions", f.decisions},
          {"decisions_replayed", f.decisions_replayed},
          {"gate_pct", v.gate_pct},
          {"others_cpu_pct", v.others_cpu_pct}};
}

report::FidelityGap gap_of(const Json& j) {
  report::FidelityGap g;
  g.summary.mean_jct_s = j.at("mean_jct_s").get<double>();
  g.summary.makespan_s = j.at("makespan_s").get<double>();
  for (const auto& [name, value] : kGapNumbers) g.*value = j.at(name).get<double>();
  return g;
}

// Nothing where the text was written by another version.
std::optional<Validated> validated_of(const Json& j) {
  try {
    Validated v;
    v.fidelity.policy = j.at("policy").get<std::string>();
    v.fidelity.live.mean_jct_s = j.at("mean_jct_s").get<double>();
    v.fidelity.live.makespan_s = j.at("makespan_s").get<double>();
    v.fidelity.replayed = gap_of(j.at("replayed"));
    v.fidelity.profiled = gap_of(j.at("profiled"));
    v.fidelity.decisions = j.at("decisions").get<std::uint64_t>();
    v.fidelity.decisions_replayed = j.at("decisions_replayed").get<std::uint64_t>();
    v.gate_pct = j.at("gate_pct").get<double>();
    v.others_cpu_pct = j.at("others_cpu_pct").get<double>();
    return v;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

std::string validated_json(const std::vector<Validated>& all) {
  Json rows = Json::array();
  for (const Validated& v : all) rows.push_back(json_of(v));
  return json_text(rows, 1) + "\n";
}

Expected<Validated> validate_policy(const Prepared& prepared, const LiveRequest& request,
                                    const MeasuredTimes* promised) {
  auto live = run_live(prepared, request);
  if (!live) return tl::make_unexpected(std::move(live.error()));
  Validated v;
  v.gate_pct = kGatePct;
  v.interrupted = live->interrupted;
  if (v.interrupted) return v;
  if (!live->run.failure.empty())
    return fail(fmt::format("{}: {}", policy_label(request.run.policy), live->run.failure));
  RunRequest again = request.run;
  again.live = false;
  again.folder.reset();
  again.measured = promised;
  auto profiled = simulate(prepared, again);
  const MeasuredTimes measured = measured_times(prepared, live->launches);
  again.measured = &measured;
  auto replayed = simulate(prepared, again);
  for (auto* r : {&profiled, &replayed}) {
    if (!*r) return tl::make_unexpected(std::move(r->error()));
    if (!(*r)->failure.empty())
      return fail(fmt::format("simulation of {}: {}", request.run.policy.name, (*r)->failure));
  }
  const std::vector<double> submits = submits_of(prepared);
  const report::SeedResult& truth = live->run.result;
  const auto against = [&](const RunReport& r) {
    return report::gap(truth.summary, truth.jct_by_job_s, r.result.summary, r.result.jct_by_job_s, submits);
  };
  v.fidelity = {
      policy_label(request.run.policy), truth.summary, against(*replayed), against(*profiled), live->decisions,
      live->decisions_replayed};
  if (live->priority_refused || live->cpu_pressure_pct > kContendedPressurePct) v.gate_pct = kContendedGatePct;
  if (may_train(prepared)) v.gate_pct = kTrainedGatePct;
  v.others_cpu_pct = live->others_cpu_pct;
  v.bad_ends = ended_badly(prepared, live->run);
  v.failed = exit_code_of(truth.summary) != kOk;
  return v;
}

std::string what_is_validated(const Prepared& prepared, const std::vector<PolicyConfig>& policies, std::uint64_t seed,
                              const std::string& worker, const std::string& profile) {
  const std::string table = profile.empty() ? std::string() : live::read_file(profile).value_or("");
  return sha256_hex(fmt::format("{}\n{}\n{}\n{}\n{}", compare_digest(policies, 1, {&prepared}),
                                effective_yaml(prepared.scenario), seed, worker, sha256_hex(table)));
}

ValidationProgress::ValidationProgress(std::string folder, std::string of)
    : folder_(std::move(folder)),
      path_(folder_ + "/validate.json"),
      of_(std::move(of)),
      state_(std::make_unique<Json>()) {
  if (const auto text = live::read_file(path_)) *state_ = read_json(*text);
  if (!state_->is_object()) *state_ = nullptr;
}

ValidationProgress::~ValidationProgress() = default;

bool ValidationProgress::interrupted() const {
  return state_->is_object();
}

bool ValidationProgress::ours() const {
  return interrupted() && state_->value("of", "") == of_;
}

std::string ValidationProgress::run_folder(const PolicyConfig& policy, std::uint64_t seed) const {
  return fmt::format("{}/{}-s{}", folder_, policy_label(policy), seed);
}

Expected<void> ValidationProgress::claim(const Prepared& prepared, const std::vector<PolicyConfig>& policies,
                                         std::uint64_t seed, bool named, bool force) {
  if (interrupted() && !ours() && named && !force) {
    Diagnostic d{fmt::format("`{}` holds a validation of something else, which was interrupted", folder_)};
    d.hint = "choose another folder with -o, or replace it with --force";
    return fail(std::move(d));
  }
  for (const PolicyConfig& policy : policies) {
    if (ours() && of(policy_label(policy))) continue;
    RunRequest run;
    run.folder = run_folder(policy, seed);
    run.policy = policy;
    run.seed = seed;
    run.live = true;
    const LiveFolder begun(*run.folder);
    if (begun.exists() && (interrupted() || force))
      if (auto ok = begun.discard(); !ok) return ok;
    if (named && !ours())
      if (auto ok = claim_run_folder(prepared, run, true, force); !ok) return ok;
  }
  if (auto ok = live::make_folders(folder_); !ok) return tl::make_unexpected(std::move(ok.error()));
  if (!ours()) *state_ = {{"of", of_}, {"policies", Json::object()}};
  return write();
}

std::optional<Validated> ValidationProgress::of(const std::string& policy) const {
  const auto all = state_->find("policies");
  if (all == state_->end() || !all->is_object() || !all->contains(policy)) return std::nullopt;
  return validated_of((*all)[policy]);
}

Expected<void> ValidationProgress::add(const std::string& policy, const Validated& v) {
  (*state_)["policies"][policy] = json_of(v);
  return write();
}

void ValidationProgress::end() const {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

Expected<void> ValidationProgress::write() const {
  if (auto ok = live::replace_file(path_, json_text(*state_, 1) + "\n"); !ok)
    return tl::make_unexpected(std::move(ok.error()));
  return {};
}

}  // namespace orrery::app
