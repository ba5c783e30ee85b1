// Does what a file says: for tests of executors and for trying out by hand what no policy would do. The steps of a
// job are taken in order, each as soon as it is due and possible; a job that loses its GPUs to a failure after its
// last `run` gets that step again. Jobs that the file does not name are scheduled first-in, first-out.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "policies/parts/script.hpp"
#include "policies/registry.hpp"
#include "sim/core/assert.hpp"

namespace orrery {
namespace {

using Do = ScriptLine::Do;

class Scripted final : public Policy {
 public:
  Scripted(std::unique_ptr<Placement> placement, std::string file, std::vector<ScriptLine> lines)
      : placement_(std::move(placement)), file_(std::move(file)), lines_(std::move(lines)) {
    for (std::size_t i = 0; i < lines_.size(); ++i) jobs_[lines_[i].job].steps.push_back(i);
  }
  [[nodiscard]] EventMask wakes_on() const override {
    return Policy::wakes_on() | kStop | mask_of(EventKind::started);
  }

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<Scripted>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    for (const Event& e : view.since_last) meet(view, e);
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      Scene& s = jobs_.at(lines_[i].job);
      if (s.next < s.steps.size() && s.steps[s.next] == i) follow(view, plan, s);
    }
    start_the_others(view, plan);
    for (const auto& [name, s] : jobs_)
      if (s.next < s.steps.size() && lines_[s.steps[s.next]].at > view.now) plan.wake_at(lines_[s.steps[s.next]].at);
  }

 private:
  // One job of the script.
  struct Scene {
    JobId job{};                     // invalid: not submitted yet
    std::vector<std::size_t> steps;  // its lines
    std::size_t next = 0;
    std::optional<std::size_t> last_run{};  // the line that says where it should be now
  };

  void meet(const ClusterView& view, const Event& e) {
    if (!e.job.valid() || (e.kind() != EventKind::ready && e.kind() != EventKind::submit)) return;
    const auto it = jobs_.find(view.spec(e.job).name);
    if (it == jobs_.end()) return;
    it->second.job = e.job;
    named_.insert(e.job);
  }

  // Takes the job's steps that are due, as far as they are possible; puts it back where it was after a failure.
  void follow(const ClusterView& view, PlanBuilder& plan, Scene& s) {
    if (!s.job.valid()) return;
    while (s.next < s.steps.size()) {
      const ScriptLine& line = lines_[s.steps[s.next]];
      if (line.at > view.now || line.epoch > view.epoch || !take(view, plan, s, s.steps[s.next])) break;
      ++s.next;
    }
  }

  // False: not possible yet.
  bool take(const ClusterView& view, PlanBuilder& plan, Scene& s, std::size_t number) {
    const ScriptLine& line = lines_[number];
    const JobView v = view.job(s.job);
    if (is_final(v.state)) return true;
    switch (line.what) {
      case Do::run:
        if (!v.ready || !run(view, plan, s.job, line, line.anew)) return false;
        s.last_run = number;
        return true;
      case Do::preempt:
        s.last_run.reset();
        if (plan.planned(s.job) != nullptr) plan.preempt(s.job);
        return true;
      case Do::suspend:
        if (plan.planned(s.job) == nullptr) return false;
        ORRERY_ASSERT(!s.last_run || !lines_[*s.last_run].merged,
                      "{}:{}: job {} is merged with others: it can be preempted, not suspended", file_, line.number,
                      view.spec(s.job).name);
        plan.suspend(s.job);
        return true;
      case Do::cancel: plan.cancel(s.job); return true;
      case Do::checkpoint:
      case Do::publish:
      case Do::reconfigure:
        if (v.state != JobState::running) return false;
        plan.command(command_of(s.job, line));
        return true;
    }
    return true;
  }

  static Command command_of(JobId job, const ScriptLine& line) {
    Command c{job, Command::Kind::checkpoint, {}};
    if (line.what == Do::publish) c.kind = Command::Kind::publish;
    if (line.what != Do::reconfigure) return c;
    c.kind = Command::Kind::reconfigure;
    c.config.batch = line.batch;
    c.config.accumulation = line.accumulation;
    return c;
  }

  // What it is to start from.
  static RunConfig config_of(const ClusterView& view, const JobSpec& spec, const ScriptLine& line, bool anew) {
    RunConfig c;
    c.anew = anew;
    c.start_version = line.source == "base" ? kFromBase : line.version;
    for (const Dependency& d : spec.after)
      if (view.spec(d.parent).name == line.source) c.start_parent = d.parent;
    return c;
  }

  bool run(const ClusterView& view, PlanBuilder& plan, JobId job, const ScriptLine& line, bool anew) {
    if (!line.gpus) return plan.planned(job) != nullptr || plan.start(job, *placement_);
    const JobSpec& spec = view.spec(job);
    Allocation gpus;
    for (NodeSlice slice : line.gpus->slices()) {
      const bool there = slice.node.index() < view.topology->node_count() &&
                         !(slice.gpus & ~GpuMask::first(view.topology->node(slice.node).gpus)).any();
      ORRERY_ASSERT(there, "{}:{}: the cluster has no {}", file_, line.number, line.gpus->to_string());
      const int n = std::max(1, spec.demand.gpus);
      slice.cpu_milli = (spec.demand.cpu_milli * slice.gpu_count() + n - 1) / n;
      slice.mem_bytes = (spec.demand.mem_bytes * slice.gpu_count() + n - 1) / n;
      gpus.add(slice);
    }
    ORRERY_ASSERT(gpus.gpu_count() >= spec.min_gpus && gpus.gpu_count() <= spec.max_gpus,
                  "{}:{}: job {} runs on {} to {} GPUs, not on {}", file_, line.number, spec.name, spec.min_gpus,
                  spec.max_gpus, line.gpus->to_string());
    const bool whole = gpus.milli_gpus() == std::int64_t{gpus.gpu_count()} * kMilliPerGpu;
    const Sharing sharing = line.merged              ? Sharing::merged
                            : line.group != kNoGroup ? Sharing::interleaved
                            : whole                  ? Sharing::exclusive
                                                     : Sharing::fraction;
    return plan.run(job, gpus, config_of(view, spec, line, anew), sharing, line.group);
  }

  void start_the_others(const ClusterView& view, PlanBuilder& plan) {
    bool blocked = false;
    for (const JobId job : view.pending().ids()) {
      if (named_.count(job) == 0) {
        blocked = blocked || !plan.start(job, *placement_);
        continue;
      }
      Scene& s = jobs_.at(view.spec(job).name);
      if (s.last_run && plan.planned(job) == nullptr) run(view, plan, job, lines_[*s.last_run], false);
    }
  }

  OwnPlacement placement_;
  std::string file_;
  std::vector<ScriptLine> lines_;
  std::map<std::string, Scene, std::less<>> jobs_;  // by name
  std::set<JobId> named_;                           // the jobs of the script that have come
};

std::unique_ptr<Policy> make_scripted(PolicySetup setup, OptionReader& options) {
  const std::string path = options.path("file");
  std::vector<ScriptLine> lines;
  if (!path.empty()) {
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in.good() && !in.eof()) {
      options.refuse("file", "which cannot be read", "a path is relative to the scenario that names it");
    } else if (auto parsed = parse_script(path, text)) {
      lines = std::move(*parsed);
    } else {
      options.refuse(std::move(parsed.error()));
    }
  }
  return std::make_unique<Scripted>(std::move(setup.placement), path, std::move(lines));
}

}  // namespace

const PolicyInfo scripted_policy = {
    .name = "scripted",
    .title = "what a file says, step by step; for tests and for trying things out by hand",
    .doc =
        "Lines of WHEN JOB ACTION: `90s a run n0:0-1`, `@12 a preempt`; WHEN is a time of the run or the "
        "number of a decision, the actions are run, preempt, suspend, cancel, checkpoint, publish and "
        "reconfigure. Jobs that the file does not name are scheduled first-in, first-out.",
    .make = make_scripted,
    .options = {{"file", "file", "", "the script, relative to the scenario that names it; none = no job is named"}},
    .conserves = Conserves::nothing,
    .capabilities = {.preempts = true, .elastic = true, .shares = true},
};

}  // namespace orrery
