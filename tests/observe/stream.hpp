// Hand-made event streams for the observers' tests: a machine, jobs, and records that follow the events as the
// controller's do.
#pragma once

#include <fmt/format.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/observe/metrics/fold.hpp"

namespace orrery::test {

inline Allocation gpus(std::uint32_t node, std::uint64_t mask, std::int32_t milli = kMilliPerGpu) {
  Allocation a;
  NodeSlice s;
  s.node = NodeId(node);
  s.gpus = mask;
  s.milli_per_gpu = milli;
  a.add(s);
  return a;
}

class Stream {
 public:
  explicit Stream(int jobs, int nodes = 2, int gpus_per_node = 4) : topology(groups(nodes, gpus_per_node)) {
    for (int i = 0; i < jobs; ++i) {
      JobSpec s;
      s.id = JobId(static_cast<std::uint32_t>(i));
      s.name = fmt::format("p{}", i);
      s.tenant = std::string("t");
      s.demand.gpus = 2;
      specs.push_back(s);
    }
    records.resize(specs.size());
    for (std::size_t i = 0; i < specs.size(); ++i) records[i].spec = &specs[i];
  }
  void watch(Observer& o) {
    observers.push_back(&o);
    RunContext c;
    c.topology = &topology;
    c.records = &records;
    o.on_begin(c);
  }
  void emit(Event e) {
    for (Observer* o : observers) o->on_event(e);
  }
  void send(std::int64_t t_s, const event::Payload& what, int job) {
    Event e{.at = at_seconds(t_s), .what = what};
    if (job >= 0) {
      e.job = JobId(static_cast<std::uint32_t>(job));
      if (e.job.index() < records.size()) apply(e);
    }
    emit(e);
  }
  void submit(std::int64_t t_s, int job) {
    send(t_s, event::Submit{}, job);
    send(t_s, event::Ready{}, job);
  }
  void launch(std::int64_t t_s, int job, const Allocation& a) {
    send(t_s, event::Launch{&a}, job);
    send(t_s, event::Started{}, job);
  }
  void capacity(std::int64_t t_s, std::uint32_t node, std::int32_t usable) {
    emit(Event{.at = at_seconds(t_s), .what = event::Capacity{NodeId(node), usable}});
  }
  void batch_end(std::int64_t t_s) {
    for (Observer* o : observers) o->on_batch_end(at_seconds(t_s));
  }
  void end(std::int64_t t_s) {
    for (Observer* o : observers) o->on_end(at_seconds(t_s));
  }
  [[nodiscard]] std::shared_ptr<const JobTable> table() const {
    return std::make_shared<const JobTable>(make_job_table(records));
  }
  [[nodiscard]] std::vector<std::int32_t> node_gpus() const { return gpus_by_node(topology); }

  Topology topology;
  std::deque<JobSpec> specs;
  std::vector<JobRecord> records;
  std::vector<Observer*> observers;

 private:
  static std::vector<NodeGroup> groups(int nodes, int gpus_per_node) {
    NodeGroup g;
    g.name = std::string("g");
    g.count = nodes;
    g.gpus_per_node = gpus_per_node;
    return {g};
  }
  void apply(Event& e) {
    JobRecord& r = records[e.job.index()];
    if (e.kind() == EventKind::launch) r.incarnation += 1;
    if (e.kind() != EventKind::submit && e.kind() != EventKind::ready) {
      e.incarnation = r.incarnation;
      if (r.incarnation > 0) e.gang = GangId(e.job.value);
    }
    const std::map<EventKind, JobState> to = {
        {EventKind::submit, JobState::submitted},      {EventKind::ready, JobState::pending},
        {EventKind::launch, JobState::starting},       {EventKind::started, JobState::running},
        {EventKind::stop, JobState::stopping},         {EventKind::stopped, JobState::pending},
        {EventKind::failed, JobState::pending},        {EventKind::finished, JobState::finished},
        {EventKind::reject, JobState::rejected},       {EventKind::cancel, JobState::cancelled},
        {EventKind::launch_failed, JobState::pending}, {EventKind::suspended, JobState::suspended},
        {EventKind::resumed, JobState::running}};
    const auto at = to.find(e.kind());
    if (at != to.end()) r.state = at->second;
    if (const auto* f = e.get_if<event::Failed>(); f != nullptr && f->for_good) r.state = JobState::failed;
  }
};

// Two jobs of 2 GPUs on one node of 4 that share nothing, a third that waits, is preempted once and finishes.
//   p0: submit 0, runs 0-100         p1: submit 10, runs 10-60 and 80-130 (preempted)     p2: submit 20, runs 60-80
inline void play(Stream& s) {
  s.submit(0, 0);
  s.send(0, event::Decide{1, 1}, -1);
  s.launch(0, 0, gpus(0, 0b0011));
  s.submit(10, 1);
  s.launch(10, 1, gpus(0, 0b1100));
  s.submit(20, 2);
  s.send(20, event::WaitReason{ReasonCode::resources, 0}, 2);
  s.send(60, event::Stop{}, 1);
  s.send(60, event::Stopped{Work{50 * kNsPerSecond}}, 1);
  s.launch(60, 2, gpus(0, 0b1100));
  s.send(80, event::Finished{}, 2);
  s.launch(80, 1, gpus(0, 0b1100));
  s.send(100, event::Finished{}, 0);
  s.send(130, event::Finished{}, 1);
  s.end(130);
}

}  // namespace orrery::test
