#include <catch2/catch.hpp>

#include <unistd.h>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "sim/api/allocation_text.hpp"
#include "sim/observe/log/event_log.hpp"
#include "sim/observe/log/event_log_reader.hpp"
#include "sim/observe/metrics/tables.hpp"
#include "tests/observe/stream.hpp"

using namespace orrery;
using orrery::test::Stream;

namespace {

std::string temp_file(const std::string& name) {
  return (std::filesystem::temp_directory_path() / fmt::format("orrery-{}-{}", ::getpid(), name)).string();
}

std::string tables(const MetricsFold& fold) {
  std::string out;
  const TextSink sink = [&](std::string_view piece) { out += piece; };
  write_jobs_csv(fold, sink);
  write_samples_csv(fold.samples(), sink);
  return out + summary_json(fold.summary());
}

std::string read_error(const std::string& lines) {
  const std::string path = temp_file("bad.jsonl");
  std::ofstream(path) << lines;
  Observer nobody;
  const auto read = read_event_log(path, nobody);
  std::filesystem::remove(path);
  if (read) return "";
  const Diagnostic& d = read.error().items.at(0);
  return fmt::format("{}: {}", d.where.line, d.message);
}

const std::string kHeader = R"({"orrery":"events","schema":2,"jobs":"jobs.csv","nodes":[[2,4]]})"
                            "\n";

}  // namespace

TEST_CASE("event log: folding the stored log equals folding the stream", "[observe]") {
  Stream s(3, 1, 4);
  const std::string path = temp_file("events.jsonl.zst");
  std::string text;
  MetricsFold live(s.table(), s.node_gpus());
  EventLog log(s.table(), s.node_gpus(), {path, 3, &text});
  EventLog digest_only(s.table(), s.node_gpus(), {});
  s.watch(live);
  s.watch(log);
  s.watch(digest_only);
  orrery::test::play(s);
  const auto digest = log.close();
  REQUIRE(digest);
  CHECK(*digest == sha256_hex(text));
  CHECK(*digest_only.close() == *digest);
  CHECK(text.find(R"({"t_ns":80000000000,"e":"launch","job":"p1","inc":2,"gang":1,"gpus":"n0:2-3"})") !=
        std::string::npos);

  // Read back: the same results, and written again the same bytes.
  MetricsFold stored(s.table(), s.node_gpus());
  const auto header = read_event_log(path, stored);
  REQUIRE(header);
  CHECK(header->ended);
  CHECK(header->node_gpus == s.node_gpus());
  CHECK(tables(stored) == tables(live));
  EventLog again(s.table(), s.node_gpus(), {});
  REQUIRE(read_event_log(path, again));
  CHECK(*again.close() == *digest);
  std::filesystem::remove(path);
}

TEST_CASE("event log: a decision is one line with its plan, reasons only when they change", "[observe]") {
  for (const bool plan_first : {true, false}) {
    Stream s(2, 2, 4);
    std::string text;
    EventLog log(s.table(), s.node_gpus(), {"", 1, &text});
    s.watch(log);
    s.submit(0, 0);
    s.submit(0, 1);
    Plan plan;
    plan.wake_at = at_seconds(9);
    plan.reasons = {{JobId(1), ReasonCode::resources, 3}};
    plan.reservations = {{JobId(1), at_seconds(7)}};
    Target t;
    t.gpus = orrery::test::gpus(1, 0b11);
    plan.targets.emplace_back(JobId(0), t);
    for (int epoch = 1; epoch <= 2; ++epoch) {
      if (plan_first) log.on_plan(at_seconds(0), static_cast<std::uint64_t>(epoch), plan);
      s.send(0, event::Decide{static_cast<std::uint64_t>(epoch), 1}, -1);
      if (!plan_first) log.on_plan(at_seconds(0), static_cast<std::uint64_t>(epoch), plan);
      s.send(0, event::WaitReason{ReasonCode::resources, 3}, 1);
    }
    REQUIRE(log.close());
    const std::string rest = R"("reservations":[["p1",7000000000]],"targets":[["p0","run","n1:0-1"]]})"
                             "\n";
    CHECK(text.ends_with(
        R"({"t_ns":0,"e":"decide","epoch":1,"changes":1,"wake":9000000000,"reasons":[["p1","resources",3]],)" + rest +
        R"({"t_ns":0,"e":"decide","epoch":2,"changes":1,"wake":9000000000,)" + rest));
  }
}

TEST_CASE("event log: allocations as text and back", "[observe]") {
  Allocation a = orrery::test::gpus(3, 0b101111);
  NodeSlice cpu;
  cpu.node = NodeId(7);
  a.add(cpu);
  NodeSlice share;
  share.node = NodeId(9);
  share.gpus = std::uint64_t{1} << 63;
  share.milli_per_gpu = 250;
  a.add(share);
  NodeSlice full;
  full.node = NodeId(10);
  full.gpus = ~std::uint64_t{0};
  a.add(full);
  NodeSlice wide;  // an NVL72 domain, and across the middle of a mask
  wide.node = NodeId(11);
  wide.gpus = GpuMask::range(60, 72) | GpuMask::one(127);
  a.add(wide);
  std::string text;
  append_allocation(text, a);
  CHECK(text == "n3:0-3+5,n7:-,n9:63@250,n10:0-63,n11:60-71+127");
  CHECK(text == a.to_string());
  REQUIRE(parse_allocation(text));
  CHECK(*parse_allocation(text) == a);
  for (const char* bad : {"n", "n1", "n1:", "n1:128", "n1:3-2", "n1:0,", "n1:0,n1:1", "n1:0@0", "n1:0@1001", "x"})
    CHECK_FALSE(parse_allocation(bad));
}

TEST_CASE("event log: bad lines are errors with their line", "[observe]") {
  CHECK(read_error("") == "0: the log is empty");
  CHECK(read_error("{}\n") == "1: this is not an orrery event log");
  CHECK(read_error(R"({"orrery":"events","schema":1,"jobs":"jobs.csv","nodes":[[2,4]]})") ==
        "1: this log has form 1; this orrery reads form 2: run the scenario again, or read it with the orrery that "
        "wrote it");
  CHECK(read_error(kHeader + R"({"t_ns":1,"e":"capacity","node":0})") == "2: `usable` is missing here");
  CHECK(read_error(kHeader + R"({"t_ns":1,"e":"capacity","node":0,"usable":4,"done":1})") ==
        "2: nothing is known about `done` here");
  CHECK(read_error(kHeader + "{\"t_ns\"\n") == "2: this line is not JSON");
  CHECK(read_error(kHeader + R"({"t_ns":1,"e":"boom"})") == "2: unknown event `boom`");
  CHECK(read_error(kHeader + R"({"t_ns":1,"e":"ready","job":"x"})") == "2: job `x` has not been submitted");
  const std::string submit = R"({"t_ns":1,"e":"submit","job":"x","id":0})"
                             "\n";
  CHECK(read_error(kHeader + submit + submit) == "3: job id 0 is submitted where 1 should be");
  CHECK(read_error(kHeader + submit + R"({"t_ns":1,"e":"launch","job":"x","inc":1,"gpus":"n0"})") ==
        "3: `n0` is not an allocation");
  CHECK(read_error(kHeader +
                   R"({"t_ns":1,"e":"end"})"
                   "\n" +
                   submit) == "3: events after the end of the run");
  CHECK(read_error(kHeader + R"({"e":"end"})").starts_with("2: a key is missing or has the wrong type"));
  for (const char* time : {R"("1")", "1.5", "1e77", "9223372036854775808", "null"})
    CHECK(read_error(kHeader + fmt::format(R"({{"t_ns":{},"e":"end"}})", time)).find("where a whole number") !=
          std::string::npos);
  const std::string damaged = temp_file("damaged.zst");
  std::ofstream(damaged) << "not zstd at all";
  Observer nobody;
  CHECK_FALSE(read_event_log(damaged, nobody));
  std::filesystem::remove(damaged);
  CHECK_FALSE(read_event_log(damaged, nobody));
  CHECK_FALSE(EventLog(std::make_shared<JobTable>(), {}, {"/nonexistent/x.zst", 1, nullptr}).close());
}

TEST_CASE("event log: half a million events", "[observe][.speed]") {
  Stream s(100'000, 64, 8);
  const std::string path = temp_file("speed.zst");
  EventLog log(s.table(), s.node_gpus(), {path, 1, nullptr});
  const Allocation a = orrery::test::gpus(3, 0b11);
  const auto from = std::chrono::steady_clock::now();
  for (std::uint32_t i = 0; i < 100'000; ++i)
    for (const event::Payload& what : std::initializer_list<event::Payload>{
             event::Submit{}, event::Ready{}, event::Launch{&a}, event::Started{}, event::Finished{}})
      log.on_event(Event{.at = Time{std::int64_t{i} * 61'000'000'000}, .job = JobId(i), .what = what});
  REQUIRE(log.close());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - from;
  std::cout << "500,000 events logged in " << took.count() << " s, " << std::filesystem::file_size(path)
            << " bytes\n";
  std::filesystem::remove(path);
}
