// The canonical trace format: rules, errors with their place, packed files, round trips.
#include <fmt/format.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "tests/support/text.hpp"
#include "traces/format/canonical.hpp"
#include "traces/format/text_file.hpp"

namespace {

using namespace orrery;
using orrery::test::text_of;
namespace fs = std::filesystem;

const std::string kCanonicalHeader = "job_id,submit_s,gpus,duration_s";

std::string canonical_error(const std::string& text) {
  const auto t = read_trace_text("t.csv", text);
  return t ? std::string() : render(t.error());
}

struct TraceDir {
  fs::path path = fs::temp_directory_path() / fmt::format("orrery-test-{}", ::getpid());
  TraceDir() { fs::create_directories(path); }
  ~TraceDir() { fs::remove_all(path); }
  [[nodiscard]] std::string file(const std::string& name) const { return (path / name).string(); }
};

void put(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}
const std::string kFull =
    "job_id,submit_s,gpus,duration_s,tenant,kind,model,min_gpus,max_gpus,gpu_fraction,gpu_type,cpus,mem_bytes,"
    "estimate_s,deadline_s,weight,batch,after,iterations,iteration_s\n"
    "p1,0,8,3600.5,alice,pretrain,clip,4,16,,H200|A100,64,1000000000,7200,90000,2,4096,,1000,3.6\n"
    "t1,1.25,1,10,bob,transfer,bert,,,0.25,,,,,,,32,p1@hard:0.8,,\n"
    "t2,2,0,5,\"o\"\"neil, s\",eval,,,,,,2.5,,,,,,p1@soft;t1,,\n";

}  // namespace

TEST_CASE("all columns of a trace are read", "[traces]") {
  const auto t = read_trace_text("t.csv", kFull);
  if (!t) FAIL(render(t.error()));
  REQUIRE(t->jobs.size() == 3);
  CHECK(t->jobs[0].duration.ns == 3'600'500'000'000);
  CHECK(t->jobs[0].max_gpus == 16);
  CHECK(t->jobs[0].deadline == at_seconds(90'000));
  CHECK(t->jobs[1].submit.ns == 1'250'000'000);
  CHECK(t->jobs[1].gpu_milli == 250);
  CHECK(t->jobs[2].tenant == "o\"neil, s");
  CHECK(t->jobs[2].cpu_milli == 2500);
  CHECK(t->has_estimates);
}

TEST_CASE("a canonical trace reads back as itself", "[traces]") {
  const auto first = read_trace_text("t.csv", kFull);
  REQUIRE(first);
  const std::string text = canonical_text(*first, {"a comment"});
  const auto second = read_trace_text("t.csv", text);
  REQUIRE(second);
  CHECK(canonical_text(*second, {"a comment"}) == text);
  CHECK(text.substr(0, 12) == "# a comment\n");
}

TEST_CASE("epochs reach the truths, and are written back", "[traces]") {
  NodeGroup g;
  g.name = "n";
  g.count = 1;
  g.gpus_per_node = 1;
  const auto t = read_trace_text("t.csv", "job_id,submit_s,gpus,duration_s,epochs\na,0,1,10,4\nb,0,1,10,\n");
  REQUIRE(t);
  const auto w = to_workload(*t, Topology({g}));
  REQUIRE(w);
  CHECK(w->truths[0].epochs == 4);
  CHECK(w->truths[1].epochs == 0);
  CHECK(canonical_text(*t).find("duration_s,epochs\na,0,1,10,4\n") != std::string::npos);
  const auto bad = read_trace_text("t.csv", "job_id,submit_s,gpus,duration_s,epochs\na,0,1,10,-1\n");
  CHECK_FALSE(bad);
}

TEST_CASE("dependencies, GPU types and fractions reach the specs", "[traces]") {
  NodeGroup g;
  g.name = "n";
  g.count = 2;
  g.gpus_per_node = 8;
  g.gpu = "A100";
  const Topology topology({g});
  const auto t = read_trace_text("t.csv", kFull);
  const auto w = to_workload(*t, topology);
  REQUIRE(w);
  CHECK((w->specs[0].demand.gpu_types & topology.type_bit("A100")) != 0);
  CHECK(w->specs[1].demand.milli_per_gpu == 250);
  REQUIRE(w->specs[1].after.size() == 1);
  CHECK(w->specs[1].after[0].parent == JobId(0));
  CHECK(w->specs[1].after[0].progress_per_mille == 800);
  REQUIRE(w->specs[2].after.size() == 2);
  CHECK_FALSE(w->specs[2].after[0].hard);
  CHECK(w->specs[2].after[1].hard);
  CHECK(w->truths[0].work.ns == 3'600'500'000'000);
}

// Nothing looks at these columns yet: they are read, kept and written, and one that no job uses is not written.
TEST_CASE("columns for what is to come are read, written and reach the specs", "[traces]") {
  const std::string text = kCanonicalHeader +
                           ",vcluster,market,bid,speed_class,mig_slices,cpu_sensitivity,mem_sensitivity\n"
                           "a,0,1,10,vc1,spot,1.25,compute,3,0.25,1\n"
                           "b,0,1,10,,,,,,,\n";
  const auto t = read_trace_text("t.csv", text);
  if (!t) FAIL(render(t.error()));
  CHECK(read_trace_text("t.csv", canonical_text(*t))->jobs[0].bid_micro_per_h == 1'250'000);
  const auto w = to_workload(*t, Topology({}));
  REQUIRE(w);
  const JobSpec &a = w->specs[0], &b = w->specs[1];
  CHECK((a.vcluster == "vc1" && a.market == "spot" && a.speed_class == "compute"));
  CHECK((a.bid_micro_per_h == 1'250'000 && a.demand.mig_slices == 3));
  CHECK((a.cpu_sensitivity_per_mille == 250 && a.mem_sensitivity_per_mille == 1000));
  CHECK((b.vcluster.empty() && b.market.empty() && b.bid_micro_per_h == 0 && b.demand.mig_slices == 0));
  const auto plain = read_trace_text("t.csv", kCanonicalHeader + ",vcluster,bid\na,0,1,10,,\n");
  REQUIRE(plain);
  CHECK(canonical_text(*plain) == kCanonicalHeader + "\na,0,1,10\n");
  const std::string one = kCanonicalHeader + ",cpu_sensitivity\na,0,1,10,1.5\n";
  CHECK(canonical_error(one).find("must be from 0 to 1") != std::string::npos);
}

TEST_CASE("a bad value is shown where it stands", "[traces]") {
  CHECK(canonical_error(kCanonicalHeader + "\na,0,1,-37\n") ==
        "error: `duration_s` is `-37`; it must be > 0\n"
        "  --> t.csv:2:7\n"
        "   |\n"
        " 2 | a,0,1,-37\n"
        "   |       ^^^\n");
}

TEST_CASE("each wrong trace has one clear message", "[traces]") {
  struct Wrong {
    std::string text, part;
  };
  const auto row = [](const std::string& r) { return kCanonicalHeader + "\n" + r + "\n"; };
  std::string wide = "c0";
  for (int i = 1; i < 5000; ++i) wide += ",c" + std::to_string(i);
  for (const Wrong& w : {
           Wrong{"\n\n# only comments\n", "no header"},
           Wrong{"job,submit_s,gpus,duration_s\na,0,1,1\n", "column `job_id` is missing"},
           Wrong{"job_id,submit_s,gpus,duration\na,0,1,1\n", "is it `duration`?"},
           Wrong{"job_id,submit_s,gpus,duration_s,gpus\na,0,1,1,1\n", "column `gpus` appears twice"},
           Wrong{kCanonicalHeader + "\n", "a header but no jobs"},
           Wrong{row("a,0,1"), "3 fields, but the header has 4"},
           Wrong{row("a,0,1,1,1"), "5 fields, but the header has 4"},
           Wrong{row(",0,1,1"), "`job_id` is empty"},
           Wrong{row("a,,1,1"), "`submit_s` is empty"},
           Wrong{row("a,-1,1,1"), "must be >= 0"},
           Wrong{row("a,nan,1,1"), "must be a number"},
           Wrong{row("a,inf,1,1"), "must be a number"},
           Wrong{row("a,2017-02-30,1,1"), "must be a number"},
           Wrong{row("a,0,1.5,1"), "whole number"},
           Wrong{row("a,0,-1,1"), "whole number"},
           Wrong{row("a,0,99999999999999999999,1"), "at most"},
           Wrong{row("a,0,1,1e300"), "too large"},
           Wrong{row("a,0,1,0"), "must be > 0"},
           Wrong{row("a,3e9,1,1"), "more than 73 years"},
           Wrong{row("a,0,0,1"), "may be 0 only where `cpus` is > 0"},
           Wrong{row("a,0,1,1\na,1,1,1"), "job_id `a` appears twice, first in line 2"},
           Wrong{row("\"a,0,1,1"), "a quoted field is never closed"},
           Wrong{row("\"a\"b,0,1,1"), "text after a closing quote"},
           Wrong{kCanonicalHeader + ",gpu_fraction\na,0,1,1,1.5\n", "must be in (0, 1]"},
           Wrong{kCanonicalHeader + ",gpu_fraction\na,0,2,1,0.5\n", "only for one GPU, not for 2"},
           Wrong{kCanonicalHeader + ",min_gpus\na,0,2,1,3\n", "must be at most gpus (2)"},
           Wrong{kCanonicalHeader + ",max_gpus\na,0,2,1,1\n", "must be at least gpus (2)"},
           Wrong{kCanonicalHeader + ",kind\na,0,2,1,pretain\n", "did you mean `pretrain`?"},
           Wrong{kCanonicalHeader + ",weight\na,0,2,1,0\n", "must be > 0"},
           Wrong{kCanonicalHeader + ",estimate_s\na,0,2,1,0\n", "must be > 0"},
           Wrong{wide + "\n", "5000 columns; at most 4096"},
       }) {
    const std::string text = canonical_error(w.text);
    INFO(w.text.substr(0, 200) << "\n" << text);
    CHECK(text.find(w.part) != std::string::npos);
  }
}

TEST_CASE("edges that make no sense are errors", "[traces]") {
  const Topology topology({NodeGroup{.name = "n", .count = 1, .gpus_per_node = 1, .gpu = "g"}});
  const auto error = [&](const std::string& rows) {
    const auto t = read_trace_text("t.csv", kCanonicalHeader + ",after\n" + rows);
    if (!t) return render(t.error());
    const auto w = to_workload(*t, topology, "t.csv");
    return w ? std::string() : render(w.error());
  };
  CHECK(error("a,0,1,1,a\n").find("form a cycle") != std::string::npos);
  CHECK(error("a,0,1,1,b\nb,0,1,1,a\n").find("form a cycle") != std::string::npos);
  CHECK(error("a,0,1,1,\nb,0,1,1,a@firm\n").find("is no edge") != std::string::npos);
  CHECK(error("a,0,1,1,\nb,0,1,1,a@hard:1.5\n").find("is no edge") != std::string::npos);
  CHECK(error("a,0,1,1,elsewhere\n").empty());  // left out by a slice: counts as done
}

TEST_CASE("all bad rows are counted, twenty are shown", "[traces]") {
  std::string text = kCanonicalHeader + "\n";
  for (int i = 0; i < 50; ++i) text += fmt::format("j{},0,1,-1\n", i);
  const auto t = read_trace_text("t.csv", text);
  REQUIRE_FALSE(t);
  CHECK(t.error().items.size() == 20);
  CHECK(render(t.error()).find("30 more errors in this file") != std::string::npos);
  ReadOptions skip;
  skip.skip_bad_rows = true;
  const auto kept = read_trace_text("t.csv", text + "good,0,1,1\n", skip);
  REQUIRE(kept);
  CHECK(kept->jobs.size() == 1);
  CHECK(kept->report.dropped.at("bad duration_s") == 50);
}

TEST_CASE("CRLF, blank lines, comments, unsorted submits and extra columns are fine", "[traces]") {
  const auto t = read_trace_text(
      "t.csv", "# made by hand\r\n\r\njob_id,submit_s,gpus,duration_s,colour\r\nb,5,1,1,red\r\n\r\na,2,1,1,blue\r\n");
  REQUIRE(t);
  REQUIRE(t->jobs.size() == 2);
  CHECK(t->jobs[0].job_id == "a");
  CHECK(t->report.notes.front() == "column `colour` is ignored");
}

TEST_CASE("packed files are read by their bytes, whatever their name", "[traces]") {
  const TraceDir dir;
  const std::string text = kCanonicalHeader + "\na,0,1,1\n";
  for (const char* name : {"t.csv", "t.csv.gz", "t.csv.zst"}) {
    REQUIRE(write_text_file(dir.file(name), text));
    fs::copy_file(dir.file(name), dir.file("renamed"), fs::copy_options::overwrite_existing);
    CHECK(read_text_file(dir.file("renamed")).value() == text);
  }
  const std::string gz = text_of(dir.file("t.csv.gz"));
  put(dir.file("two"), gz + gz);  // two gzip members are one text
  CHECK(read_text_file(dir.file("two")).value() == text + text);
}

TEST_CASE("a file that is cut off, damaged or no text is one clear error", "[traces]") {
  const TraceDir dir;
  std::string text = kCanonicalHeader + "\n";
  for (int i = 0; i < 5000; ++i) text += fmt::format("j{},{},1,{}\n", i, i * 7 % 1000, 1 + i * 13 % 997);
  const auto error = [&](const std::string& bytes) {
    put(dir.file("f"), bytes);
    const auto r = read_text_file(dir.file("f"));
    return r ? std::string() : r.error().items.front().message;
  };
  for (const char* name : {"t.gz", "t.zst"}) {
    REQUIRE(write_text_file(dir.file(name), text));
    const std::string bytes = text_of(dir.file(name));
    INFO(name);
    for (const std::size_t cut : {bytes.size() / 2, bytes.size() - 1, std::size_t{12}})
      CHECK(error(bytes.substr(0, cut)).find("end too early") != std::string::npos);
    std::string damaged = bytes;
    damaged[bytes.size() / 2] = static_cast<char>(damaged[bytes.size() / 2] ^ 0x55);
    damaged[bytes.size() / 2 + 1] = static_cast<char>(damaged[bytes.size() / 2 + 1] ^ 0x55);
    CHECK(error(damaged).find("data") != std::string::npos);
    CHECK(error(bytes + "rest").find("data") != std::string::npos);
  }
  CHECK(error("").find("it is empty") != std::string::npos);
  CHECK(error("job_id\xff,1\n") == "byte 0xff is not UTF-8 text");
  CHECK(error(std::string("a\0b", 3)) == "byte 0x00 is not UTF-8 text");
  CHECK(error("\xff\xfe"
              "a")
            .find("UTF-16") != std::string::npos);
  CHECK(error("\xc0\xaf").find("is not UTF-8") != std::string::npos);
  CHECK(error("\xed\xa0\x80").find("is not UTF-8") != std::string::npos);
  put(dir.file("bom"), "\xef\xbb\xbfjob_id");
  CHECK(read_text_file(dir.file("bom")).value() == "job_id");
  CHECK(read_text_file(dir.path.string()).error().items.front().message.find("is a directory") != std::string::npos);
  CHECK(read_text_file(dir.file("none")).error().items.front().message.find("No such file") != std::string::npos);
}

TEST_CASE("a file that cannot be written is an error and leaves nothing", "[traces]") {
  CHECK_FALSE(write_text_file("/dev/null/x.csv", "text"));
  const TraceDir dir;
  fs::create_directory(dir.file("taken"));
  CHECK_FALSE(write_text_file(dir.file("taken"), "text"));
  CHECK(std::distance(fs::directory_iterator(dir.path), fs::directory_iterator()) == 1);
}
