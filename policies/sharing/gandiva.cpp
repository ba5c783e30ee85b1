// Gandiva (Xiao et al., OSDI'18), its time-slicing: nobody waits as long as GPUs can be shared. A job that finds no
// free GPUs joins the least crowded set of GPUs held by jobs of its own demand; the members of a set take turns, one
// quantum each, the others suspended with their state kept on the GPUs. When GPUs become free, members that have not
// yet been launched move there. Packing by measured utilisation, migration of running jobs and grow-shrink are not
// part of it. See docs/policies/time-slicing.md.
//
// Waiting jobs are classes of equal demand: what neither fits nor may share now holds for its whole class, so that a
// decision costs what it starts and one try per class, however long the queue is.
#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <set>

#include "policies/parts/class_queues.hpp"
#include "policies/registry.hpp"

namespace orrery {
namespace {

class Gandiva final : public Policy {
 public:
  Gandiva(std::unique_ptr<Placement> placement, Duration quantum, std::size_t most)
      : placement_(std::move(placement)), quantum_(quantum), most_(most) {}

  [[nodiscard]] std::unique_ptr<Policy> clone() const override { return std::make_unique<Gandiva>(*this); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    bool released = false;
    for (const Event& e : view.since_last) released = follow(view, e) || released;
    take_over(view, plan);
    admit(view, plan);
    if (released) spread_out(view, plan);
    take_turns(view, plan);
    if (!turns_.empty()) plan.wake_at(turns_.begin()->first);
  }

 private:
  static constexpr std::int64_t kNotQueued = -1;

  // GPUs and the jobs that share them; the first member runs, the others are suspended or not yet launched.
  struct Slot {
    Allocation gpus;
    DemandClass demand{};
    std::deque<JobId> members;
    Time turn_ends = kNever;  // of interest while there are several members
  };

  bool run_first(PlanBuilder& plan, GroupId id, Slot& s) {
    return plan.run(s.members.front(), s.gpus, {}, Sharing::interleaved, id);
  }

  // A member that was never launched needs CPUs and memory of its own beside those of the others.
  static bool can_run(const PlanBuilder& plan, GroupId id, const Slot& s, JobId job) {
    return plan.planned(job) != nullptr || plan.free().can_take(s.gpus, Sharing::interleaved, id);
  }

  // The first member that can run, from there on, comes to the front; those passed over have another turn later.
  static bool bring_forward(const PlanBuilder& plan, GroupId id, Slot& s, std::ptrdiff_t from) {
    const auto next =
        std::find_if(s.members.begin() + from, s.members.end(), [&](JobId job) { return can_run(plan, id, s, job); });
    if (next == s.members.end()) return false;
    std::rotate(s.members.begin(), next, s.members.end());
    return true;
  }

  // A job of a whole-GPU demand may share; a fraction of a GPU has its own share of it already.
  [[nodiscard]] static bool may_share(const Demand& d) { return d.gpus > 0 && d.milli_per_gpu == kMilliPerGpu; }

  void add_slot(PlanBuilder& plan, JobId job, DemandClass demand, const Allocation& gpus) {
    const GroupId id(++last_group_);
    Slot& s = slots_[id];
    s.gpus = gpus;
    s.demand = demand;
    s.members.push_back(job);
    slot_of_[job] = id;
    by_demand_[demand].insert({1, id});
    run_first(plan, id, s);
  }

  // Changes the members of a slot and keeps the indices right.
  template <class Change>
  void change(GroupId id, Change&& change_members) {
    Slot& s = slots_.at(id);
    auto& index = by_demand_[s.demand];
    index.erase({s.members.size(), id});
    if (s.members.size() > 1) turns_.erase({s.turn_ends, id});
    change_members(s);
    if (s.members.size() > 1) {
      crowded_.insert(id);
      turns_.insert({s.turn_ends, id});
    } else {
      crowded_.erase(id);
    }
    if (s.members.empty())
      slots_.erase(id);
    else
      index.insert({s.members.size(), id});
  }
  // The running member of the slot has one quantum from now on.
  void begin_turn(GroupId id, Slot& s, Time now) {
    if (s.members.size() > 1) turns_.erase({s.turn_ends, id});
    s.turn_ends = now + quantum_;
    if (s.members.size() > 1) turns_.insert({s.turn_ends, id});
  }

  void enqueue(const JobView& v) {
    const JobId job = v.id();
    if (job.index() >= queued_.size()) queued_.resize(std::max(job.index() + 1, 2 * queued_.size()), kNotQueued);
    queued_[job.index()] = next_++;
    queue_.insert(v.spec->demand_class, queued_[job.index()], job);
  }
  void dequeue(const JobView& v) {
    if (v.id().index() >= queued_.size() || queued_[v.id().index()] == kNotQueued) return;
    queue_.erase(v.spec->demand_class, queued_[v.id().index()], v.id());
    queued_[v.id().index()] = kNotQueued;
  }

  bool start_alone(const ClusterView& view, PlanBuilder& plan, JobId job) {
    const JobSpec& spec = view.spec(job);
    if (!may_share(spec.demand)) return plan.start(job, *placement_);
    scratch_.clear();
    if (!placement_->place(spec.demand, plan.free(), scratch_)) return false;
    add_slot(plan, job, spec.demand_class, scratch_);
    return true;
  }

  // In order of arrival; a class is passed over once there is no room for it, alone or shared.
  void admit(const ClusterView& view, PlanBuilder& plan) {
    scan_.begin(queue_);
    while (!scan_.done()) {
      const JobId job = scan_.head().second;
      if (start_alone(view, plan, job) || join(view, job, scan_.head_class())) {
        scan_.take();
        dequeue(view.job(job));
      } else {
        scan_.drop_class();
      }
    }
  }

  // Takes a turn in the least crowded slot of the same demand.
  bool join(const ClusterView& view, JobId job, DemandClass demand) {
    const auto& index = by_demand_[demand];
    if (index.empty() || index.begin()->first >= most_) return false;
    const GroupId id = index.begin()->second;
    change(id, [job](Slot& s) { s.members.push_back(job); });
    Slot& s = slots_.at(id);
    slot_of_[job] = id;
    if (s.members.size() == 2) begin_turn(id, s, view.now);
    return true;
  }

  void take_turns(const ClusterView& view, PlanBuilder& plan) {
    std::set<GroupId> due;
    for (auto it = turns_.begin(); it != turns_.end() && it->first <= view.now; ++it) due.insert(it->second);
    for (const GroupId id : due) {
      Slot& s = slots_.at(id);
      const JobId ran = s.members.front();
      if (bring_forward(plan, id, s, 1)) {
        plan.suspend(ran);
        run_first(plan, id, s);
      }
      begin_turn(id, s, view.now);
    }
  }

  // Members that were never launched move to GPUs that have become free.
  void spread_out(const ClusterView& view, PlanBuilder& plan) {
    const std::vector<GroupId> crowded(crowded_.begin(), crowded_.end());
    std::set<DemandClass> full;  // does not fit any more
    for (const GroupId id : crowded) {
      const DemandClass demand = slots_.at(id).demand;
      if (full.count(demand) > 0) continue;
      const std::deque<JobId> members = slots_.at(id).members;
      for (std::size_t i = 1; i < members.size() && full.count(demand) == 0; ++i) {
        const JobId job = members[i];
        if (plan.planned(job) != nullptr) continue;
        if (start_alone(view, plan, job))
          change(id, [job](Slot& s) { s.members.erase(std::find(s.members.begin(), s.members.end(), job)); });
        else
          full.insert(demand);
      }
    }
  }

  // In slots whose running member has left, the next one takes over at once. Not before all events are followed:
  // several members may have ended by now, one while it was being suspended.
  void take_over(const ClusterView& view, PlanBuilder& plan) {
    for (const GroupId id : left_) {
      const auto slot = slots_.find(id);
      if (slot == slots_.end()) continue;
      Slot& s = slot->second;
      begin_turn(id, s, view.now);
      // Else the GPUs are gone, their node is down.
      if (!bring_forward(plan, id, s, 0) || !run_first(plan, id, s)) dissolve(view, id);
    }
    left_.clear();
  }

  // The job no longer takes turns. True when its GPUs became free.
  bool leave(const JobView& v) {
    dequeue(v);
    const JobId job = v.id();
    const auto it = slot_of_.find(job);
    if (it == slot_of_.end()) return true;
    const GroupId id = it->second;
    slot_of_.erase(it);
    const bool ran = slots_.at(id).members.front() == job;
    change(id, [job](Slot& s) { s.members.erase(std::find(s.members.begin(), s.members.end(), job)); });
    if (slots_.count(id) == 0) return true;
    if (ran) left_.insert(id);
    return false;
  }

  void dissolve(const ClusterView& view, GroupId id) {
    const std::deque<JobId> members = slots_.at(id).members;
    for (const JobId job : members) {
      slot_of_.erase(job);
      enqueue(view.job(job));
    }
    change(id, [](Slot& s) { s.members.clear(); });
  }

  // True when GPUs became free.
  bool follow(const ClusterView& view, const Event& e) {
    if (e.kind() == EventKind::capacity) return true;
    if (!e.job.valid()) return false;
    const bool back = enters_queue(e.kind());
    const bool ended =
        e.kind() == EventKind::finished || e.kind() == EventKind::reject || e.kind() == EventKind::cancel;
    if (!back && !ended) return false;
    const JobView v = view.job(e.job);
    const bool released = e.kind() != EventKind::ready && leave(v);
    if (!back || is_final(v.state)) return released;
    if (v.target == nullptr) {
      enqueue(v);
    } else if (v.target->group != kNoGroup) {  // it takes turns by an earlier decision
      const GroupId id = v.target->group;
      last_group_ = std::max(last_group_, id.value);
      Slot& s = slots_[id];
      s.gpus = v.target->gpus;
      s.demand = v.spec->demand_class;
      slot_of_[e.job] = id;
      const bool runs = v.target->act == Act::run;
      change(id, [&](Slot& slot) {
        if (runs)
          slot.members.push_front(e.job);
        else
          slot.members.push_back(e.job);
      });
      begin_turn(id, s, view.now);
    }
    return released;
  }

  OwnPlacement placement_;
  Duration quantum_;
  std::size_t most_;
  ClassQueues<std::int64_t> queue_;  // jobs in no slot, as they came
  ClassScan<std::int64_t> scan_;
  std::vector<std::int64_t> queued_;  // [job]: its key in queue_
  std::int64_t next_ = 0;
  std::map<GroupId, Slot> slots_;
  std::map<JobId, GroupId> slot_of_;
  std::map<DemandClass, std::set<std::pair<std::size_t, GroupId>>> by_demand_;  // slots by number of members
  std::set<GroupId> crowded_;                                                   // slots with more than one
  std::set<std::pair<Time, GroupId>> turns_;                                    // the same by the end of the turn
  std::set<GroupId> left_;                                                      // slots whose first member has left
  std::uint32_t last_group_ = 0;
  Allocation scratch_;
};

std::unique_ptr<Policy> make_gandiva(PolicySetup setup, OptionReader& options) {
  const Duration quantum = options.time("quantum");
  const auto most = static_cast<std::size_t>(options.integer("most"));
  return std::make_unique<Gandiva>(std::move(setup.placement), quantum, most);
}

}  // namespace

const PolicyInfo gandiva_policy = {
    .name = "gandiva",
    .title = "time slicing: a job without free GPUs shares those of jobs of its size, in turns",
    .doc =
        "Members of a set of GPUs run one quantum each, the others are suspended on the GPUs. The least "
        "crowded set of the same demand is joined; members not yet launched move to GPUs that become free.",
    .source = "Xiao et al., Gandiva, OSDI 2018",
    .make = make_gandiva,
    .options = {{"quantum", "time", "60s", "how long a turn lasts", {}, 1, kMostTime},
                {"most", "integer", "4", "most jobs that share a set of GPUs; more wait", {}, 1, kMany}},
    .capabilities = {.shares = true},
};

}  // namespace orrery
