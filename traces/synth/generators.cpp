#include "traces/synth/generators.hpp"

#include <algorithm>

#include "sim/core/assert.hpp"

namespace orrery {

const std::vector<Generator>& generators() {
  static const std::vector<Generator> table{
      {"poisson",
       "Poisson arrivals, a mix of GPU counts, exponential or log-normal run times",
       {"gpus", "law", "mean", "sigma"},
       [](const GenerateSpec& s) { return generate_poisson(s); }},
      {"gavel",
       "Gavel's published generator (OSDI'20), by its distributions",
       {"deadlines", "priorities"},
       generate_gavel},
      {"philly", "jobs as in Microsoft's Philly, 2017", {}, generate_philly},
      {"acme", "jobs as in Acme's Kalos (LLM development), 2023", {}, generate_acme},
      {"lineage",
       "pretraining jobs that publish, and the transfer jobs, grids and evaluations that descend from them",
       {"zipf", "size", "gains", "grids", "parents", "children", "edges", "independent", "elastic", "epochs",
        "phases"},
       generate_lineage},
  };
  return table;
}

const std::vector<std::string_view>& parent_arrivals() {
  static const std::vector<std::string_view> names{"natural", "burst", "staggered"};
  return names;
}

std::string_view to_string(ParentArrivals arrivals) {
  return parent_arrivals()[static_cast<std::size_t>(arrivals)];
}

const std::vector<GainParameter>& gain_parameters() {
  static const std::vector<GainParameter> table{
      {"positive", &GainLaw::positive, 1, "share of pairs that gain"},
      {"negative", &GainLaw::negative, 1, "share of pairs that lose"},
      {"mean_log_ratio", &GainLaw::mean_log_ratio, 10, "mean of ln(ratio / 1.1) of those that gain"},
      {"mean_loss", &GainLaw::mean_loss, 5, "mean of the extra work of those that lose"},
      {"own_modality", &GainLaw::own_modality, 1000,
       "how many times as likely a parent gains that knows the child's modality"}};
  return table;
}

const Generator* find_generator(std::string_view name) {
  const auto& table = generators();
  const auto at = std::find_if(table.begin(), table.end(), [&](const Generator& g) { return g.name == name; });
  return at == table.end() ? nullptr : &*at;
}

Expected<Trace> generate(const GenerateSpec& spec) {
  const Generator* g = find_generator(spec.model);
  ORRERY_ASSERT(g != nullptr, "no generator `{}`", spec.model);
  return g->make(spec);
}

}  // namespace orrery
