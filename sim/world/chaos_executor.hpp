// A decorator that injects faults into any executor, simulated or live: what goes down is an ordinary Executor, what
// comes up is the same world with worse luck. Faults happen at the named sites of chaos.hpp. It uses nothing but the
// Executor interface: a node that goes down has its gangs killed, a launch that fails is never passed on.
#pragma once

#include <set>
#include <vector>

#include "sim/control/executor.hpp"
#include "sim/core/event_queue.hpp"
#include "sim/world/chaos.hpp"

namespace orrery {

struct ChaosOptions {
  Duration pace = seconds(60);  // mean of delays; nodes fail about every ten of these
  int node_failures = 20;       // at most, so that every run ends
};

class ChaosExecutor final : public Executor {
 public:
  // `inner` and `chaos` must outlive this.
  ChaosExecutor(Executor& inner, Chaos& chaos, ChaosOptions options = {});

  [[nodiscard]] Time now() const override { return inner_->now(); }
  [[nodiscard]] const Topology& describe() override { return inner_->describe(); }
  void launch(const LaunchRequest& request) override;
  void stop(GangId gang, const Member& member, StopHow how, Duration grace) override;
  void resume(GangId gang, const Member& member) override;
  void command(GangId gang, const Member& member, const Command& command) override;
  [[nodiscard]] std::span<const Event> wait_until(Time deadline) override;
  [[nodiscard]] std::string_view broken() const override { return inner_->broken(); }

 private:
  struct Action {
    enum Kind : std::uint8_t { deliver, launch, stop, kill, node_down, node_up } kind = deliver;
    JobId job{};  // all but nodes and reports that are late
    Event event{};
    NodeId node{};
    int flaps = 0;  // node_down: so many more after it
  };
  using Queue = EventQueue<Action>;
  // A job in its gang.
  struct Gang {
    enum Phase : std::uint8_t { gone, held_back, live } phase = gone;
    GangId id{};
    Member member{};
    Allocation gpus;
    Sharing sharing = Sharing::exclusive;
    GroupId group = kNoGroup;
    NodeId broken{};                    // the node whose failure ends it
    bool races = false;                 // its stop is held up so that it may finish first
    Queue::Handle held = Queue::kNone;  // the action that is held back
  };

  Gang* find(GangId gang, JobId job, Incarnation incarnation);
  [[nodiscard]] Event event_of(const Gang& g, const event::Payload& what) const;
  template <class Which>
  [[nodiscard]] std::vector<JobId> those(Which which) const;
  [[nodiscard]] Work saved(const Gang& g) const;
  [[nodiscard]] Work& committed(JobId job);
  void hold(Gang& g, Duration delay, Action::Kind kind);
  void pass_launch(Gang& g);
  void take_in(std::span<const Event> events);
  void ended(Gang& g, Event& e);
  void act(const Action& action);
  void node_down(NodeId node, int flaps);
  void break_held_back(NodeId node);
  [[nodiscard]] bool take_capacity(const Event& e);
  void plan_node_failure();

  Executor* inner_;
  Chaos* chaos_;
  ChaosOptions options_;
  Queue queue_;
  std::vector<Gang> gangs_;      // [job]: its present or last gang
  std::vector<Work> committed_;  // [job], as events said
  std::set<JobId> owed_;         // launches anew that the inner executor has not been told of
  std::vector<char> down_;       // [node], by chaos
  std::vector<char> away_;       // [node], as the inner executor says
  std::vector<Event> batch_;
  int node_failures_ = 0;
};

}  // namespace orrery
