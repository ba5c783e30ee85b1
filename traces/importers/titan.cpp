// Fine-tuning workloads of TitanSched (SoCC'22): seconds; the application is MODEL@DATASET, and a job is done when
// its metric reaches a target. The source keeps its training curves in a binary cache; what they say of these
// workloads, the samples each application needs, is in the tables of its published runs (`max_progress`) and taken
// from there.
#include <array>
#include <limits>

#include "traces/format/formats.hpp"

namespace orrery {
namespace {

struct Dataset {
  std::string_view name;
  std::int64_t samples;  // per epoch
};
constexpr std::array<Dataset, 18> kDatasets{{{"wnli", 159},
                                             {"rte", 623},
                                             {"mrpc", 917},
                                             {"stsb", 1438},
                                             {"sst2", 16838},
                                             {"qnli", 26186},
                                             {"qqp", 90962},
                                             {"mnli", 98176},
                                             {"snli", 137344},
                                             {"Bingsu#Cat_and_Dog", 8000},
                                             {"frgfm#imagenette", 9469},
                                             {"cifar100", 50000},
                                             {"fashion_mnist", 60000},
                                             {"mnist", 60000},
                                             {"food101", 75750},
                                             {"imagenet-split-0", 25000},
                                             {"imagenet-split-1", 75000},
                                             {"imagenet-split-2", 100000}}};

// Where the target is reached before the run would end in any case, after kMostEpochs.
struct Early {
  std::string_view application;
  std::int64_t samples;
};
constexpr std::int64_t kMostEpochs = 10;
constexpr std::array<Early, 15> kEarly{{{"roberta-base@mnli", 883584},
                                        {"roberta-base@rte", 4984},
                                        {"roberta-base@stsb", 12942},
                                        {"roberta-base@wnli", 159},
                                        {"roberta-large@mnli", 785408},
                                        {"roberta-large@qnli", 235674},
                                        {"roberta-large@rte", 4984},
                                        {"roberta-large@snli", 824064},
                                        {"roberta-large@sst2", 84190},
                                        {"roberta-large@stsb", 12942},
                                        {"vit@Bingsu#Cat_and_Dog", 63680},
                                        {"vit@frgfm#imagenette", 85221},
                                        {"vit-large@Bingsu#Cat_and_Dog", 31680},
                                        {"vit-large@frgfm#imagenette", 66283},
                                        {"vit-large@imagenet-split-1", 749250}}};

std::int64_t samples_of(std::string_view application) {
  const std::size_t at = application.find('@');
  if (at == std::string_view::npos) return 0;
  for (const Early& e : kEarly)
    if (e.application == application) return e.samples;
  for (const Dataset& d : kDatasets)
    if (d.name == application.substr(at + 1)) return d.samples * kMostEpochs;
  return 0;
}

}  // namespace

void read_titan(TableReader& rows, Trace& trace) {
  const int name = rows.column("name"), submit = rows.column("submission_time"),
            application = rows.column("application"), gpus = rows.column("num_gpus"),
            batch = rows.column("target_batch_size");
  trace.report.notes.emplace_back(
      "no run times: they follow from the profiles that the scenario names (`performance`)");
  while (rows.next()) {
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(name);
    j.submit = Time{rows.fixed(submit, 9, 0, 0)};
    j.gpus = static_cast<std::int32_t>(rows.integer(gpus, 1, 1, 1'000'000));
    j.model = rows.text(application);
    j.kind = "transfer";
    j.batch = rows.integer(batch, 0, 1, std::numeric_limits<std::int64_t>::max());
    j.samples = samples_of(j.model);
    if (j.samples == 0) rows.complain(application, "must be MODEL@DATASET with a data set of these workloads");
    if (rows.row_ok()) trace.jobs.push_back(std::move(j));
  }
}

}  // namespace orrery
