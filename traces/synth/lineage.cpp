// Lineage workloads; what they are is said in generators.hpp, what a catalogue is in catalogue.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <tuple>

#include "sim/models/lifecycle/transfer.hpp"
#include "traces/format/formats.hpp"
#include "traces/synth/catalogue.hpp"
#include "traces/synth/draws.hpp"
#include "traces/synth/generators.hpp"
#include "traces/synth/lineage_shape.hpp"

namespace orrery {
namespace {

constexpr std::size_t kDataSets = 12;  // different ones of each task
constexpr double kMostSpread = 3;      // of ln(work), whatever the spread

// Whether a parent's towers know what the child's head reads.
bool knows_modality(const CatalogueJob& parent, const CatalogueJob& child) {
  const ModelConfig& m = parent.cluster.run.model;
  const auto& head = child.cluster.run.model.head;
  if (!head) return true;
  switch (head->input) {
    case HeadInput::fused: return true;
    case HeadInput::text: return m.text.has_value();
    case HeadInput::image: return m.image.has_value();
    case HeadInput::audio: return m.audio.has_value();
  }
  return true;
}

// Of the edges that a catalogue's transfer jobs are expected to have, the share whose parent knows the modality.
double known_share(const std::vector<CatalogueJob>& jobs) {
  double all = 0, known = 0;
  for (const CatalogueJob& child : jobs) {
    double weights = 0, of_known = 0;
    for (const CatalogueParent& p : child.after) {
      weights += jobs[p.job].share;
      of_known += knows_modality(jobs[p.job], child) ? jobs[p.job].share : 0;
    }
    if (child.kind == JobKind::eval || weights <= 0) continue;
    all += child.share;
    known += child.share * of_known / weights;
  }
  return all > 0 ? known / all : 1;
}

class Maker {
 public:
  explicit Maker(const GenerateSpec& spec)
      : spec_(spec),
        jobs_(spec.catalogue->jobs),
        cluster_(spec.cluster_gpus > 0 ? spec.cluster_gpus : 512),
        arrivals_(stream(spec.seed, "lineage/arrivals")),
        kinds_(stream(spec.seed, "lineage/kinds")),
        shapes_(stream(spec.seed, "lineage/shapes")),
        edges_(stream(spec.seed, "lineage/edges")),
        tenants_(stream(spec.seed, "lineage/tenants")),
        popularity_(spec.zipf),
        teams_(0.9),
        known_share_(known_share(jobs_)),
        candidates_(jobs_.size()) {}

  Expected<Trace> make() {
    const double gap = gap_ns(spec_);
    while (left() > 0) {
      const auto before = trace_.jobs.size();
      group();
      at_ns_ += exponential(arrivals_, gap * static_cast<double>(trace_.jobs.size() - before));
    }
    if (auto ok = weigh_lineages(trace_, alone_, spec_); !ok) return tl::make_unexpected(ok.error());
    for (const TraceJob& j : trace_.jobs)
      if (j.duration.ns > kMaxTraceNs)
        return fail(fmt::format("job {} of `{}` takes more than 73 years on {} GPUs", j.job_id, j.model, j.gpus));
    arrange_parents(trace_, alone_, spec_.parents);
    // The hours of a day would make even gaps uneven.
    const DayPattern& day = spec_.parents == ParentArrivals::staggered ? kEvenDay : kPhillyDay;
    if (auto ok = place_arrivals(trace_, spec_, day); !ok) return tl::make_unexpected(ok.error());
    if (spec_.elastic > 0) make_elastic(trace_, spec_, cluster_);
    if (!spec_.edges) drop_edges(trace_);
    finish_generated(trace_, spec_, "lineage");
    return std::move(trace_);
  }

 private:
  struct Instance {  // a job of the trace that others may descend from
    std::string id;
    std::size_t of;  // in the catalogue
  };

  [[nodiscard]] std::int64_t left() const { return spec_.jobs - static_cast<std::int64_t>(trace_.jobs.size()); }

  // What arrives together: a job with its evaluations, or a grid.
  void group() {
    std::vector<std::size_t> possible;
    std::vector<double> weights;
    for (std::size_t k = 0; k < jobs_.size(); ++k) {
      if (jobs_[k].kind == JobKind::eval || (!jobs_[k].after.empty() && candidates_[k].empty())) continue;
      possible.push_back(k);
      weights.push_back(jobs_[k].share);
    }
    const std::size_t k = possible[draw_index(kinds_, weights)];
    if (may_be_grid(k) && uniform01(kinds_) < spec_.grids) return grid(k);
    TraceJob j = row(k, tenant());
    if (goes_alone(j)) return add(std::move(j), true);
    if (!jobs_[k].after.empty()) descend(j, k, false);
    const Instance made{j.job_id, k};
    const std::string team = j.tenant;
    add(std::move(j));
    remember(made);
    evaluations(made, team);
  }

  void add(TraceJob j, bool alone = false) {
    Sort& of = sorts_[j.kind == "pretrain" ? 0 : 1];
    of.gpu_s += to_seconds(j.duration) * j.gpus;
    if (alone) of.alone_gpu_s += to_seconds(j.duration) * j.gpus;
    alone_.push_back(alone);
    trace_.jobs.push_back(std::move(j));
  }

  // Whether it is of those beside the lineages: where that brings their share of the GPU-time of its sort closer to
  // what is wanted. So they are of the same kinds and sizes.
  [[nodiscard]] bool goes_alone(const TraceJob& j) const {
    if (spec_.independent <= 0) return false;
    const Sort& of = sorts_[j.kind == "pretrain" ? 0 : 1];
    const double gpu_s = to_seconds(j.duration) * j.gpus;
    return of.alone_gpu_s + gpu_s / 2 < spec_.independent * (of.gpu_s + gpu_s);
  }

  [[nodiscard]] bool may_be_grid(std::size_t k) const {
    const auto& transfer = jobs_[k].cluster.run.model.transfer;
    return jobs_[k].kind == JobKind::transfer && transfer && transfer->method != TransferMethod::full;
  }

  std::string tenant() {
    const auto n = static_cast<std::size_t>(spec_.tenants > 0 ? spec_.tenants : 8);
    return fmt::format("team{}", 1 + teams_.draw(tenants_, n));
  }

  // Which of its task's data sets a child is trained on: each comes as often as the others among the children of one
  // kind of parent, and among their grids, so that few large grids do not decide what share of all children gains.
  std::size_t data_set(std::size_t k, std::size_t parent, bool grid) {
    std::vector<std::size_t>& left = data_sets_[{parent, jobs_[k].task, grid}];
    if (left.empty())
      for (std::size_t i = 0; i < kDataSets; ++i) left.push_back(i);
    const auto at = left.begin() + static_cast<std::ptrdiff_t>(uniform_below(kinds_, left.size()));
    const std::size_t drawn = *at;
    left.erase(at);
    return drawn;
  }

  // Halved until the cluster has so many: what shares a global batch evenly still does.
  [[nodiscard]] int fitting(int gpus) const {
    while (gpus > 1 && gpus > cluster_) gpus /= 2;
    return gpus;
  }

  const SizeCost& cost(std::size_t k, int gpus) {
    const auto [at, fresh] = costs_.try_emplace({k, gpus});
    if (fresh) at->second = size_cost(jobs_[k], spec_.size, gpus, spec_.device);
    return at->second;
  }

  TraceJob row(std::size_t k, const std::string& team) {
    const CatalogueJob& job = jobs_[k];
    const int gpus = fitting(draw(shapes_, job.at(spec_.size).gpus));
    return row(k, team, gpus, std::string(to_string(job.kind)));
  }

  TraceJob row(std::size_t k, const std::string& team, int gpus, const std::string& kind) {
    const CatalogueSize& size = jobs_[k].at(spec_.size);
    const double x = std::clamp(size.spread * standard_normal(shapes_), -kMostSpread, kMostSpread);
    const double factor = size.spread > 0 ? portable_exp(x) : 1;
    const SizeCost& c = cost(k, gpus);
    TraceJob j;
    j.job_id = fmt::format("{}{}", kind.front(), ++counts_[static_cast<unsigned char>(kind.front())]);
    j.kind = kind;
    j.model = jobs_[k].name;
    j.tenant = team;
    j.submit = submit_at(at_ns_);
    j.gpus = gpus;
    j.batch = size.run.global_batch;
    j.iterations = std::max<std::int64_t>(1, std::llround(static_cast<double>(size.run.steps) * factor));
    const double ms = std::min(c.seconds * factor * 1e3, static_cast<double>(kMaxTraceNs) / 1e6);
    j.duration = Duration{std::max<std::int64_t>(1, std::llround(ms)) * 1'000'000};
    j.tflop = std::llround(std::min(c.flops * factor / 1e12, 1e18));
    if (const auto cell = spec_.phases.find(j.model); cell != spec_.phases.end()) j.phases = cell->second;
    return j;
  }

  // Others may descend from it, if their kinds do.
  void remember(const Instance& made) {
    for (std::size_t child = made.of + 1; child < jobs_.size(); ++child)
      for (const CatalogueParent& p : jobs_[child].after)
        if (p.job == made.of) candidates_[child].push_back(instances_.size());
    instances_.push_back(made);
  }

  void evaluations(const Instance& of, const std::string& team) {
    for (std::size_t k = of.of + 1; k < jobs_.size(); ++k) {
      if (jobs_[k].kind != JobKind::eval) continue;
      for (const CatalogueParent& p : jobs_[k].after) {
        if (p.job != of.of) continue;
        for (const std::int32_t point : p.hard_per_mille) {
          if (left() <= 0 || uniform01(kinds_) >= jobs_[k].share) continue;
          TraceJob j = row(k, team);
          j.after = hard_edge(of.id, point);
          add(std::move(j));
        }
      }
    }
  }

  static std::string hard_edge(const std::string& id, std::int32_t per_mille) {
    if (per_mille == 1000) return id + "@hard";
    std::string digits = fmt::format("{:03}", per_mille);
    while (digits.back() == '0') digits.pop_back();
    return fmt::format("{}@hard:0.{}", id, digits);
  }

  // Edges to one parent, at times a soft one to another, and what each is worth for the data set. The newest are the
  // most popular: ranks count from the last one.
  void descend(TraceJob& j, std::size_t k, bool grid) {
    const std::vector<std::size_t>& from = candidates_[k];
    const std::size_t first = from.size() - 1 - popularity_.draw(edges_, from.size());
    const Instance& parent = instances_[from[first]];
    const CatalogueParent& edge = edge_to(k, parent.of);
    const auto n = static_cast<std::uint64_t>(edge.hard_per_mille.size());
    j.after = n == 0 ? parent.id + "@soft"
                     : hard_edge(parent.id, edge.hard_per_mille[n == 1 ? 0 : uniform_below(edges_, n)]);
    const std::size_t data = data_set(k, parent.of, grid);
    j.dataset = fmt::format("{}-{}", jobs_[k].task, data + 1);
    j.gain = gain(k, parent, data);
    j.epochs = spec_.epochs;
    if (from.size() < 2) return;
    const Instance& other = instances_[from[(first + 1 + uniform_below(edges_, from.size() - 1)) % from.size()]];
    if (uniform01(edges_) >= edge_to(k, other.of).soft) return;
    j.after += fmt::format(";{}@soft", other.id);
    j.gain += ";" + gain(k, other, data);
  }

  [[nodiscard]] const CatalogueParent& edge_to(std::size_t child, std::size_t parent) const {
    const auto& after = jobs_[child].after;
    return *std::find_if(after.begin(), after.end(), [parent](const auto& p) { return p.job == parent; });
  }

  // What the parent is worth for the data set, as a trace has it: of its kind, not of this one job.
  [[nodiscard]] std::string gain(std::size_t k, const Instance& parent, std::size_t data) {
    const CatalogueJob& source = jobs_[parent.of];
    const bool knows = knows_modality(source, jobs_[k]);
    const auto [at, fresh] = gains_.try_emplace({parent.of, jobs_[k].task, knows});
    if (fresh)
      at->second = drawn_gains(law_of_modality(spec_.gains, known_share_, knows), spec_.seed, source.name,
                               jobs_[k].task, kDataSets);
    const std::int32_t per_mille = at->second[data];
    const std::int32_t size = per_mille < 0 ? -per_mille : per_mille;
    return fmt::format("{}:{}{}.{:03}", parent.id, per_mille < 0 ? "-" : "", size / 1000, size % 1000);
  }

  // Hyper-parameters tried on one backbone: the same parent, the same version, the same data set.
  void grid(std::size_t k) {
    const std::string team = tenant();
    TraceJob shared;
    descend(shared, k, true);
    const Mix sizes{{4, 0.4}, {8, 0.35}, {16, 0.25}};
    const int gpus = fitting(draw(shapes_, jobs_[k].at(spec_.size).gpus));
    for (std::int32_t n = draw(shapes_, sizes); n > 0 && left() > 0; --n) {
      TraceJob j = row(k, team, gpus, "hpo");
      j.dataset = shared.dataset;
      j.after = shared.after;
      j.gain = shared.gain;
      j.epochs = shared.epochs;
      add(std::move(j));
    }
  }

  const GenerateSpec& spec_;
  const std::vector<CatalogueJob>& jobs_;
  std::int64_t cluster_;
  RandomStream arrivals_, kinds_, shapes_, edges_, tenants_;
  Zipf popularity_, teams_;
  double known_share_;
  using Task = std::tuple<std::size_t, std::string, bool>;  // of a kind of parent
  std::map<Task, std::vector<std::int32_t>> gains_;         // [whether it knows the modality][data set]
  std::map<Task, std::vector<std::size_t>> data_sets_;      // [whether a grid's] that have not come yet
  struct Sort {                                             // of jobs, what is drawn so far
    double gpu_s = 0, alone_gpu_s = 0;
  };
  std::array<Sort, 2> sorts_{};  // pretraining, all others
  Trace trace_;
  std::vector<bool> alone_;  // [row] beside the lineages
  std::vector<Instance> instances_;
  std::vector<std::vector<std::size_t>> candidates_;  // [in the catalogue] instances that it may descend from
  std::map<std::pair<std::size_t, int>, SizeCost> costs_;
  std::array<std::int64_t, 128> counts_{};
  double at_ns_ = 0;
};

}  // namespace

Expected<Trace> generate_lineage(const GenerateSpec& spec) {
  if (!spec.catalogue || spec.catalogue->jobs.empty())
    return fail("the generator `lineage` draws its jobs from a catalogue, and there is none");
  if (spec.size == SizeName::cluster && !(spec.device.peak_flops > 0))
    return fail("the generator `lineage` computes run times from the speed of a GPU, which is not known");
  for (const auto& [kind, cell] : spec.phases)
    if (spec.catalogue->find(kind) == nullptr)
      return fail(fmt::format("`phases` are of `{}`, which is not in the catalogue", kind));
  return Maker(spec).make();
}

}  // namespace orrery
