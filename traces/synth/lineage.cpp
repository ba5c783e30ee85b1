// Lineage workloads; what they are is said in generators.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/models/transfer.hpp"
#include "traces/synth/draws.hpp"
#include "traces/synth/generators.hpp"

namespace orrery {
namespace {

// A family of backbones: the modalities it is pretrained on ("ita" = image, text, audio; v = video).
struct Family {
  const char* name;
  std::string_view modalities;
};
constexpr std::array<Family, 6> kFamilies{
    {{"clip", "it"}, {"mae", "i"}, {"bridge", "ta"}, {"omni", "itav"}, {"vidlm", "vt"}, {"flava", "it"}}};
constexpr std::array<char, 4> kModalities{'i', 't', 'a', 'v'};

// A way of transfer: what it needs, how often it is chosen, and how well it uses its GPUs.
struct Mode {
  const char* name;
  double share;
  Mix gpus;
  LogNormal law;
  double utilisation;  // of the peak of an H200 in bf16, 989 TFLOP/s
};

constexpr double kPeakTflops = 989;

std::int64_t tflop_of(const TraceJob& j, double utilisation) {
  return static_cast<std::int64_t>(static_cast<double>(j.duration.ns) / 1e9 * j.gpus * kPeakTflops * utilisation);
}

class Maker {
 public:
  explicit Maker(const GenerateSpec& spec)
      : spec_(spec),
        cluster_(spec.cluster_gpus > 0 ? spec.cluster_gpus : 512),
        arrivals_(stream(spec.seed, "lineage/arrivals")),
        kinds_(stream(spec.seed, "lineage/kinds")),
        shapes_(stream(spec.seed, "lineage/shapes")),
        edges_(stream(spec.seed, "lineage/edges")),
        tenants_(stream(spec.seed, "lineage/tenants")),
        popularity_(spec.zipf),
        teams_(0.9) {}

  Expected<Trace> make() {
    const double gap = gap_ns(spec_);
    while (left() > 0) {
      const auto before = trace_.jobs.size();
      group();
      at_ns_ += exponential(arrivals_, gap * static_cast<double>(trace_.jobs.size() - before));
    }
    if (auto ok = place_arrivals(trace_, spec_, kPhillyDay); !ok) return tl::make_unexpected(ok.error());
    finish_generated(trace_, spec_, "lineage");
    return std::move(trace_);
  }

 private:
  struct Root {
    std::string id;
    std::size_t family;
  };

  [[nodiscard]] std::int64_t left() const { return spec_.jobs - static_cast<std::int64_t>(trace_.jobs.size()); }

  // What arrives together: a pretraining job with its evaluations, a transfer job with its own, or a grid.
  void group() {
    if (roots_.empty() || uniform01(kinds_) < 0.05) return pretrain();
    if (uniform01(kinds_) < 0.12) return grid();
    transfer();
  }

  TraceJob row(char letter, const char* kind, const std::string& tenant) {
    TraceJob j;
    j.job_id = fmt::format("{}{}", letter, ++counts_[static_cast<unsigned char>(letter)]);
    j.kind = kind;
    j.tenant = tenant;
    j.submit = submit_at(at_ns_);
    return j;
  }

  std::string tenant() {
    const auto n = static_cast<std::size_t>(spec_.tenants > 0 ? spec_.tenants : 8);
    return fmt::format("team{}", 1 + teams_.draw(tenants_, n));
  }

  [[nodiscard]] std::int32_t share_of_cluster(std::int64_t part) const {
    const std::int64_t gpus = cluster_ / part;
    return static_cast<std::int32_t>(std::max<std::int64_t>(gpus >= 8 ? gpus / 8 * 8 : gpus, 1));
  }

  void pretrain() {
    TraceJob j = row('p', "pretrain", tenant());
    const Mix parts{{8, 0.5}, {4, 0.35}, {2, 0.15}};
    const std::size_t family = uniform_below(kinds_, kFamilies.size());
    j.model = fmt::format("{}/pretrain", kFamilies[family].name);
    j.gpus = share_of_cluster(draw(shapes_, parts));
    j.duration = draw(shapes_, LogNormal{20 * 3600.0, 0.7, 2 * 3600.0, 10 * 86400.0});
    j.tflop = tflop_of(j, 0.42);
    const std::string id = j.job_id, team = j.tenant;
    trace_.jobs.push_back(std::move(j));
    // The newest backbones are the most popular: ranks count from the last one.
    roots_.push_back({id, family});
    for (const char* point : {":0.25", ":0.5", ":0.75", ""})
      if (left() > 0) evaluation(fmt::format("{}@hard{}", id, point), team);
  }

  void evaluation(std::string after, const std::string& team) {
    TraceJob j = row('e', "eval", team);
    j.model = "eval";
    j.gpus = 1;
    j.duration = draw(shapes_, LogNormal{300, 0.9, 20, 4 * 3600.0});
    j.after = std::move(after);
    j.tflop = tflop_of(j, 0.2);
    trace_.jobs.push_back(std::move(j));
  }

  // Edges to one parent, at times a soft one to another, and what each is worth for the task.
  void descend(TraceJob& j, const std::string& task, char modality) {
    const std::size_t rank = popularity_.draw(edges_, roots_.size());
    const std::size_t first = roots_.size() - 1 - rank;
    const std::array<const char*, 5> thresholds{":0.2", ":0.5", ":0.8", ":0.9", ""};
    const std::vector<double> weights{0.1, 0.2, 0.3, 0.1, 0.3};
    j.after = fmt::format("{}@hard{}", roots_[first].id, thresholds[draw_index(edges_, weights)]);
    j.gain = gain(first, task, modality);
    j.model = kFamilies[roots_[first].family].name;
    if (roots_.size() < 2 || uniform01(edges_) >= 0.2) return;
    const std::size_t other = (first + 1 + uniform_below(edges_, roots_.size() - 1)) % roots_.size();
    j.after += fmt::format(";{}@soft", roots_[other].id);
    j.gain += ";" + gain(other, task, modality);
  }

  // A family gives much to tasks of its own modalities, and to others as pairs of tasks do.
  std::string gain(std::size_t root, const std::string& task, char modality) const {
    const Family& family = kFamilies[roots_[root].family];
    GainLaw law;
    if (family.modalities.find(modality) != std::string_view::npos) law = {0.75, 0.08, 0.9, 0.2};
    const std::int32_t per_mille = drawn_gain(law, spec_.seed, family.name, task);
    const std::int32_t size = per_mille < 0 ? -per_mille : per_mille;
    return fmt::format("{}:{}{}.{:03}", roots_[root].id, per_mille < 0 ? "-" : "", size / 1000, size % 1000);
  }

  TraceJob child(char letter, const char* kind, const std::string& team, const Mode& mode) {
    TraceJob j = row(letter, kind, team);
    j.gpus = std::min(draw(shapes_, mode.gpus), share_of_cluster(1));
    j.duration = draw(shapes_, mode.law);
    return j;
  }

  std::pair<std::string, char> task() {
    const char modality = kModalities[uniform_below(kinds_, kModalities.size())];
    return {fmt::format("{}{}", modality, 1 + uniform_below(kinds_, 12)), modality};
  }

  void transfer() {
    const Mode& mode = modes_[draw_index(kinds_, {modes_[0].share, modes_[1].share, modes_[2].share})];
    const auto [name, modality] = task();
    TraceJob j = child('t', "transfer", tenant(), mode);
    descend(j, name, modality);
    j.model += fmt::format("/{}", mode.name);
    j.tflop = tflop_of(j, mode.utilisation);
    const std::string id = j.job_id, team = j.tenant;
    trace_.jobs.push_back(std::move(j));
    const std::uint64_t evaluations = 1 + uniform_below(shapes_, 3);
    for (std::uint64_t i = 0; i < evaluations && left() > 0; ++i) evaluation(id + "@hard", team);
  }

  // Hyper-parameters tried on one backbone: the same parent, the same version, the same task.
  void grid() {
    const Mode& mode = modes_[1 + uniform_below(kinds_, 2)];
    const auto [name, modality] = task();
    const std::string team = tenant();
    TraceJob shared;
    descend(shared, name, modality);
    const Mix sizes{{4, 0.4}, {8, 0.35}, {16, 0.25}};
    const std::int32_t gpus = draw(shapes_, mode.gpus);
    for (std::int32_t n = draw(shapes_, sizes); n > 0 && left() > 0; --n) {
      TraceJob j = child('h', "hpo", team, mode);
      j.gpus = std::min(gpus, share_of_cluster(1));
      j.after = shared.after;
      j.gain = shared.gain;
      j.model = fmt::format("{}/{}", shared.model, mode.name);
      j.tflop = tflop_of(j, mode.utilisation);
      trace_.jobs.push_back(std::move(j));
    }
  }

  const GenerateSpec& spec_;
  std::int64_t cluster_;
  RandomStream arrivals_, kinds_, shapes_, edges_, tenants_;
  Zipf popularity_, teams_;
  const std::array<Mode, 3> modes_{{
      {"full", 0.3, {{8, 0.5}, {16, 0.3}, {32, 0.2}}, {3 * 3600.0, 0.9, 300, 3 * 86400.0}, 0.38},
      {"lora", 0.45, {{1, 0.4}, {2, 0.3}, {4, 0.2}, {8, 0.1}}, {2400, 1.0, 120, 86400.0}, 0.3},
      {"probe", 0.25, {{1, 1.0}}, {600, 0.8, 60, 4 * 3600.0}, 0.15},
  }};
  Trace trace_;
  std::vector<Root> roots_;
  std::array<std::int64_t, 128> counts_{};
  double at_ns_ = 0;
};

}  // namespace

Expected<Trace> generate_lineage(const GenerateSpec& spec) {
  return Maker(spec).make();
}

}  // namespace orrery
