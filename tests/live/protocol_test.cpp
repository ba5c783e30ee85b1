// The words of the worker protocol, one by one: every message comes back as it was, every malformed line is one
// error.
#include "backend/protocol/protocol.hpp"

#include <catch2/catch.hpp>

#include "backend/protocol/crc32c.hpp"
#include "backend/protocol/line_buffer.hpp"

namespace {

using namespace orrery;
using namespace orrery::live;

std::string bare(std::string line) {
  REQUIRE(line.back() == '\n');
  line.pop_back();
  return line;
}

std::string complaint(const Error& e) {
  REQUIRE(e.items.size() == 1);
  return e.items[0].message;
}

}  // namespace

TEST_CASE("every message of the worker protocol survives its line", "[live]") {
  Start start;
  start.job = "a b";
  start.incarnation = 3;
  start.world = 4;
  start.run_folder = "runs/\"r\"";
  start.checkpoint_dir = "\xc3\xa4";
  start.restore = true;
  start.total_work = Work{9'223'372'036'854'775'807};
  start.costs = {{1}, {2}, {3}, {4}};
  start.lease_s = 30;
  Start training = start;
  training.task = "/a b/task.json";
  CHECK(format(start).find("task") == std::string::npos);  // what paced workers hear has not changed
  CHECK(format(start).find("fill") == std::string::npos);
  training.batch = 64;
  training.accumulation = 2;
  training.features = {"/f f", 5, 6, 7};
  Start filler = start;
  filler.fill = 0;
  Start member = start;
  member.job = "7";
  const Reconfigure reconfigure{64, 3, Duration{4}, Work{5}};
  for (const ToWorker& m :
       std::vector<ToWorker>{start, training, filler, Save{}, Publish{}, Stop{}, Lease{30}, reconfigure, Fill{0},
                             Fill{1000}, Slow{100'000}, Join{member}, ToMember{"7", Save{}}, ToMember{"7", Publish{}},
                             ToMember{"7", Stop{}}, ToMember{"7", Drop{}}, ToMember{"7", reconfigure}}) {
    const auto again = parse_to_worker(bare(format(m)));
    REQUIRE(again);
    CHECK(*again == m);
  }
  for (const FromWorker& m : std::vector<FromWorker>{Hello{2, "paced"},
                                                     Ready{7, Work{8}},
                                                     Step{9, Work{10}, Duration{11}},
                                                     Step{9, Work{10}, Duration{11}, Duration{31000}},
                                                     Saving{12},
                                                     Saved{12, Work{13}, "a b/step-12"},
                                                     Published{1, 2, "v"},
                                                     Done{3},
                                                     WorkerError{"x y"},
                                                     Reconfigured{64, 3},
                                                     Refused{Refusal::busy, "x y"},
                                                     FeaturesUsed{FeatureUse::hit, Duration{5}, "ab12"},
                                                     Assessed{583'804, 100'000},
                                                     Filling{500},
                                                     Slowed{100'000},
                                                     FromMember{"7", Assessed{0, 1}},
                                                     FromMember{"7", FeaturesUsed{FeatureUse::dropped, {}, "k"}},
                                                     FromMember{"7", Ready{7, Work{8}}},
                                                     FromMember{"7", Step{9, Work{10}, Duration{11}}},
                                                     FromMember{"7", Saving{12}},
                                                     FromMember{"7", Saved{12, Work{13}, "a b"}},
                                                     FromMember{"7", Published{1, 2, "v"}},
                                                     FromMember{"7", Done{3}},
                                                     FromMember{"7", WorkerError{"x y"}},
                                                     FromMember{"7", Reconfigured{64, 3}},
                                                     FromMember{"7", Refused{Refusal::out_of_range, "x"}},
                                                     FromMember{"7", Left{}}}) {
    const auto again = parse_from_worker(bare(format(m)));
    REQUIRE(again);
    CHECK(*again == m);
  }
}

TEST_CASE("what preprocessing costs is said where it was measured; workers that do not say it stay valid", "[live]") {
  const auto step = [](const char* line) { return std::get<Step>(parse_from_worker(line).value()); };
  CHECK(step("step 9 10 11").cpu_per_sample == Duration{});
  CHECK(step("step 9 10 11 31000").cpu_per_sample == Duration{31000});
  CHECK(format(FromWorker{Step{9, Work{10}, Duration{11}}}) == "step 9 10 11\n");
  CHECK(format(FromWorker{Step{9, Work{10}, Duration{11}, Duration{31000}}}) == "step 9 10 11 31000\n");
}

TEST_CASE("a malformed line of the worker protocol is one error that says why", "[live]") {
  struct Bad {
    std::string line;
    const char* says;
  };
  for (const Bad& b : {Bad{"", "empty"},
                       Bad{"hallo 1 paced", "a controller knows"},
                       Bad{"hello 1 trainer", "speaks protocol 1"},
                       Bad{"hello 2", "<worker> is missing"},
                       Bad{"left", "a controller knows"},
                       Bad{"of 7", "<what> is missing"},
                       Bad{"of 7 hello 2 x", "a member says"},
                       Bad{"of 7 left now", "more than"},
                       Bad{"of 7 ready 1", "<done_work_ns> is missing"},
                       Bad{"refused never x", "<why> is"},
                       Bad{"refused busy", "<text> is missing"},
                       Bad{"reconfigured 1", "<accumulation> is missing"},
                       Bad{"features lost 1 k", "<use> is"},
                       Bad{"features hit -1 k", "whole number"},
                       Bad{"features hit 1", "<key> is missing"},
                       Bad{"assessed 1", "<error> is missing"},
                       Bad{"assessed -1 1", "whole number"},
                       Bad{"filling 1001", "within 0 to 1000"},
                       Bad{"of 7 filling 1", "a member says"},
                       Bad{"ready 1", "<done_work_ns> is missing"},
                       Bad{"ready 1  2", "one space"},
                       Bad{"ready 01 2", "whole number"},
                       Bad{"ready -1 2", "whole number"},
                       Bad{"step 1 2 99999999999999999999", "63 bits"},
                       Bad{"done 1 2", "more than"},
                       Bad{"saved 1 2 ", "missing"},
                       Bad{"saving", "<step> is missing"},
                       Bad{"saving 1 2", "more than"},
                       Bad{"saving -1", "whole number"},
                       Bad{"step 1 2 3 0", "not within 1"},
                       Bad{"step 1 2 3 ", "one space"},
                       Bad{"step 1 2 3 4 5", "more than"},
                       Bad{"published 0 1 p", "not within 1"},
                       Bad{"done 1\r", "control character"},
                       Bad{"error \xff", "not UTF-8"}}) {
    INFO(b.line);
    const auto r = parse_from_worker(b.line);
    REQUIRE_FALSE(r);
    CHECK_THAT(complaint(r.error()), Catch::Contains(b.says));
  }
  for (const Bad& b :
       {Bad{"lease 0", "not within 1"}, Bad{"stop now", "more than"}, Bad{"start", "missing"},
        Bad{"start {}", "`protocol` is missing"}, Bad{"start {\"protocol\":1}", "speaks protocol 1"},
        Bad{"drop", "a worker knows"}, Bad{"of 7 lease 3", "a member knows"}, Bad{"join {}", "`protocol` is missing"},
        Bad{"of 7 stop now", "more than"}, Bad{"reconfigure 1 2 3", "<step_work_ns> is missing"},
        Bad{"reconfigure 1 2 0 4", "not within 1"}, Bad{"start []", "not a JSON object"},
        Bad{"quit", "a worker knows"}}) {
    INFO(b.line);
    const auto r = parse_to_worker(b.line);
    REQUIRE_FALSE(r);
    CHECK_THAT(complaint(r.error()), Catch::Contains(b.says));
  }
}

TEST_CASE("an overlong line is one error and the next line is read", "[live]") {
  LineBuffer lines;
  lines.append(std::string(kMaxLineBytes + 1, 'x'));
  auto first = lines.next();
  REQUIRE(first);
  CHECK_FALSE(first->has_value());
  CHECK_FALSE(lines.next());
  CHECK(lines.cut_off());
  lines.append("still that line\nsave\nst");
  auto second = lines.next();
  REQUIRE(second);
  CHECK(second->value() == "save");
  CHECK_FALSE(lines.next());
  CHECK(lines.cut_off());
}

TEST_CASE("the checksum of checkpoints is CRC-32C", "[live]") {
  CHECK(crc32c("123456789") == 0xE3069283U);
  CHECK(crc32c("") == 0U);
}
