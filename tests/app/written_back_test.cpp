// Whatever the reader of scenarios knows is written back: for every section, each key that an error message lists as
// known is in the effective scenario of a text that has it, with the value that it had there.
#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "scenarios/spec/scenario_reader.hpp"
#include "sim/core/random.hpp"

namespace {

using namespace orrery;
using namespace orrery::app;

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : rng_(stream(seed, "scenarios")) {}
  int below(int n) { return static_cast<int>(uniform_below(rng_, static_cast<std::uint64_t>(n))); }
  std::string seconds() { return fmt::format("{}s", below(59) + 1); }
  std::string minutes() { return fmt::format("{}m", below(59) + 1); }
  std::string number() { return fmt::format("{}", below(900) + 1); }
  std::string share() { return fmt::format("0.{:03}", (below(499) * 2) + 1); }
  std::string one_of(const std::vector<std::string>& words) {
    return words[static_cast<std::size_t>(below(static_cast<int>(words.size())))];
  }

 private:
  RandomStream rng_;
};

struct Text {
  std::string head, cluster, workload, performance, network, overheads, checkpoints, live, tail;
  [[nodiscard]] std::string whole() const {
    return head + cluster + workload +
           "policy: { name: easy, placement: consolidated, depth: 3 }\n"
           "compare:\n  policies:\n    - { name: fifo, placement: count, label: first }\n" +
           performance + overheads + checkpoints + network + "emulate: none\n" + live + tail;
  }
};

// As the writer writes it, with a value for every key that fits in one scenario.
Text random_text(std::uint64_t seed) {
  Draw d(seed);
  Text t;
  t.head = "version: 1\nname: s" + d.number() + "\n";
  const std::uint64_t nodes = d.below(3) + 1, gpus = d.below(8) + 1;
  std::string speeds;
  for (std::uint64_t i = 0; i < nodes * gpus; ++i) speeds += (i == 0 ? "" : ", ") + d.share();
  t.cluster = fmt::format(
      "cluster:\n  groups:\n    - {{ name: a, count: {}, gpus_per_node: {}, gpu: k80, cpus: {}, mem: {}GiB, "
      "rack_size: "
      "{}, nvlink: {}GB/s, nic: {}GB/s, gpu_memory: {}GiB, uplink: {}GB/s, price: {}, idle_watt: {}, busy_watt: {}, "
      "peak_tflops: {}, market: spot, vcluster: vc{}, mig_slices: {}, gpu_speeds: {{ compute: [{}], memory: [{}] }} "
      "}}\n",
      nodes, gpus, d.number(), d.number(), d.number(), d.number(), d.number(), d.number(), d.number(), d.share(),
      d.number(), d.number(), d.number(), d.number(), d.below(7) + 1, speeds, speeds);
  const int kind = static_cast<int>(seed % 4);
  if (kind == 0)
    t.workload = "workload:\n  trace: /t.csv\n  format: orrery\n";
  else if (kind == 1)
    t.workload = fmt::format(
        "workload:\n  generate:\n    jobs: {}\n    gpus: {{ 1: 0.{}, 8: 0.3 }}\n    law: {}\n    mean: {}\n    "
        "sigma: "
        "{}\n    tenants: {}\n    overestimate: {}\n  format: auto\n",
        d.number(), d.below(9) + 1, d.one_of({"exponential", "lognormal"}), d.seconds(), d.share(), d.number(),
        d.number());
  else if (kind == 2)
    t.workload = fmt::format(
        "workload:\n  generate:\n    jobs: {}\n    model: gavel\n    deadlines: {}\n    priorities: {}\n    tenants: "
        "{}\n  format: auto\n",
        d.number(), d.one_of({"true", "false"}), d.one_of({"true", "false"}), d.number());
  else {
    const std::string size = d.one_of({"cluster", "live"});
    t.workload = fmt::format(
        "workload:\n  generate:\n    jobs: {}\n    model: lineage\n    zipf: {}\n    size: {}\n"
        "    gains: {{ positive: 0.3, negative: 0.2, mean_log_ratio: {}, mean_loss: {}, own_modality: {} }}\n"
        "    grids: {}\n    parents: {}\n    children: {}\n    edges: {}\n    independent: {}\n    elastic: {}\n"
        "    epochs: {}\n    phases: {{ pairs: \"projector@0:0.5:3;full@0.{}:1\" }}\n    tenants: {}\n"
        "  catalogue: /c.yaml\n  format: auto\n",
        d.number(), d.share(), size, d.share(), d.share(), d.number(), d.share(),
        d.one_of({"natural", "burst", "staggered"}), d.share(), d.one_of({"true", "false"}), d.one_of({"0", "0.25"}),
        size == "live" ? "0" : d.share(), d.number(), d.number(), d.number());
  }
  t.workload += fmt::format("  slice: {{ skip: {}, jobs: {} }}\n  load: {}\n  estimates: {}\n", d.number(),
                            d.number(), d.share(), d.one_of({"auto", "user", "history", "oracle", "none"}));
  if (seed % 2 == 0)
    t.performance = fmt::format(
        "performance:\n  profiles: /p\n  family: titan\n  hardware:\n    k80: V100\n  missing: "
        "{}\n  gpu_memory: {}GiB\n",
        d.one_of({"clamp", "error"}), d.number());
  else
    t.network = fmt::format(
        "network:\n  step: {{ compute: {}, gradients: {}MiB, hidden: {} }}\n  models:\n    m: {{ compute: {}, "
        "gradients: "
        "{}KiB, hidden: {} }}\n  contention: {}\n",
        d.seconds(), d.number(), d.share(), d.seconds(), d.number(), d.one_of({"0", "0.5"}),
        d.one_of({"true", "false"}));
  t.overheads = fmt::format("overheads:\n  launch: {}\n  stop: {}\n", d.seconds(), d.seconds());
  if (seed % 3 == 0)
    t.overheads += "  restart: " + d.seconds() + "\n";
  else if (seed % 3 == 1)
    t.overheads += fmt::format("  restart:\n    default: {}\n    bert: {}\n", d.seconds(), d.seconds());
  else
    t.overheads += fmt::format(
        "  restart: {{ by: checkpoint, bandwidth: {}GB/s, storage: {}GB/s, start: {}, per_rank: "
        "{}, bytes: {{ default: {}MiB, bert: {}GiB }} }}\n",
        d.number(), d.number(), d.seconds(), d.seconds(), d.number(), d.number());
  t.overheads += fmt::format(
      "failures:\n  node_mtbf: {}\n  repair: {}\n  retries: {}\n  capacity: /cap.csv\n  outages:\n    - {{ node: 0, "
      "from: "
      "{}, to: 5m }}\n  stragglers:\n    node_mtbs: {}\n    slowdown: [1.{}, 2.5]\n    lasts: {}\n    spells:\n      "
      "- {{ "
      "node: 0, from: {}, to: 5m, slowdown: 1.{} }}\n  lemons: {{ share: {}, rate: {} }}\n",
      d.minutes(), d.seconds(), d.number(), d.seconds(), d.minutes(), d.below(9) + 1, d.seconds(), d.seconds(),
      d.below(9) + 1, d.share(), d.number());
  t.checkpoints = fmt::format("checkpoints:\n  every: {}\n", d.seconds());
  const bool live = seed % 5 < 3;
  t.checkpoints +=
      live ? fmt::format("  cost: {}\n", d.seconds())
           : fmt::format("  cost: {{ by: checkpoint, bandwidth: {}GB/s, bytes: {{ default: 7GiB }} }}\n", d.number());
  t.checkpoints += fmt::format("publish:\n  every: {}\n  cost: {}\n", d.share(), d.seconds());
  if (kind == 3)  // it has a catalogue
    t.checkpoints += fmt::format("features:\n  limit: {}GiB\n  bandwidth: {}GB/s\n  readers: {}\n  folder: /f\n",
                                 d.number(), d.number(), d.number());
  t.checkpoints += fmt::format("merging:\n  gamma: {}\n", d.share());
  if (!live) t.checkpoints += "decoding:\n  contend: true\n";
  const std::string step = fmt::format("step: {}\n", d.seconds()),
                    stages = fmt::format("stages: {}\n", d.below(60) + 2);
  const std::string idle = d.one_of({step + fmt::format("  share: {}\n  ", d.share()) + stages + "  micro_batches: 0",
                                     step + "  " + stages + fmt::format("  micro_batches: {}", d.below(200) + 1),
                                     fmt::format("towers: [{}, {}]\n  ranks: {}\n  gradients: {}GB\n  link: {}GB/s",
                                                 d.seconds(), d.seconds(), d.number(), d.number(), d.number())});
  t.checkpoints += fmt::format(
      "bubbles:\n  {}\n  memory: {}GiB\n  unit: {}\n  needs: {}GiB\n  switch: {}\n  interference: {}\n"
      "  report: {}\n",
      idle, d.number(), d.seconds(), d.number(), d.seconds(), d.share(), d.seconds());
  if (live)
    t.live = fmt::format(
        "live:\n  engine: local\n  time_scale: {}\n  step: {}\n  lease: {}\n  watchdog: {}\n  gpus: {}\n{}  models:\n"
        "    m: /job.yaml\n",
        d.number(), d.seconds(), d.seconds(), d.seconds(), d.one_of({"true", "false"}),
        d.one_of({"", "  nodes: here\n"}));
  t.tail = fmt::format("measure:\n  from: {}%\n  to: {}\n", d.below(99) + 1, d.minutes());
  t.tail += fmt::format("seeds: {}\nintervals: {}\ncheck: {}\noutput:\n  dir: o{}\n  events: {}\n", d.number(),
                        d.one_of({"auto", "none", "77"}), d.one_of({"true", "false"}), d.number(),
                        d.one_of({"true", "false"}));
  return t;
}

// The keys that the reader knows where `text` has the line of `section`'s first key, as an error lists them.
std::vector<std::string> known_keys(const std::string& text, const std::string& section) {
  const auto read = read_scenario_text("/d/s.yaml", text, {{section.empty() ? "zzzz" : section + ".zzzz", "1"}});
  if (read) return {};
  for (const Diagnostic& item : read.error().items)
    for (const std::string& note : item.notes) {
      if (note.rfind("keys here: ", 0) != 0) continue;
      std::vector<std::string> keys;
      for (std::size_t at = 11; at < note.size();) {
        const std::size_t end = std::min(note.find(", ", at), note.size());
        keys.push_back(note.substr(at, end - at));
        at = end + 2;
      }
      return keys;
    }
  return {};
}

}  // namespace

TEST_CASE("a scenario with a value for everything is written back as it was read", "[app]") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const std::string text = random_text(seed).whole();
    INFO(text);
    const auto read = read_scenario_text("/d/s.yaml", text);
    if (!read) FAIL(render(read.error()));
    CHECK(effective_yaml(*read) == text);
  }
}

TEST_CASE("every key that the reader of scenarios knows is one that is written back", "[app]") {
  std::string all;
  for (std::uint64_t seed = 0; seed < 60; ++seed) all += random_text(seed).whole();
  all += "    rate: ";  // of generated arrivals, instead of `load`: its own test below
  int known = 0;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const std::string text = random_text(seed).whole();
    for (const char* section : {"",
                                "cluster",
                                "cluster.groups.0",
                                "workload",
                                "workload.slice",
                                "workload.generate",
                                "workload.generate.gains",
                                "compare",
                                "performance",
                                "overheads",
                                "overheads.restart",
                                "failures",
                                "failures.outages.0",
                                "failures.stragglers",
                                "failures.stragglers.spells.0",
                                "failures.lemons",
                                "checkpoints",
                                "checkpoints.cost",
                                "publish",
                                "features",
                                "merging",
                                "decoding",
                                "bubbles",
                                "measure",
                                "network",
                                "network.step",
                                "network.models.m",
                                "live",
                                "output"})
      for (const std::string& key : known_keys(text, section)) {
        INFO("section `" << section << "`, key `" << key << "`");
        ++known;
        CHECK((all.find(" " + key + ":") != std::string::npos || all.find("\n" + key + ":") != std::string::npos));
      }
  }
  CHECK(known > 300);
}

TEST_CASE("numbers are written back to the digit", "[app]") {
  const std::string text =
      "version: 1\ncluster: { groups: [ { name: a, count: 1, gpus_per_node: 1 } ] }\n"
      "workload: { generate: { jobs: 3, rate: 12345678.123456789/h } }\n";
  const auto read = read_scenario_text("/d/s.yaml", text);
  if (!read) FAIL(render(read.error()));
  CHECK(effective_yaml(*read).find("    rate: 12345678.123456789/h\n") != std::string::npos);
  const auto again = read_scenario_text("/d/s.yaml", effective_yaml(*read));
  REQUIRE(again);
  CHECK(again->workload.generate->rate_per_1e9_h == read->workload.generate->rate_per_1e9_h);
}

TEST_CASE("a policy with a label is written back, and its label is not what makes a run", "[app]") {
  auto read = read_scenario_text(
      "/d/s.yaml",
      "version: 1\ncluster: { groups: [ { name: a, count: 1, gpus_per_node: 1 } ] }\nworkload: { trace: /t.csv }\n"
      "compare: { policies: [ { name: easy, depth: 4, label: deep } ] }\n");
  REQUIRE(read);
  Scenario chosen = *read;
  chosen.policy = policy_named(chosen, "deep");  // as a run of it keeps it in its folder
  const auto again = read_scenario_text("/d/s.yaml", effective_yaml(chosen));
  if (!again) FAIL(render(again.error()));
  CHECK(again->policy.name == "easy");
  CHECK(again->policy.label == "deep");
  CHECK(again->policy.options.at("depth") == "4");
  Scenario unnamed = chosen;
  unnamed.policy.label.clear();
  CHECK(config_digest_text(unnamed) == config_digest_text(chosen));
}
