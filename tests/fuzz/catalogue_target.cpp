#include "tests/fuzz/catalogue_target.hpp"

#include "tests/fuzz/require.hpp"
#include "tests/support/catalogue.hpp"
#include "traces/synth/generators.hpp"

namespace orrery::test {

// An error, or jobs of which a workload can be made, whatever their sizes: it is read again as it is written.
void run_catalogue(std::string_view bytes) {
  const auto read = read_small(std::string(bytes));
  require_message(read);
  if (!read) return;
  const Catalogue& c = (*read)->catalogue;
  require(!c.jobs.empty() && (*read)->live.size() == c.jobs.size(), "a job without a job file");
  for (const SizeName size : {SizeName::cluster, SizeName::live}) {
    GenerateSpec spec;
    spec.model = "lineage";
    spec.catalogue = {*read, &c};
    spec.size = size;
    spec.jobs = 30;
    spec.rate_per_1e9_h = 30'000'000'000;
    const auto trace = generate(spec);
    require_message(trace);
    if (!trace) continue;
    for (const TraceJob& j : trace->jobs) require(c.find(j.model) != nullptr, "a job that is not in the catalogue");
    const std::string once = canonical_text(*trace);
    const auto again = read_trace_text("again.csv", once, {.format = "canonical"});
    require_message(again);
    require(again && canonical_text(*again) == once, "a generated trace does not survive being written");
  }
}

std::vector<std::string> catalogue_seeds() {
  return {kSmallCatalogue,
          "version: 1\njobs: { a: { file: masked.yaml, kind: pretrain, live: { step: 1ms }, cluster: { gpus: 1, "
          "set: { model: { image: { width: 8192, layers: 40 } } } } } }\n"};
}

}  // namespace orrery::test
