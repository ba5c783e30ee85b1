// What policies of other languages read and write: over random messages of every member, what is read is what was
// written; the lines that docs/wire.md shows; and what is wrong with a line is said in words.
#include "sim/api/wire.hpp"

#include <catch2/catch.hpp>
#include <functional>

#include "tests/support/event_text.hpp"
#include "tests/support/plan_draw.hpp"
#include "tests/support/world.hpp"

namespace {

using namespace orrery;

class WireDraw : public test::PlanDraw {
 public:
  explicit WireDraw(std::uint64_t seed) : PlanDraw(seed, "wire") {}
  std::string word() {
    static const char* kWords[] = {"", "a", "two words", "\"quoted\"\\", "\t\n", "\xc3\xa9"};
    return kWords[below(6)];
  }
  template <class T>
  void maybe(T& value, T other) {
    if (half()) value = std::move(other);
  }

  JobSpec spec() {
    JobSpec s;
    s.id = JobId(small());
    s.name = word();
    maybe(s.submit, Time{number()});
    maybe(s.demand, Demand{static_cast<std::int32_t>(below(64)), 250, below(100), below(100), 3, 2});
    maybe(s.demand_class, DemandClass(small()));
    maybe(s.min_gpus, static_cast<std::int32_t>(below(9)));
    maybe(s.max_gpus, static_cast<std::int32_t>(below(99)));
    s.tenant = word();
    s.kind = static_cast<JobKind>(below(5));
    s.model = word();
    s.dataset = word();
    if (half()) s.user_estimate = Duration{number()};
    if (half()) s.deadline = Time{number()};
    s.weight = half() ? 1.0 : static_cast<double>(below(1000)) / 7;
    maybe(s.batch, number());
    maybe(s.tflop, number());
    s.vcluster = word();
    s.market = word();
    maybe(s.bid_micro_per_h, number());
    s.speed_class = word();
    maybe(s.cpu_sensitivity_per_mille, static_cast<std::int32_t>(below(1001)));
    maybe(s.mem_sensitivity_per_mille, static_cast<std::int32_t>(below(1001)));
    if (half()) s.features = {small(), Duration{number()}, Duration{number()}, number()};
    while (half())
      s.phases.push_back({static_cast<PhaseKind>(below(kPhaseKinds)), static_cast<std::int32_t>(below(1000)),
                          Rate{number()}, static_cast<std::int32_t>(below(1000)),
                          static_cast<std::int32_t>(below(9000))});
    maybe(s.merging, Merging{static_cast<std::int32_t>(below(1001)), number(), number()});
    for (std::int64_t n = below(3); n > 0; --n)
      s.after.push_back({JobId(small()), half(), static_cast<std::int32_t>(below(1000))});
    return s;
  }
  wire::Job job() {
    wire::Job j;
    j.id = JobId(small());
    j.state = static_cast<JobState>(below(kJobStates));
    if (half()) j.spec = spec();
    j.ready = half();
    maybe(j.incarnation, small());
    maybe(j.restarts, small());
    maybe(j.waited, Duration{number()});
    maybe(j.ran, Duration{number()});
    if (half()) j.attained = GpuTime{static_cast<Int128>(number()) * number()};
    for (std::int64_t n = below(3); n > 0; --n) j.attained_on.push_back({static_cast<Int128>(number()) * number()});
    maybe(j.done, Work{number()});
    maybe(j.rate, Rate{number()});
    maybe(j.committed, Work{number()});
    if (half()) j.estimate = Estimate{Duration{number()}};
    j.held = gpus();
    if (half()) j.target = target();
    if (half()) j.measured = Measured{Time{number()}, Rate{number()}};
    maybe(j.cpu_per_sample, Duration{number()});
    for (std::int64_t n = below(3); n > 0; --n)
      j.versions.push_back({small(), static_cast<std::int32_t>(below(1000)), Time{number()}});
    return j;
  }
  Event event() {
    Event e;
    e.at = Time{number()};
    EventKind kind{};
    do kind = static_cast<EventKind>(below(kEventKinds));
    while (kind == EventKind::launch || kind == EventKind::decide);
    if (half()) e.job = JobId(small());
    if (half()) e.gang = GangId(small());
    e.incarnation = small();
    e.what = test::payload_of(
        kind, [this] { return half() ? number() : 0; }, nullptr);
    return e;
  }
  wire::View view() {
    wire::View v{half(), static_cast<std::uint64_t>(below(1'000'000)), Time{number()}, number(), {}, {}};
    for (std::int64_t n = below(4); n > 0; --n) v.jobs.push_back(job());
    for (std::int64_t n = below(4); n > 0; --n) v.events.push_back(event());
    return v;
  }
  wire::Answer answer() {
    wire::Answer a;
    a.epoch = static_cast<std::uint64_t>(below(1'000'000));
    a.plan = plan();
    for (std::int64_t n = below(3); n > 0; --n) a.place.push_back(JobId(small()));
    a.in_order = half();
    return a;
  }
  wire::Hello hello() {
    wire::Hello h;
    h.seed = static_cast<std::uint64_t>(number()) * 2;
    h.gpu_types = {word(), word()};
    NodeGroup g = test::cluster(static_cast<int>(below(9)), static_cast<int>(below(9))).front();
    maybe(g.mem_bytes, number());
    maybe(g.peak_gflop_per_s, number());
    g.market = word();
    g.vcluster = word();
    maybe(g.mig_slices, static_cast<std::int32_t>(below(8)));
    if (half()) g.gpu_speeds = {{word(), {static_cast<std::int32_t>(below(2000)), 1000}}};
    h.groups = {g, g};
    return h;
  }
};

template <class T>
std::string line_of(const T& message) {
  std::string out;
  wire::append(out, message);
  return out;
}

// Reads what was written and writes it again.
template <class T>
T there_and_back(const T& message, wire::Read<T> (*read)(std::string_view)) {
  const std::string line = line_of(message);
  INFO(line);
  REQUIRE(line.find('\n') == std::string::npos);
  const auto again = read(line);
  if (!again) FAIL(again.error().message);
  CHECK(line_of(*again) == line);
  return *again;
}

std::string wrong_answer(std::string_view line) {
  const auto read = wire::read_answer(line);
  return read ? "" : fmt::format("{}: {}", read.error().column, read.error().message);
}

}  // namespace

TEST_CASE("wire: what is read is what was written", "[wire]") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    WireDraw draw(seed);
    there_and_back(draw.hello(), wire::read_hello);
    there_and_back(wire::Ready{static_cast<EventMask>(draw.below(1 << 15))}, wire::read_ready);
    const wire::View view = draw.view();
    const wire::View seen = there_and_back(view, wire::read_view);
    REQUIRE(seen.jobs.size() == view.jobs.size());
    for (std::size_t i = 0; i < view.jobs.size(); ++i) {
      CHECK(seen.jobs[i].attained == view.jobs[i].attained);
      CHECK(seen.jobs[i].held == view.jobs[i].held);
      CHECK(seen.jobs[i].target == view.jobs[i].target);
      CHECK(seen.jobs[i].spec.has_value() == view.jobs[i].spec.has_value());
      if (seen.jobs[i].spec) CHECK(seen.jobs[i].spec->weight == view.jobs[i].spec->weight);
    }
    for (std::size_t i = 0; i < view.events.size(); ++i)
      CHECK(test::event_text(seen.events.at(i)) == test::event_text(view.events[i]));
    const wire::Answer answer = draw.answer();
    const wire::Answer understood = there_and_back(answer, wire::read_answer);
    CHECK(understood.plan == answer.plan);
    CHECK(understood.place == answer.place);
  }
}

TEST_CASE("wire: messages by hand", "[wire]") {
  wire::Hello hello;
  hello.gpu_types = {"h200"};
  hello.groups = test::cluster(4, 8);
  CHECK(
      line_of(hello) ==
      R"({"hello":1,"seed":1,"gpu_types":["h200"],"groups":[{"name":"n","count":4,"gpus_per_node":8,"gpu":"gpu"}]})");
  CHECK(line_of(wire::Ready{kArrive | kEnd}) == R"({"ready":1,"wakes_on":["finish","submit","ready"]})");
  CHECK(wire::read_ready(R"({"ready":1})")->wakes_on == wire::Ready{}.wakes_on);
  wire::View view{true, 1, at_seconds(5), 30, {}, {}};
  wire::Job job;
  job.id = JobId(3);
  job.state = JobState::running;
  job.rate = kUnitRate;
  job.held = *parse_allocation("n0:0-1");
  job.target = Target{Act::run, job.held, {}, {}, {}};
  job.estimate = Estimate{seconds(2)};
  view.jobs = {job};
  view.events = {
      Event{.at = at_seconds(5), .job = JobId(3), .gang = GangId(0), .incarnation = 1, .what = event::Started{}}};
  CHECK(line_of(view) ==
        R"({"view":"full","epoch":1,"now":5000000000,"free":30,"jobs":[{"id":3,"state":"running","rate":1000000000,)"
        R"("estimate":{"total":2000000000},"held":"n0:0-1","target":["run","n0:0-1"]}],)"
        R"("events":[{"t_ns":5000000000,"e":"start","job":3,"inc":1,"gang":0}]})");
  const auto answer = wire::read_answer(
      R"({"epoch":1,"targets":[[3,"preempt"],[4,"run","n1:0"]],"place":[5,6],"in_order":true,"wake":7000000000})");
  REQUIRE(answer);
  CHECK(answer->epoch == 1);
  REQUIRE(answer->plan.targets.size() == 2);
  CHECK(answer->plan.targets[0] == std::pair{JobId(3), Target{Act::preempt, {}, {}, {}, {}}});
  CHECK(answer->plan.targets[1].second.gpus.to_string() == "n1:0");
  CHECK(answer->place == std::vector<JobId>{JobId(5), JobId(6)});
  CHECK(answer->in_order);
  CHECK(answer->plan.wake_at == at_seconds(7));
}

TEST_CASE("wire: what is wrong with a line", "[wire]") {
  CHECK(wrong_answer("hello") == "1: this is not JSON");
  CHECK(wrong_answer(R"({"epoch":1,)") == "12: this is not JSON");
  CHECK(wrong_answer("[]") == "0: a line is one JSON object");
  CHECK(wrong_answer("{}") == "0: `epoch` is missing");
  CHECK(wrong_answer(R"({"epoch":1.5})") == "0: 1.5 where a whole number from 0 to 18446744073709551615 should be");
  CHECK(wrong_answer(R"({"epoch":1,"palce":[1]})") ==
        "0: nothing is known about `palce` here; did you mean `place`?");
  CHECK(wrong_answer(R"({"epoch":1,"target":[]})") ==
        "0: nothing is known about `target` here; did you mean `targets`?");
  CHECK(wrong_answer(R"({"epoch":1,"targets":[[1,"go"]]})") == "0: unknown act `go`");
  CHECK(wrong_answer(R"({"epoch":1,"targets":[[1,"preemt"]]})") ==
        "0: unknown act `preemt`; did you mean `preempt`?");
  CHECK(wrong_answer(R"({"epoch":1,"targets":[[1,"run","n0:0",{"sharing":"merge"}]]})") ==
        "0: unknown sharing `merge`; did you mean `merged`?");
  CHECK(wrong_answer(R"({"epoch":1,"commands":[[1,"chekpoint"]]})") ==
        "0: unknown command `chekpoint`; did you mean `checkpoint`?");
  CHECK(wrong_answer(R"({"epoch":1,"reasons":[[1,"resource",0]]})") ==
        "0: unknown reason `resource`; did you mean `resources`?");
  CHECK(wrong_answer(R"({"epoch":1,"targets":[[1,"run","node 3"]]})") == "0: `node 3` is not an allocation");
  CHECK(wrong_answer(R"({"epoch":1,"place":7})") == "0: 7 where a list should be");
  CHECK(wrong_answer(R"({"epoch":1,"":2})") == "0: nothing is known about `` here");
  CHECK(wrong_answer(R"({"epoch":1,"place":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}") ==
        "0: this line nests lists and objects more than 64 deep");
  CHECK(wire::read_ready(R"({"ready":2})").error().message == "version 2 of the wire; this orrery speaks version 1");
  CHECK(wire::read_ready(R"({"ready":1,"wakes_on":["submitt"]})").error().message ==
        "unknown event `submitt`; did you mean `submit`?");
  CHECK(wire::read_view(R"({"view":"full","epoch":1,"now":0,"free":0,"jobs":[],"events":[{"t_ns":1,"e":"decide"}]})")
            .error()
            .message == "`epoch` is missing here");
}
