// One training step as a graph: what is computed, what is sent, and what waits for what. Run by the event engine: an
// operation occupies its resource (a device, a communication stream) alone, in order of priority; what it sends
// shares links max-min fairly with everything else that is being sent. Whoever builds the graph owns it; running it
// changes nothing. Exact in integer nanoseconds, so that closed forms are tests and not approximations.
#pragma once

#include <boost/graph/adjacency_list.hpp>
#include <initializer_list>
#include <string>
#include <vector>

#include "sim/core/time.hpp"
#include "sim/models/network/max_min.hpp"

namespace orrery {

enum class OpKind : std::uint8_t { forward, backward, weight_gradient, send, reduce, optimiser };

struct Operation {
  OpKind kind = OpKind::forward;
  std::uint32_t part = 0;                // the builder's: tower, stage
  std::uint32_t micro_batch = 0;         // the builder's
  std::uint32_t resource = 0xffffffffU;  // kNoResource: starts as soon as it is ready
  std::int64_t priority = 0;  // among what is ready for a resource: smallest first, then in order of addition
  Duration duration{};        // of the computation, or the latency before the first byte
  std::int64_t bytes = 0;     // then sent over `links`, at the rate the links give
  LinkUses links{};           // empty: sent at once
};

class StepGraph {
 public:
  using Dag = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS, Operation>;
  using Op = Dag::vertex_descriptor;
  static constexpr std::uint32_t kNoResource = 0xffffffffU;

  struct Span {
    Time start{};
    Time end{};
  };
  struct Timeline {
    Duration total{};
    std::vector<Span> spans;     // [operation]
    std::vector<Duration> busy;  // [resource]
  };

  // A device or a stream; runs one operation at a time.
  std::uint32_t add_resource(std::string name);
  LinkId add_link(std::int64_t bytes_per_s);
  Op add(Operation operation, std::initializer_list<Op> after = {});
  // `second` starts when `first` has ended.
  void order(Op first, Op second) { boost::add_edge(first, second, dag_); }

  // Precondition: no cycle, and every link that is used has some bandwidth.
  [[nodiscard]] Timeline run() const;
  // The longest chain of operations, each alone on its links: no schedule is shorter.
  [[nodiscard]] Duration longest_path() const;

  [[nodiscard]] const Dag& dag() const { return dag_; }
  [[nodiscard]] std::size_t size() const { return boost::num_vertices(dag_); }
  [[nodiscard]] const Operation& at(Op op) const { return dag_[op]; }
  [[nodiscard]] const std::vector<std::string>& resources() const { return resources_; }
  [[nodiscard]] const std::vector<std::int64_t>& links() const { return links_; }

 private:
  Dag dag_;
  std::vector<std::string> resources_;
  std::vector<std::int64_t> links_;
};

// Shortest time in which `bytes` are sent at a rate, rounded up; kForever at rate 0.
[[nodiscard]] Duration send_time(std::int64_t bytes, std::int64_t bytes_per_s);

}  // namespace orrery
