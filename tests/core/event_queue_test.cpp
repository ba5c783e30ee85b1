// The event queue against an ordered map under random pushes, pops, cancellations and moves.
#include <catch2/catch.hpp>

#include <map>

#include "sim/core/event_queue.hpp"
#include "sim/core/random.hpp"
#include "tests/support/world.hpp"

using namespace orrery;

TEST_CASE("the event queue agrees with an ordered map", "[engine]") {
  struct Key {
    std::int64_t at;
    int event_class;
    std::uint64_t sequence;
    auto operator<=>(const Key&) const = default;
  };
  EventQueue<int> queue;
  std::map<Key, int> oracle;
  std::map<int, std::pair<EventQueue<int>::Handle, Key>> live;
  RandomStream rng = stream(9, "tests/event-queue");
  std::uint64_t sequence = 0;
  for (int step = 0; step < 50'000; ++step) {
    const auto what = uniform_below(rng, 10);
    const auto at = static_cast<std::int64_t>(uniform_below(rng, 1000));
    if (what < 5 || live.empty()) {
      const auto c = static_cast<std::uint8_t>(uniform_below(rng, 3));
      const Key key{at, c, sequence++};
      live[step] = {queue.push(Time{at}, c, step), key};
      oracle[key] = step;
    } else if (what < 8) {
      REQUIRE(queue.next_time() == Time{oracle.begin()->first.at});
      const auto popped = queue.pop();
      REQUIRE(popped.at == Time{oracle.begin()->first.at});
      REQUIRE(popped.payload == oracle.begin()->second);
      live.erase(popped.payload);
      oracle.erase(oracle.begin());
    } else {
      auto it = live.lower_bound(static_cast<int>(uniform_below(rng, static_cast<std::uint64_t>(step + 1))));
      if (it == live.end()) it = live.begin();
      oracle.erase(it->second.second);
      if (what == 8) {
        queue.cancel(it->second.first);
        live.erase(it);
      } else {
        queue.reschedule(it->second.first, Time{at});
        it->second.second = {at, it->second.second.event_class, sequence++};
        oracle[it->second.second] = it->first;
      }
    }
    REQUIRE(queue.size() == oracle.size());
    REQUIRE((queue.peek() == nullptr ? oracle.empty() : *queue.peek() == oracle.begin()->second));
  }
}

// Found when a preempted job's completion was moved: the event reported the time it was first queued for.
TEST_CASE("a rescheduled event carries the time it was moved to", "[engine]") {
  EventQueue<int> queue;
  const auto h = queue.push(Time{10}, 0, 1);
  queue.reschedule(h, Time{30});
  CHECK(queue.pop().at == Time{30});
  SimOptions sim;
  sim.overheads.stop = seconds(1);
  // j0 is preempted at 2 and stops until 3; its completion, first queued for 10, happens at 14.
  const auto r = orrery::test::run_world(orrery::test::cluster(1, 1), {{0, 1, 10}, {2, 1, 3}}, {"srtf"}, sim);
  CHECK(r.jobs[1].finish_s == 6);
  CHECK(r.jobs[0].finish_s == 14);
}
