// Links shared by flows, max-min fairly: no flow can go faster without slowing one that is not faster. A flow uses
// several links at once (a route, or all links of a collective that moves at one speed) and may be capped. Rates are
// whole bytes per second, so that the result depends on neither the order of changes nor the machine. Owned by
// whoever simulates traffic; after a change only what it can reach is solved again: flows that meet on links which
// can be full. Progressive filling: Bertsekas and Gallager, "Data Networks", 1992, section 6.5.2.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "sim/core/slots.hpp"
#include "sim/core/units.hpp"

namespace orrery {

using LinkId = std::uint32_t;
using FlowId = std::uint32_t;
inline constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

// A flow of rate x takes weight * x of the link's bandwidth.
struct LinkUse {
  LinkId link = 0;
  std::int64_t weight = 1;  // >= 1
  friend bool operator==(const LinkUse&, const LinkUse&) = default;
};
using LinkUses = std::vector<LinkUse>;

class SharedLinks {
 public:
  // Bytes per second of each link, >= 0; kUnlimited for one that never fills.
  explicit SharedLinks(std::vector<std::int64_t> capacities);

  // A new flow on these links (each at most once), at most `cap` bytes/s. Ids of removed flows are used again.
  FlowId add(const LinkUses& uses, std::int64_t cap = kUnlimited);
  void remove(FlowId flow);
  void set_capacity(LinkId link, std::int64_t bytes_per_s);

  // Solves what the changes since the last call can reach. The flows whose rate changed (new ones included),
  // ascending; valid until the next call.
  std::span<const FlowId> update();
  // Solves everything from nothing; the rates are the same as after update().
  void solve_all();

  // Bytes per second, as of the last update().
  [[nodiscard]] std::int64_t rate(FlowId flow) const { return flows_[flow].rate; }
  // What the flow would get with nobody else on its links: at most its cap.
  [[nodiscard]] std::int64_t alone(FlowId flow) const { return flows_[flow].alone; }
  [[nodiscard]] std::size_t link_count() const { return links_.size(); }
  [[nodiscard]] std::int64_t capacity(LinkId link) const { return links_[link].capacity; }
  // Bytes per second that all flows together put on the link.
  [[nodiscard]] std::int64_t load(LinkId link) const;
  // How many flows the last update() solved: what the incremental computation is about.
  [[nodiscard]] std::size_t last_solved() const { return last_solved_; }

 private:
  struct Flow {
    LinkUses uses;
    std::int64_t cap = kUnlimited;
    std::int64_t alone = 0;
    std::int64_t rate = 0;
    bool present = false, fresh = false;
    bool reached = false, fixed = false;  // while solving
  };
  struct Link {
    std::int64_t capacity = 0;
    std::vector<FlowId> flows;
    Int128 wanted = 0;  // sum of weight * alone: where it fits the capacity, the link holds nobody back
    bool dirty = false, could_fill = false;  // changed since the last update; whether it could fill then
    bool reached = false;                    // while solving
    std::int64_t left = 0, weight = 0;       // while solving: capacity and weights of flows not yet fixed
    [[nodiscard]] bool can_fill() const { return capacity != kUnlimited && wanted > capacity; }
  };

  void touch(LinkId link);
  void set_alone(FlowId id);
  void reach(FlowId flow);
  void collect();
  void solve();
  void fix(FlowId flow, std::int64_t rate);

  std::vector<Link> links_;
  Slots<Flow> flows_;
  std::vector<FlowId> changed_, solving_, by_cap_;
  std::vector<std::int64_t> before_;
  std::vector<LinkId> dirty_, bottlenecks_;
  struct Share {
    std::int64_t share = 0;
    LinkId link = 0;
  };
  std::vector<Share> heap_;
  std::size_t last_solved_ = 0;
};

}  // namespace orrery
