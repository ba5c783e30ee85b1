// What a decision says is what is recorded, compared and replayed: over random plans of every field, the stored log
// gives back the plan that it was told, and a plan that differs in any one field has another line and another digest.
#include "sim/api/plan_text.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <functional>
#include <map>

#include "backend/live/journal.hpp"
#include "sim/core/random.hpp"
#include "sim/observe/log/event_log.hpp"
#include "sim/observe/log/event_log_reader.hpp"
#include "tests/observe/stream.hpp"
#include "tests/support/event_text.hpp"
#include "tests/support/plan_draw.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using namespace orrery;
using orrery::test::kPlanJobs;
using orrery::test::PlanDraw;
using orrery::test::Stream;

// Calls `changed` with the plan once for every field of it, that one changed. Taken apart by structured bindings: a
// field more does not compile here, either.
class EachField {
 public:
  EachField(Plan plan, std::function<void(const Plan&, const char*)> changed)
      : plan_(std::move(plan)), changed_(std::move(changed)) {
    auto& [targets, commands, wake_at, reasons, reservations] = plan_;
    for (auto& [job, t] : targets) {
      id(job, "target's job");
      target(t);
    }
    for (Command& c : commands) {
      auto& [job, kind, how] = c;
      id(job, "command's job");
      with(kind, static_cast<Command::Kind>((static_cast<int>(kind) + 1) % 3), "command");
      config(how);
    }
    with(wake_at, wake_at ? std::optional(Time{wake_at->ns + 1}) : std::optional(Time{5}), "wake");
    if (wake_at) with(wake_at, std::optional<Time>(), "no wake");
    for (Reason& r : reasons) {
      auto& [job, code, argument, about, per_mille] = r;
      id(job, "reason's job");
      with(code, static_cast<ReasonCode>((static_cast<int>(code) + 1) % 7), "code");
      with(argument, argument + 1, "argument");
      with(about, about.valid() ? JobId(about.value + 1) : JobId(2), "whom it is about");
      with(per_mille, per_mille + 1, "per mille");
    }
    for (Reservation& r : reservations) {
      auto& [job, start] = r;
      id(job, "reservation's job");
      with(start, Time{start.ns + 1}, "start");
    }
    shorter(targets, "targets");
    shorter(commands, "commands");
    shorter(reasons, "reasons");
    shorter(reservations, "reservations");
  }

 private:
  template <class T>
  void with(T& field, T other, const char* what) {
    std::swap(field, other);
    changed_(plan_, what);
    std::swap(field, other);
  }
  void id(JobId& job, const char* what) { with(job, JobId((job.value + 1) % kPlanJobs), what); }
  template <class T>
  void shorter(std::vector<T>& list, const char* what) {
    if (list.empty()) return;
    std::vector<T> fewer(list.begin(), list.end() - 1);
    with(list, fewer, what);
  }
  void config(RunConfig& c) {
    auto& [batch, accumulation, execution_plan, start_version, start_parent, anew, host, fill] = c;
    with(batch, batch + 1, "batch");
    with(accumulation, accumulation + 1, "accumulation");
    with(execution_plan, execution_plan + 1, "execution plan");
    with(start_version, start_version + 1, "start version");
    with(start_parent, start_parent.valid() ? JobId{} : JobId(0), "start parent");
    with(anew, !anew, "anew");
    with(host, host.valid() ? JobId{} : JobId(0), "host");
    with(fill, fill + 1, "share of its windows");
  }
  void target(Target& t) {
    auto& [act, gpus, how, group, sharing] = t;
    with(act, static_cast<Act>((static_cast<int>(act) + 1) % 5), "act");
    config(how);
    with(group, group.valid() ? kNoGroup : GroupId(3), "group");
    with(sharing, static_cast<Sharing>((static_cast<int>(sharing) + 1) % 5), "sharing");
    for (std::size_t i = 0; i < gpus.nodes(); ++i) slice(gpus, i);
  }
  void slice(Allocation& gpus, std::size_t i) {
    const NodeSlice before = gpus.slices()[i];
    NodeSlice other = before;
    auto& [node, milli, mask, cpu, mem] = other;
    const auto differs = [&](const char* what) {
      Allocation changed;
      for (std::size_t k = 0; k < gpus.nodes(); ++k) changed.add(k == i ? other : gpus.slices()[k]);
      with(gpus, changed, what);
      other = before;
    };
    node = NodeId(node.value + 100);
    differs("node");
    milli = milli % 1000 + 1;
    differs("share");
    mask = test::gpus(0, before.gpu_count() == 1 ? 0b11 : 0b1).slices().front().gpus;
    differs("GPUs");
    cpu += 1;
    differs("CPUs");
    mem += 1;
    differs("memory");
  }

  Plan plan_;
  std::function<void(const Plan&, const char*)> changed_;
};

// The line of a decision in a log of its own.
std::string line_of(const Stream& s, const Plan& plan) {
  std::string text;
  EventLog log(s.table(), s.node_gpus(), {"", 1, &text});
  log.on_event(Event{.what = event::Decide{1, 0}});
  log.on_plan(Time{}, 1, plan);
  REQUIRE(log.close());
  return text;
}

struct ToldPlan final : Observer {
  void on_event(const Event& e) override {
    events.push_back(e);
    const auto* launch = e.get_if<event::Launch>();
    if (launch != nullptr && launch->gpus != nullptr) held.emplace(events.size() - 1, *launch->gpus);
  }
  void on_plan(Time, std::uint64_t epoch, const Plan& plan) override { plans.emplace_back(epoch, plan); }
  std::vector<Event> events;
  std::map<std::size_t, Allocation> held;
  std::vector<std::pair<std::uint64_t, Plan>> plans;
};

// Written, read and compared.
ToldPlan read_back(const Stream& s, const std::function<void(EventLog&)>& write) {
  const test::TempFolder dir;
  std::string text;
  EventLog log(s.table(), s.node_gpus(), {"", 1, &text});
  for (std::uint32_t i = 0; i < kPlanJobs; ++i) {
    const auto estimate = i % 2 == 0 ? std::nullopt : std::optional(Duration{i});
    log.on_event(Event{.job = JobId(i), .what = event::Submit{estimate}});
  }
  write(log);
  const auto digest = log.close();
  REQUIRE(digest);
  std::ofstream(dir.file("events.jsonl")) << text;
  ToldPlan told;
  const auto read = read_event_log(dir.file("events.jsonl"), told);
  if (!read) FAIL(render(read.error()));
  // Written again it has the same bytes, but for the end that this log has not.
  std::string twice;
  EventLog again(s.table(), s.node_gpus(), {"", 1, &twice});
  REQUIRE(read_event_log(dir.file("events.jsonl"), again));
  REQUIRE(again.close());
  CHECK(twice == text);
  return told;
}

}  // namespace

TEST_CASE("a plan that differs in any one field has another line and another digest", "[observe][plan]") {
  const Stream s(kPlanJobs, 8, 8);
  std::map<std::string, int> seen;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const Plan plan = PlanDraw(seed).plan();
    const std::string line = line_of(s, plan);
    const std::string text = plan_text(plan);
    const std::uint32_t digest = live::digest_of(plan);
    EachField(plan, [&](const Plan& other, const char* what) {
      INFO("seed " << seed << ", another " << what << ": " << text);
      ++seen[what];
      REQUIRE_FALSE(other == plan);
      CHECK(line_of(s, other) != line);
      CHECK(plan_text(other) != text);
      CHECK(live::digest_of(other) != digest);
    });
  }
  CHECK(seen.size() == 32);
  for (const auto& [what, times] : seen) {
    INFO(what);
    CHECK(times >= 20);
  }
}

TEST_CASE("a log gives back every plan that it was told", "[observe][plan]") {
  const Stream s(kPlanJobs, 8, 8);
  std::vector<Plan> plans;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) plans.push_back(PlanDraw(seed).plan());
  const ToldPlan told = read_back(s, [&](EventLog& log) {
    for (std::size_t i = 0; i < plans.size(); ++i) {
      const event::Decide decide{i + 1, static_cast<std::uint32_t>(plans[i].targets.size())};
      const Event e{.at = Time{static_cast<std::int64_t>(i)}, .what = decide};
      log.on_event(e);
      log.on_plan(e.at, i + 1, plans[i]);
    }
  });
  REQUIRE(told.plans.size() == plans.size());
  std::map<JobId, Reason> holds;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    INFO("plan " << i + 1);
    Plan news = plans[i];  // reasons hold until they change
    news.reasons.clear();
    for (const Reason& r : plans[i].reasons) {
      Reason& held = holds.try_emplace(r.job, Reason{r.job, ReasonCode::none, 0}).first->second;
      if (!(held == r)) news.reasons.push_back(r);
      held = r;
    }
    CHECK(told.plans[i].first == i + 1);
    CHECK(told.plans[i].second == news);
  }
}

TEST_CASE("a log gives back every event that it was told", "[observe][plan]") {
  const Stream s(kPlanJobs, 8, 8);
  PlanDraw draw(7);
  std::vector<Event> events;
  std::vector<Allocation> held(600);
  for (std::size_t i = 0; i < held.size(); ++i) {
    Event e;
    e.at = Time{static_cast<std::int64_t>(i) * 1000};
    EventKind kind{};
    do kind = static_cast<EventKind>(draw.below(kEventKinds));
    while (kind == EventKind::submit || kind == EventKind::reason || kind == EventKind::decide);
    if (draw.half()) e.job = draw.job();
    if (draw.half()) e.gang = GangId(draw.small());
    if (draw.half()) e.incarnation = draw.small();
    held[i] = draw.gpus();
    const Allocation* gpus = draw.half() ? &held[i] : nullptr;
    e.what = test::payload_of(
        kind, [&draw] { return draw.half() ? draw.number() : 0; }, gpus);
    events.push_back(e);
  }
  const ToldPlan told = read_back(s, [&](EventLog& log) {
    for (const Event& e : events) log.on_event(e);
  });
  REQUIRE(told.events.size() == kPlanJobs + events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Event& a = events[i];
    CHECK(test::event_text(a) == test::event_text(told.events[kPlanJobs + i]));
    const auto* launch = a.get_if<event::Launch>();
    if (launch != nullptr && launch->gpus != nullptr) CHECK(told.held.at(kPlanJobs + i) == *launch->gpus);
  }
  CHECK_FALSE(told.events[0].get<event::Submit>().estimate);
  CHECK(told.events[1].get<event::Submit>().estimate == Duration{1});
}

TEST_CASE("what a log's line says beyond what is known is an error", "[observe][plan]") {
  const test::TempFolder dir;
  const auto error = [&](const std::string& line) {
    std::ofstream(dir.file("log")) << R"({"orrery":"events","schema":2,"jobs":"jobs.csv","nodes":[[2,4]]})" << '\n'
                                   << R"({"t_ns":0,"e":"submit","job":"a","id":0})" << '\n'
                                   << line << '\n';
    Observer nobody;
    const auto read = read_event_log(dir.file("log"), nobody);
    return read ? std::string() : read.error().items.at(0).message;
  };
  const auto decide = [&](const std::string& more) {
    return error(R"({"t_ns":0,"e":"decide","epoch":1,"changes":0)" + more + "}");
  };
  CHECK(decide("").empty());
  CHECK(error(R"({"t_ns":0,"e":"ready","job":"a","urgent":1})") == "nothing is known about `urgent` here");
  CHECK(decide(R"(,"urgent":1)") == "nothing is known about `urgent` here");
  CHECK(decide(R"(,"targets":[["a","jump"]])") == "unknown act `jump`");
  CHECK(decide(R"(,"targets":[["a","run","n0:0",{"speed":2}]])") == R"(nothing is known about a key of {"speed":2})");
  CHECK(decide(R"(,"targets":[["a","run","n0:0",7]])") == "nothing is known about 7 here");
  CHECK(decide(R"(,"targets":[["a","run","n0:0",{"cpu_milli":[1,2]}]])").find("one number for each node") !=
        std::string::npos);
  CHECK(decide(R"(,"targets":[["b","run"]])") == "job `b` has not been submitted");
  CHECK(decide(R"(,"commands":[["a","dance"]])") == "unknown command `dance`");
  CHECK(decide(R"(,"reasons":[["a","whim",0]])") == "unknown reason `whim`");
  CHECK(decide(R"(,"reservations":[["a",0.5]])").find("where a whole number") != std::string::npos);
  CHECK(decide(R"(,"targets":7)") == "7 where a list should be");
}
