#include "sim/models/training/step_graph.hpp"

#include <algorithm>
#include <boost/graph/topological_sort.hpp>
#include <queue>

#include "sim/core/assert.hpp"
#include "sim/core/event_queue.hpp"

namespace orrery {
namespace {

using Op = StepGraph::Op;

// One run of a step graph.
class Run {
 public:
  explicit Run(const StepGraph& graph)
      : graph_(graph), links_(graph.links()), state_(graph.size()), resources_(graph.resources().size()) {
    out_.spans.resize(graph.size());
    out_.busy.resize(resources_.size());
  }

  StepGraph::Timeline go() {
    for (Op op = 0; op < graph_.size(); ++op) {
      state_[op].waits_for = boost::in_degree(op, graph_.dag());
      if (state_[op].waits_for == 0) become_ready(op);
    }
    start_ready();
    while (!queue_.empty()) {
      now_ = queue_.next_time();
      while (!queue_.empty() && queue_.next_time() == now_) happen(queue_.pop().payload);
      start_ready();
      share_links();
    }
    ORRERY_ASSERT(ended_ == graph_.size(), "{} of {} operations of a step ran: a cycle, or a link without bandwidth",
                  ended_, graph_.size());
    out_.total = now_ - Time{};
    return std::move(out_);
  }

 private:
  static constexpr FlowId kNoFlow = 0xffffffffU;
  using Queue = EventQueue<Op>;
  struct State {
    std::size_t waits_for = 0;
    bool sending = false;
    FlowId flow = kNoFlow;
    std::int64_t bytes_left = 0, rate = 0;
    Time since{};
    Queue::Handle next = Queue::kNone;
  };
  struct Waiting {
    std::int64_t priority = 0;
    Op op = 0;
    bool operator>(const Waiting& o) const { return priority != o.priority ? priority > o.priority : op > o.op; }
  };
  struct Resource {
    bool busy = false;
    std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> ready;
  };

  void become_ready(Op op) {
    const std::uint32_t r = graph_.at(op).resource;
    if (r == StepGraph::kNoResource)
      unbound_.push_back(op);
    else
      resources_[r].ready.push({graph_.at(op).priority, op});
  }

  // After all ends of one instant, so that of what became ready the most urgent goes first.
  void start_ready() {
    for (const Op op : unbound_) start(op);
    unbound_.clear();
    for (Resource& r : resources_) {
      if (r.busy || r.ready.empty()) continue;
      r.busy = true;
      const Op op = r.ready.top().op;
      r.ready.pop();
      start(op);
    }
  }

  void start(Op op) {
    out_.spans[op].start = now_;
    state_[op].next = queue_.push(now_ + graph_.at(op).duration, 0, op);
  }

  void happen(Op op) {
    State& s = state_[op];
    s.next = Queue::kNone;
    const Operation& o = graph_.at(op);
    if (!s.sending && o.bytes > 0 && !o.links.empty()) {
      s.sending = true;
      s.bytes_left = o.bytes;
      s.since = now_;
      s.flow = links_.add(o.links);
      if (s.flow >= op_of_flow_.size()) op_of_flow_.resize(s.flow + 1);
      op_of_flow_[s.flow] = op;
      links_changed_ = true;
      return;
    }
    if (s.flow != kNoFlow) {
      links_.remove(s.flow);
      links_changed_ = true;
    }
    out_.spans[op].end = now_;
    ++ended_;
    if (o.resource != StepGraph::kNoResource) {
      resources_[o.resource].busy = false;
      out_.busy[o.resource] += now_ - out_.spans[op].start;
    }
    const auto [first, last] = boost::out_edges(op, graph_.dag());
    for (auto e = first; e != last; ++e) {
      const Op next = boost::target(*e, graph_.dag());
      if (--state_[next].waits_for == 0) become_ready(next);
    }
  }

  // Flows whose share changed have sent what they have, and end at another time.
  void share_links() {
    if (!links_changed_) return;
    links_changed_ = false;
    for (const FlowId f : links_.update()) {
      State& s = state_[op_of_flow_[f]];
      const Int128 sent = static_cast<Int128>(s.rate) * (now_ - s.since).ns / kNsPerSecond;
      s.bytes_left -= static_cast<std::int64_t>(std::min<Int128>(sent, s.bytes_left));
      s.since = now_;
      s.rate = links_.rate(f);
      if (s.next != Queue::kNone) queue_.cancel(s.next);
      s.next = Queue::kNone;
      const Duration needed = send_time(s.bytes_left, s.rate);
      if (needed != kForever) s.next = queue_.push(now_ + needed, 0, op_of_flow_[f]);
    }
  }

  const StepGraph& graph_;
  SharedLinks links_;
  Queue queue_;
  Time now_{};
  std::vector<State> state_;  // [operation]
  std::vector<Resource> resources_;
  std::vector<Op> unbound_;
  std::vector<Op> op_of_flow_;
  bool links_changed_ = false;
  std::size_t ended_ = 0;
  StepGraph::Timeline out_;
};

}  // namespace

Duration send_time(std::int64_t bytes, std::int64_t bytes_per_s) {
  if (bytes <= 0 || bytes_per_s == kUnlimited) return Duration{0};
  if (bytes_per_s <= 0) return kForever;
  const Int128 ns = (static_cast<Int128>(bytes) * kNsPerSecond + bytes_per_s - 1) / bytes_per_s;
  return ns >= kForever.ns ? kForever : Duration{static_cast<std::int64_t>(ns)};
}

std::uint32_t StepGraph::add_resource(std::string name) {
  resources_.push_back(std::move(name));
  return static_cast<std::uint32_t>(resources_.size() - 1);
}

LinkId StepGraph::add_link(std::int64_t bytes_per_s) {
  links_.push_back(bytes_per_s);
  return static_cast<LinkId>(links_.size() - 1);
}

StepGraph::Op StepGraph::add(Operation operation, std::initializer_list<Op> after) {
  ORRERY_ASSERT(operation.resource == kNoResource || operation.resource < resources_.size(), "no resource {}",
                operation.resource);
  ORRERY_ASSERT(operation.duration.ns >= 0 && operation.bytes >= 0, "{} ns, {} bytes", operation.duration.ns,
                operation.bytes);
  for (const LinkUse& u : operation.links) ORRERY_ASSERT(u.link < links_.size(), "no link {}", u.link);
  const Op op = boost::add_vertex(std::move(operation), dag_);
  for (const Op a : after) order(a, op);
  return op;
}

StepGraph::Timeline StepGraph::run() const {
  return Run(*this).go();
}

Duration StepGraph::longest_path() const {
  std::vector<Op> from_last;
  boost::topological_sort(dag_, std::back_inserter(from_last));
  std::vector<Duration> end(size());
  Duration longest{};
  for (auto op = from_last.rbegin(); op != from_last.rend(); ++op) {
    const Operation& o = dag_[*op];
    std::int64_t alone = kUnlimited;
    for (const LinkUse& u : o.links)
      if (links_[u.link] != kUnlimited) alone = std::min(alone, links_[u.link] / u.weight);
    end[*op] += o.duration + (o.links.empty() ? Duration{} : send_time(o.bytes, alone));
    longest = std::max(longest, end[*op]);
    const auto [first, last] = boost::out_edges(*op, dag_);
    for (auto e = first; e != last; ++e) {
      Duration& next = end[boost::target(*e, dag_)];
      next = std::max(next, end[*op]);
    }
  }
  return longest;
}

}  // namespace orrery
