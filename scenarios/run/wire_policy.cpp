#include "scenarios/run/wire_policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "scenarios/run/policy_failed.hpp"
#include "sim/api/bubbles.hpp"
#include "sim/control/gangs.hpp"
#include "sim/core/assert.hpp"
#include "sim/core/node_widths.hpp"
#include "traces/format/text_file.hpp"

namespace orrery::app {
namespace {

constexpr std::size_t kShownOfAnswer = 2000;  // bytes of a line in a message; the caret finds its part

bool is_reached(const JobView& v) {
  if (v.target == nullptr) return !holds_gpus(v.state);
  if (v.target->act == Act::suspend) return v.state == JobState::suspended;
  return v.state == JobState::running && *v.held == v.target->gpus;
}

// A demand's CPUs and memory, shared out over the GPUs that a policy named without them.
Allocation with_host_shares(const Allocation& gpus, const Demand& d) {
  Allocation all;
  for (NodeSlice s : gpus.slices()) {
    if (s.cpu_milli != 0 || s.mem_bytes != 0 || d.gpus == 0) return gpus;
    s.cpu_milli = part_of_job(d, d.cpu_milli, s.gpu_count());
    s.mem_bytes = part_of_job(d, d.mem_bytes, s.gpu_count());
    all.add(s);
  }
  return all;
}

}  // namespace

WirePolicy::WirePolicy(std::unique_ptr<Conversation> talk, std::unique_ptr<Placement> placement,
                       const Topology& topology, std::uint64_t seed, std::string kept)
    : talk_(std::move(talk)), placement_(std::move(placement)), kept_(std::move(kept)) {
  append(line_, wire::Hello{seed, topology.gpu_types(), topology.groups()});
  answer_ = ask(line_);
  const auto ready = wire::read_ready(answer_);
  if (!ready) refuse("its first line is no `ready`: " + ready.error().message, ready.error().column);
  wakes_on_ = ready->wakes_on;
}

std::string WirePolicy::ask(const std::string& line) {
  lines_ += 2;
  const auto said = [this](std::string_view text) {
    if (first_) greeting_.append(text).push_back('\n');
    if (recording_ != nullptr) recording_->write(std::string(text) + "\n");
  };
  said(line);
  try {
    std::string answer = talk_->ask(line);
    said(answer);
    return answer;
  } catch (PolicyFailed& e) {
    if (const std::string_view part = talk_->unasked(); !part.empty()) said(part.substr(0, part.find('\n')));
    fail_at_line(std::move(e.error.items.front()));
  }
}

void WirePolicy::record(const std::string& path, bool stays) {
  ORRERY_ASSERT(first_, "a conversation is recorded from its beginning, or not at all");
  recording_path_ = path;
  if (stays) kept_ = path;
  recording_ = std::make_unique<PackedFile>(path, 1);
  recording_->write(greeting_);
}

Expected<void> WirePolicy::finish() {
  talk_.reset();
  const int error = recording_ != nullptr ? recording_->close() : 0;
  if (error != 0) return fail(fmt::format("cannot write `{}`: {}", recording_path_, std::strerror(error)));
  return {};
}

Expected<std::string> WirePolicy::keep() {
  if (kept_.empty() || !talk_->file().empty()) return talk_->file();
  if (std::exchange(is_kept_, true)) return kept_;
  auto ok = write_kept();
  if (ok) return kept_;
  kept_.clear();  // it is told of once
  return tl::make_unexpected(std::move(ok.error()));
}

Expected<void> WirePolicy::write_kept() {
  std::error_code failed;
  if (recording_ == nullptr) {  // it has not come to the first decision
    if (const auto folder = std::filesystem::path(kept_).parent_path(); !folder.empty())
      std::filesystem::create_directories(folder, failed);
    return write_text_file(kept_, greeting_);
  }
  if (const int error = recording_->close(); error != 0)
    return fail(fmt::format("cannot write `{}`: {}", recording_path_, std::strerror(error)));
  if (recording_path_ != kept_) std::filesystem::rename(recording_path_, kept_, failed);
  if (failed) return fail(fmt::format("cannot write `{}`: {}", kept_, failed.message()));
  return {};
}

void WirePolicy::fail_at_line(Diagnostic d) {
  const auto file = keep();
  if (!file)
    d.notes.push_back("the conversation is not kept: " + file.error().items.front().message);
  else if (d.where.file == kConversation && !file->empty())
    d.where.file = *file;
  policy_failed(std::move(d));
}

void WirePolicy::refuse(std::string message, int column) {
  Diagnostic d{fmt::format("{}: {}", talk_->who(), message)};
  d.where = {std::string(kConversation), static_cast<int>(std::min<std::uint64_t>(lines_, 2'000'000'000)), column};
  d.line_text = answer_.substr(0, std::max(kShownOfAnswer, static_cast<std::size_t>(column) + 100));
  fail_at_line(std::move(d));
}

void WirePolicy::add_job(const ClusterView& view, JobId job) {
  const std::size_t i = job.index();
  if (i >= told_in_.size()) {
    told_in_.resize(std::max(i + 1, 2 * told_in_.size()));
    introduced_.resize(told_in_.size());
  }
  if (told_in_[i] == view.epoch) return;
  told_in_[i] = view.epoch;
  said_.jobs.push_back(wire::job_of(view, job, !introduced_[i]));
  introduced_[i] = true;
  if (is_final(said_.jobs.back().state) || is_reached(view.job(job)))
    moving_.erase(job);
  else
    moving_.insert(job);
  const auto gang = view.gang(job);  // their speed is another where it came or went
  mates_.insert(mates_.end(), gang.begin(), gang.end());
}

// All jobs that there are, or those of which something can have changed: an event says so, or they are on their way
// to a target.
void WirePolicy::tell(const ClusterView& view, const PlanBuilder& plan) {
  said_.full = std::exchange(first_, false);
  said_.epoch = view.epoch;
  said_.now = view.now;
  said_.free = plan.free().free_gpus();
  said_.jobs.clear();
  said_.events.assign(view.since_last.begin(), view.since_last.end());
  if (said_.full)
    for (const JobRange& jobs : {view.pending(), view.blocked(), view.active()})
      for (const JobId job : jobs.ids()) add_job(view, job);
  for (const Event& e : view.since_last)
    if (e.job.valid()) add_job(view, e.job);
  for (const JobId job : moving_) add_job(view, job);
  for (std::size_t i = 0; i < mates_.size(); ++i) add_job(view, mates_[i]);
  mates_.clear();
  std::sort(said_.jobs.begin(), said_.jobs.end(), [](const wire::Job& a, const wire::Job& b) { return a.id < b.id; });
}

void WirePolicy::schedule(const ClusterView& view, PlanBuilder& plan) {
  tell(view, plan);
  line_.clear();
  append(line_, said_);
  answer_ = ask(line_);
  const auto answer = wire::read_answer(answer_);
  if (!answer) refuse("its answer is no plan: " + answer.error().message, answer.error().column);
  if (answer->epoch != view.epoch)
    refuse(fmt::format("it answers epoch {}, and was asked about {}", answer->epoch, view.epoch));
  try {
    apply(view, *answer, plan);
  } catch (const AssertionFailed& e) {  // a rule of plans that is not looked at here
    refuse(fmt::format("its plan cannot be carried out: {}", e.what()));
  }
}

void WirePolicy::check_known(const ClusterView& view, JobId job) {
  if (job.index() >= introduced_.size() || !introduced_[job.index()])
    refuse(fmt::format("its plan names job {}, which it has not been told of", job.value));
  if (is_final(view.state(job)))
    refuse(fmt::format("its plan names job {}, which is {}", job.value, to_string(view.state(job))));
}

// As PlanBuilder::run() asserts.
void WirePolicy::check_sharing(JobId job, const Target& target) {
  const bool grouped = target.sharing == Sharing::interleaved || target.sharing == Sharing::merged;
  if (grouped && !target.group.valid())
    refuse(fmt::format("its plan runs job {} with others of a group (`sharing`), but names no `group`", job.value));
  if (!grouped && target.group.valid())
    refuse(
        fmt::format("its plan runs job {} in group {}, but is not to share: `sharing` is `interleaved` or `merged`",
                    job.value, target.group.value));
  const bool fills = target.sharing == Sharing::filler;
  if (fills && !target.config.host.valid())
    refuse(fmt::format("its plan has job {} fill bubbles (`sharing`), but `config` names no `host`", job.value));
  if (!fills && target.config.host.valid())
    refuse(fmt::format("its plan names a `host` for job {}, which is not to fill bubbles: `sharing` is `filler`",
                       job.value));
  if (fills && (target.config.fill_per_mille < 1 || target.config.fill_per_mille > kWholeFill))
    refuse(fmt::format("its plan has job {} fill {} thousandths of its host's bubbles: `fill_per_mille` is 1 to {}",
                       job.value, target.config.fill_per_mille, kWholeFill));
  if (target.sharing == Sharing::fraction) return;
  for (const NodeSlice& s : target.gpus.slices())
    if (s.gpus.any() && s.milli_per_gpu != kMilliPerGpu)
      refuse(fmt::format("its plan runs job {} on `{}`: less than whole GPUs are held with `sharing` `fraction` only",
                         job.value, target.gpus.to_string()));
}

// What the job is to hold by the answer so far, else by an earlier one; null: nothing.
const Target* WirePolicy::target_of(const ClusterView& view, JobId job) const {
  const auto given = given_.find(job);
  return given != given_.end() ? given->second : view.job(job).target;
}

// When all targets are known: those of a group share in one way, and those that are merged hold the same GPUs.
void WirePolicy::check_groups(const ClusterView& view) {
  std::map<GroupId, JobId> first;
  const auto how = [](const Target& t) { return t.sharing == Sharing::merged ? "merged" : "interleaved"; };
  const auto meet = [&](JobId job, const Target& target) {
    if (!target.group.valid()) return;
    const auto [at, fresh] = first.try_emplace(target.group, job);
    if (fresh) return;
    const Target& other = *target_of(view, at->second);
    if (other.sharing != target.sharing)
      refuse(fmt::format("its plan has job {} in group {} {}, and job {} {}", job.value, target.group.value,
                         how(target), at->second.value, how(other)));
    if (target.sharing == Sharing::merged && !same_gpus(other.gpus, target.gpus))
      refuse(
          fmt::format("its plan merges job {} on `{}` with job {}, which is to be on `{}`: those of a group are on "
                      "the same GPUs",
                      job.value, target.gpus.to_string(), at->second.value, other.gpus.to_string()));
  };
  for (const JobId job : view.active().ids())  // those that stand, in the order of the jobs, then what is new
    if (!given_.contains(job)) meet(job, *target_of(view, job));
  for (const auto& [job, target] : given_)
    if (target != nullptr) meet(job, *target);
}

// When all targets are known: a host runs and goes on where it is, and nobody else fills these windows. As
// ClusterState::accept() asserts.
void WirePolicy::check_fillers(const ClusterView& view) {
  for (const auto& [job, target] : given_) {
    if (target == nullptr || target->sharing != Sharing::filler) continue;
    const JobId host = target->config.host;
    check_known(view, host);
    const Allocation* const held = view.held(host);
    const Target* const there = target_of(view, host);
    if (view.state(host) != JobState::running || there == nullptr || there->act != Act::run ||
        !(there->gpus == *held) || there->sharing == Sharing::filler)
      refuse(fmt::format("its plan has job {} fill bubbles of job {}, which does not run, or not where it is to be",
                         job.value, host.value));
    const Bubbles& bubbles = view.spec(host).bubbles;
    if (!bubbles.any())
      refuse(fmt::format("its plan has job {} fill bubbles of job {}, which has none", job.value, host.value));
    if (stage_of(bubbles, *held, target->gpus) < 0)
      refuse(fmt::format("its plan has job {} fill bubbles on `{}`, which are no GPUs of one stage of job {} on `{}`",
                         job.value, target->gpus.to_string(), host.value, held->to_string()));
    const auto meet = [&](JobId other, const Target* t) {
      if (other != job && t != nullptr && t->sharing == Sharing::filler && t->config.host == host &&
          share_gpus(t->gpus, target->gpus))
        refuse(fmt::format("its plan has jobs {} and {} fill the same bubbles of job {}", job.value, other.value,
                           host.value));
    };
    for (const JobId other : view.fillers(host))
      if (!given_.contains(other)) meet(other, view.job(other).target);
    for (const auto& [other, t] : given_) meet(other, t);
  }
}

void WirePolicy::run(const ClusterView& view, JobId job, const Target& target, PlanBuilder& plan) {
  check_sharing(job, target);
  const JobSpec& spec = view.spec(job);
  const JobView v = view.job(job);
  if (!v.ready) refuse(fmt::format("its plan runs job {}, whose parents are not ready", job.value));
  const int gpus = target.gpus.gpu_count();
  if (target.gpus.empty() || gpus < spec.min_gpus || gpus > std::max(spec.max_gpus, spec.min_gpus))
    refuse(fmt::format("its plan runs job {} on {} GPUs; it wants {}", job.value, gpus,
                       spec.min_gpus == spec.max_gpus ? fmt::format("{}", spec.min_gpus)
                                                      : fmt::format("{} to {}", spec.min_gpus, spec.max_gpus)));
  for (const NodeSlice& s : target.gpus.slices()) {
    if (s.node.index() >= view.topology->node_count() ||
        (s.gpus & ~GpuMask::first(view.topology->node(s.node).gpus)).any() || s.cpu_milli < 0 || s.mem_bytes < 0)
      refuse(fmt::format("its plan runs job {} on `{}`, which the cluster does not have", job.value,
                         target.gpus.to_string()));
    const GpuTypeMask type = GpuTypeMask{1} << view.topology->node(s.node).type;
    if (spec.demand.gpu_types != 0 && (spec.demand.gpu_types & type) == 0)
      refuse(fmt::format("its plan runs job {} on node {}, whose GPUs are of a type that it cannot use", job.value,
                         s.node.value));
  }
  if (!plan.run(job, with_host_shares(target.gpus, spec.demand), target.config, target.sharing, target.group))
    refuse(fmt::format("its plan runs job {} on `{}`, of which something is not free", job.value,
                       target.gpus.to_string()));
}

void WirePolicy::apply_target(const ClusterView& view, JobId job, const Target& target, PlanBuilder& plan) {
  check_known(view, job);
  switch (target.act) {
    case Act::run:
      run(view, job, target, plan);
      given_[job] = &target;
      moving_.insert(job);
      return;
    case Act::suspend:
      if (plan.planned(job) == nullptr)
        refuse(fmt::format("its plan suspends job {}, which has no GPUs to stand still on", job.value));
      if (target_of(view, job)->sharing == Sharing::merged)
        refuse(fmt::format("its plan suspends job {}, which is merged with others: it can be preempted", job.value));
      if (target_of(view, job)->sharing == Sharing::filler)
        refuse(fmt::format("its plan suspends job {}, which fills bubbles: it can be preempted", job.value));
      given_.try_emplace(job, view.job(job).target);
      plan.suspend(job);
      moving_.insert(job);
      return;
    case Act::preempt: plan.preempt(job); break;
    case Act::reject:
      if (holds_gpus(view.state(job)))
        refuse(fmt::format("its plan rejects job {}, which is {}", job.value, to_string(view.state(job))));
      plan.reject(job);
      break;
    case Act::cancel: plan.cancel(job); break;
  }
  given_[job] = nullptr;
  moving_.insert(job);
}

void WirePolicy::apply(const ClusterView& view, const wire::Answer& answer, PlanBuilder& plan) {
  const auto& [targets, commands, wake_at, reasons, reservations] = answer.plan;
  given_.clear();
  for (const auto& [job, target] : targets) apply_target(view, job, target, plan);
  const auto grouped = [](const auto& t) { return t.second.group.valid(); };
  if (std::any_of(targets.begin(), targets.end(), grouped)) check_groups(view);
  check_fillers(view);
  for (const JobId job : answer.place) {
    check_known(view, job);
    if (!view.job(job).ready) refuse(fmt::format("its plan starts job {}, whose parents are not ready", job.value));
    if (plan.planned(job) != nullptr)
      refuse(fmt::format("its plan starts job {}, which has GPUs by an earlier target", job.value));
    if (plan.start(job, *placement_)) {
      moving_.insert(job);
    } else if (answer.in_order) {
      plan.reason(job, ReasonCode::resources, plan.free().free_gpus());
      break;
    }
  }
  for (const Command& c : commands) {
    check_known(view, c.job);
    plan.command(c);
  }
  if (wake_at && *wake_at <= view.now)
    refuse(fmt::format("it asks to be woken at {} ns, which is not after now, {} ns", wake_at->ns, view.now.ns));
  if (wake_at) plan.wake_at(*wake_at);
  for (const Reason& r : reasons) {
    check_known(view, r.job);
    if (r.about.valid()) check_known(view, r.about);
    plan.reason(r);
  }
  for (const Reservation& r : reservations) {
    check_known(view, r.job);
    plan.reserve(r.job, r.start);
  }
}

}  // namespace orrery::app
