#include <catch2/catch.hpp>

#include <chrono>
#include <iostream>

#include "sim/core/assert.hpp"
#include "sim/observe/check/invariants.hpp"
#include "tests/observe/stream.hpp"

using namespace orrery;
using orrery::test::gpus;
using orrery::test::Stream;

namespace {

// A checker on a stream of three jobs of two GPUs each, two nodes with four.
struct Checked {
  Stream s{3};
  InvariantChecker checker;
  explicit Checked(InvariantOptions o = {}) : checker(std::move(o)) { s.watch(checker); }
  [[nodiscard]] std::vector<std::string> rules() const {
    std::vector<std::string> out;
    for (const Violation& v : checker.violations()) out.push_back(v.rule);
    return out;
  }
};

using Rules = std::vector<std::string>;

Plan plan_of(int job, const Allocation& a) {
  Plan p;
  Target t;
  t.gpus = a;
  p.targets.emplace_back(JobId(static_cast<std::uint32_t>(job)), t);
  return p;
}

}  // namespace

TEST_CASE("checker: a correct run passes", "[observe]") {
  InvariantOptions o;
  o.true_work = [](JobId id) { return Work{seconds(id.value == 2 ? 20 : 100).ns}; };
  Checked c(o);
  orrery::test::play(c.s);
  CHECK(c.rules().empty());
  CHECK(c.checker.ok());
}

TEST_CASE("checker: physical overbooking", "[observe]") {
  Checked c;
  c.s.submit(0, 0);
  c.s.submit(0, 1);
  c.s.launch(0, 0, gpus(0, 0b0011));
  c.s.launch(0, 1, gpus(0, 0b0110));
  CHECK(c.rules() == Rules{"overbooked"});
  c.s.send(1, event::Finished{}, 1);  // what was refused is not given back
  c.s.submit(1, 2);
  c.s.launch(1, 2, gpus(0, 0b0011));
  CHECK(c.rules() == Rules{"overbooked", "overbooked"});
}

TEST_CASE("checker: sharing only within one GPU or one group", "[observe]") {
  Checked c;
  for (JobSpec& spec : c.s.specs) spec.demand.gpus = 1;
  for (int j = 0; j < 3; ++j) {
    c.s.records[static_cast<std::size_t>(j)].held_sharing = Sharing::fraction;
    c.s.submit(0, j);
  }
  c.s.launch(0, 0, gpus(0, 1, 600));
  c.s.launch(0, 1, gpus(0, 1, 400));
  CHECK(c.checker.ok());
  c.s.launch(0, 2, gpus(0, 1, 1));
  CHECK(c.rules() == Rules{"overbooked"});

  Checked g;
  for (JobSpec& spec : g.s.specs) spec.demand.gpus = 1;
  for (int j = 0; j < 3; ++j) {
    g.s.records[static_cast<std::size_t>(j)].held_sharing = Sharing::interleaved;
    g.s.records[static_cast<std::size_t>(j)].held_group = GroupId(j < 2 ? 1 : 2);
    g.s.submit(0, j);
  }
  g.s.launch(0, 0, gpus(0, 1));
  g.s.launch(0, 1, gpus(0, 1));
  CHECK(g.checker.ok());
  g.s.launch(0, 2, gpus(0, 1));
  CHECK(g.rules() == Rules{"overbooked"});
}

TEST_CASE("checker: what each kind of sharing promises", "[observe][sharing]") {
  const auto launched = [](const Allocation& a, Sharing sharing, GroupId group) {
    Checked c;
    for (JobSpec& spec : c.s.specs) spec.demand.gpus = 1;
    c.s.records[0].held_sharing = sharing;
    c.s.records[0].held_group = group;
    c.s.submit(0, 0);
    c.s.launch(0, 0, a);
    return c.rules();
  };
  CHECK(launched(gpus(0, 1, 500), Sharing::exclusive, kNoGroup) == Rules{"sharing"});
  CHECK(launched(gpus(0, 1, 500), Sharing::interleaved, GroupId(1)) == Rules{"sharing"});
  CHECK(launched(gpus(0, 1), Sharing::interleaved, kNoGroup) == Rules{"sharing"});
  CHECK(launched(gpus(0, 1), Sharing::exclusive, GroupId(1)) == Rules{"sharing"});
  CHECK(launched(gpus(0, 1, 500), Sharing::fraction, kNoGroup).empty());
  CHECK(launched(gpus(0, 1), Sharing::interleaved, GroupId(1)).empty());

  Checked merged;
  for (int j = 0; j < 2; ++j) {
    merged.s.records[static_cast<std::size_t>(j)].held_sharing = Sharing::merged;
    merged.s.records[static_cast<std::size_t>(j)].held_group = GroupId(1);
    merged.s.submit(0, j);
  }
  merged.s.launch(0, 0, gpus(0, 0b0011));
  merged.s.launch(0, 1, gpus(0, 0b0110));
  CHECK(merged.rules() == Rules{"sharing"});

  Checked plan;
  for (JobSpec& spec : plan.s.specs) spec.demand.gpus = 1;
  plan.s.submit(0, 0);
  plan.s.records[0].has_target = true;
  plan.checker.on_plan(at_seconds(0), 1, plan_of(0, gpus(0, 1, 500)));
  CHECK(plan.rules() == Rules{"plan-sharing"});
}

TEST_CASE("checker: machine, demand, down nodes", "[observe]") {
  Checked c;
  c.s.submit(0, 0);
  c.s.launch(0, 0, gpus(7, 0b11));
  CHECK(c.rules() == Rules{"bounds"});
  Checked wide;
  wide.s.submit(0, 0);
  wide.s.launch(0, 0, gpus(0, 0b110000));
  CHECK(wide.rules() == Rules{"bounds"});
  Checked less;
  less.s.submit(0, 0);
  less.s.launch(0, 0, gpus(0, 0b1));
  CHECK(less.rules() == Rules{"demand"});
  Checked down;
  down.s.submit(0, 0);
  down.s.capacity(0, 1, 0);
  down.s.launch(0, 0, gpus(1, 0b11));
  CHECK(down.rules() == Rules{"down-node"});
  Checked target;
  target.s.submit(0, 0);
  target.s.records[0].has_target = true;
  target.s.records[0].target.gpus = gpus(1, 0b11);
  target.s.launch(0, 0, gpus(0, 0b11));
  CHECK(target.rules() == Rules{"off-target"});
}

TEST_CASE("checker: lives of jobs", "[observe]") {
  Checked twice;
  twice.s.submit(0, 0);
  twice.s.launch(0, 0, gpus(0, 0b11));
  twice.s.send(5, event::Finished{}, 0);
  twice.s.send(6, event::Finished{}, 0);
  CHECK(twice.rules() == Rules{"ended-twice"});

  Checked moves;
  moves.s.submit(0, 0);
  moves.s.send(1, event::Finished{}, 0);
  CHECK(moves.rules() == Rules{"illegal-move"});

  Checked early;
  early.s.specs[0].submit = at_seconds(10);
  early.s.submit(5, 0);
  early.s.send(5, event::Launch{nullptr}, 1);
  CHECK(early.rules() == Rules{"clairvoyant", "clairvoyant", "illegal-move", "bounds"});

  Checked back;
  back.s.submit(5, 0);
  back.s.submit(4, 1);
  CHECK(back.rules() == Rules{"time", "time"});

  Checked count;
  count.s.submit(0, 0);
  count.s.records[0].incarnation = 1;
  count.s.launch(0, 0, gpus(0, 0b11));
  CHECK(count.rules() == Rules{"incarnation"});
  count.s.records[0].incarnation = 1;
  count.s.send(1, event::Finished{}, 0);
  CHECK(count.rules() == Rules{"incarnation", "stale-incarnation"});

  Checked record;
  record.s.submit(0, 0);
  record.s.records[0].state = JobState::running;
  record.s.batch_end(0);
  CHECK(record.rules() == Rules{"record-mismatch"});

  Checked unknown;
  unknown.s.send(0, event::Ready{}, 9);
  CHECK(unknown.rules() == Rules{"unknown-job"});
}

TEST_CASE("checker: work is conserved", "[observe]") {
  InvariantOptions o;
  o.true_work = [](JobId) { return Work{seconds(100).ns}; };
  Checked c(o);
  c.s.submit(0, 0);
  c.s.launch(0, 0, gpus(0, 0b11));
  c.s.send(99, event::Finished{}, 0);
  CHECK(c.rules() == Rules{"work"});
  Checked more(o);
  more.s.submit(0, 0);
  more.s.launch(0, 0, gpus(0, 0b11));
  more.s.send(10, event::Stop{}, 0);
  more.s.send(10, event::Stopped{Work{seconds(11).ns}}, 0);
  CHECK(more.rules() == Rules{"work"});
}

TEST_CASE("checker: forgetful and sleeping policies", "[observe]") {
  Checked c;
  c.s.submit(0, 0);
  c.s.submit(0, 1);
  c.s.submit(0, 2);
  c.s.launch(0, 0, gpus(0, 0b11));
  c.s.send(1, event::Finished{}, 0);
  c.s.launch(1, 1, gpus(0, 0b11));
  c.s.end(100);
  CHECK(c.rules() == Rules{"left-over", "unfinished", "unfinished"});
}

TEST_CASE("checker: plans", "[observe]") {
  Checked c;
  c.s.submit(0, 0);
  c.s.submit(0, 1);
  const auto plan = [](Checked& on, const Plan& p) { on.checker.on_plan(at_seconds(0), 1, p); };
  c.s.records[0].has_target = true;
  plan(c, plan_of(0, gpus(0, 0b11)));
  CHECK(c.checker.ok());
  plan(c, plan_of(1, gpus(0, 0b110)));
  CHECK(c.rules() == Rules{"plan-overbooked"});
  // Moving job 0 away and job 1 there in one plan is fine, whatever the order inside.
  Plan swap = plan_of(1, gpus(0, 0b11));
  swap.targets.push_back(plan_of(0, gpus(1, 0b11)).targets[0]);
  plan(c, swap);
  CHECK(c.rules() == Rules{"plan-overbooked"});

  Checked bad;
  plan(bad, plan_of(2, gpus(0, 0b11)));
  bad.s.submit(0, 0);
  plan(bad, plan_of(0, gpus(5, 0b11)));
  plan(bad, plan_of(7, gpus(0, 0b11)));
  Plan same = plan_of(0, gpus(1, 0b1));
  same.targets.push_back(same.targets[0]);
  plan(bad, same);
  CHECK(bad.rules() == Rules{"clairvoyant", "plan-bounds", "unknown-job", "plan-duplicate"});

  // A job's end frees what its target promised.
  Checked ends;
  ends.s.submit(0, 0);
  ends.s.submit(0, 1);
  plan(ends, plan_of(0, gpus(0, 0b11)));
  ends.s.launch(0, 0, gpus(0, 0b11));
  ends.s.send(0, event::Finished{}, 0);
  plan(ends, plan_of(1, gpus(0, 0b11)));
  CHECK(ends.rules().empty());
}

TEST_CASE("checker: can assert at once", "[observe]") {
  InvariantOptions o;
  o.fatal = true;
  Checked c(o);
  CHECK_THROWS_AS(c.s.send(1, event::Finished{}, 0), AssertionFailed);
}

TEST_CASE("checker: cost per event", "[observe][.speed]") {
  Stream s(100'000, 64, 8);
  InvariantOptions o;
  o.true_work = [](JobId) { return Work{0}; };
  InvariantChecker checker(o);
  MetricsFold fold(s.table(), s.node_gpus());
  s.watch(checker);
  s.watch(fold);
  for (Observer* watched : {static_cast<Observer*>(&checker), static_cast<Observer*>(&fold)}) {
    const auto from = std::chrono::steady_clock::now();
    const Allocation a = gpus(3, 0b11);
    for (std::uint32_t i = 0; i < 100'000; ++i) {
      for (const event::Payload& what : std::initializer_list<event::Payload>{
               event::Submit{}, event::Ready{}, event::Launch{&a}, event::Started{}, event::Finished{}}) {
        Event e{.at = Time{std::int64_t{i} * 61'000'000'000}, .job = JobId(i), .what = what};
        e.incarnation = e.kind() == EventKind::submit || e.kind() == EventKind::ready ? 0 : 1;
        s.records[i].state = JobState::finished;
        watched->on_event(e);
      }
      watched->on_batch_end(at_seconds(std::int64_t{i} * 61));
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
    std::cout << (watched == &fold ? "fold" : "checker") << ": 500,000 events in " << took.count() << " s\n";
  }
  CHECK(checker.ok());
}
