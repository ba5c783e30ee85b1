// How long a training step takes, as measured: by placement, number of GPUs and local batch. Profiles of an
// application on one type of GPU are read by traces/profiles and compiled here to flat sorted tables. Rules
// (docs/formulas.md): the exact placement, linear in the local batch; else linear between all measured (nodes, GPUs,
// batch); outside of what was measured the nearest measured value, marked as such.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/core/allocation.hpp"
#include "sim/core/error.hpp"
#include "sim/core/node_widths.hpp"
#include "sim/models/speed/scatter.hpp"

namespace orrery {

// One measurement. `placement` names the GPUs on each node in turn, one digit each (1244); 0 = only the numbers of
// nodes and GPUs are known.
struct StepPoint {
  std::uint64_t placement = 0;
  int nodes = 0;
  int gpus = 0;
  double local_batch = 0;  // samples per GPU and step
  double step_s = 0;       // a whole step: compute, and what of the synchronisation is not hidden
  double sync_s = 0;       // of it, synchronisation
};

// GPUs per node of an allocation, the nodes in a ring.
class NodeRing {
 public:
  static constexpr int kMaxNodes = 64;
  // In the order in which nodes were filled, most GPUs first, or as the nodes are numbered.
  enum class Order : std::uint8_t { most_first, by_node };
  NodeRing() = default;
  explicit NodeRing(const Allocation& gpus, Order order = Order::most_first);
  // `gpus` GPUs on as few of the nodes as can be.
  [[nodiscard]] static NodeRing packed(int gpus, const NodeCounts& nodes);
  // On nodes of `per_node` GPUs, as many as it takes.
  [[nodiscard]] static NodeRing packed(int gpus, int per_node) { return packed(gpus, {{per_node, 1}}); }

  [[nodiscard]] int nodes() const { return nodes_; }
  [[nodiscard]] int gpus() const { return gpus_; }
  // The placement as a table names it: the rotation that makes the smallest number; 0 when it has no such name.
  [[nodiscard]] std::uint64_t placement() const;

 private:
  void add(int gpus, Order order);
  std::array<std::uint8_t, kMaxNodes> on_node_{};  // of the first kMaxNodes nodes
  int nodes_ = 0;
  int gpus_ = 0;
};

struct StepTime {
  double step_s = 0;
  double sync_s = 0;
  bool covered = true;  // measured, or between measurements; false: clamped to the nearest measured value
};

class StepTimes {
 public:
  // `name` is what messages call the table, e.g. "bert on aws". `exact` has placements, `scaling` numbers only.
  [[nodiscard]] static Expected<StepTimes> compile(std::string name, const std::vector<StepPoint>& exact,
                                                   const std::vector<StepPoint>& scaling);

  [[nodiscard]] StepTime at(const NodeRing& shape, double local_batch) const;
  [[nodiscard]] bool covers(const NodeRing& shape, double local_batch) const {
    return at(shape, local_batch).covered;
  }
  // The error that names a point that is not covered.
  [[nodiscard]] Error missing(const NodeRing& shape, double local_batch) const;

  [[nodiscard]] double min_local_batch() const { return min_batch_; }
  [[nodiscard]] double max_local_batch() const { return max_batch_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  struct Row {
    double local_batch = 0;
    StepTime time{};
  };
  struct Exact {
    std::uint64_t placement = 0;
    std::uint32_t first = 0, last = 0;  // rows
    int nodes = 0, gpus = 0;
  };
  [[nodiscard]] const Exact* find(std::uint64_t placement) const;
  [[nodiscard]] const Exact& nearest(const NodeRing& shape) const;
  [[nodiscard]] StepTime between(const Exact& e, double local_batch) const;
  [[nodiscard]] Point3 point(const NodeRing& shape, double local_batch) const;

  std::string name_;
  std::vector<Exact> exact_;               // by placement
  std::vector<Row> rows_;                  // of each placement by batch
  std::optional<ScatterTable> scatter_{};  // none where the measurements span no volume
  int most_nodes_ = 0;
  double min_batch_ = 0, max_batch_ = 0;
};

}  // namespace orrery
