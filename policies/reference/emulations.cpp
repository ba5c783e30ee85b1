#include "policies/reference/emulations.hpp"

#include "policies/reference/versions.hpp"
#include "policies/reference/worlds.hpp"

namespace orrery {
namespace {

const EmulatedPolicy kTiresias[] = {{"srtf", list_srtf},
                                    {"srsf", list_srsf},
                                    {"smallest", list_smallest},
                                    {"lpjf", skipping_lpjf},
                                    {"tiresias", whole_second_tiresias}};
const EmulatedPolicy kMuri[] = {
    {"srtf", list_srtf}, {"srsf", list_srsf}, {"smallest", list_smallest}, {"tiresias", divided_limit_tiresias}};
const EmulatedPolicy kPollux[] = {{"tiresias", pollux_tiresias}, {"optimus", pollux_optimus}};
const EmulatedPolicy kTitan[] = {{"tiresias", titan_tiresias},
                                 {"optimus",
                                  titan_optimus,
                                  {{"gains",
                                    "choice",
                                    "released",
                                    "gains of the last job in the list for every job, as released, or right ones",
                                    {"released", "corrected"}}}},
                                 {"srtf",
                                  titan_srtf,
                                  {{"running",
                                    "choice",
                                    "kept",
                                    "running jobs are kept, as released, or preempted for shorter ones",
                                    {"kept", "preempted"}}}},
                                 {"themis", titan_themis},
                                 {"titan", titan_titan}};

constexpr ProgressRule kMuriTolls{.toll = muri_toll};  // its Tiresias compares ends exactly
constexpr ProgressRule kMuriRule{.toll = muri_toll, .same_end = muri_same_end};
constexpr ProgressRule kPolluxRule{.stretch_end = pollux_stretch_end, .coarseness = seconds(1)};
constexpr Belief kPolluxBelief{.split = pollux_split, .whole_epochs = true};
constexpr Belief kTitanBelief{.split = titan_split, .rounded = titan_rounded};

std::string_view muri_placement(std::string_view policy) {
  return policy == "tiresias" ? "count" : "yarn";
}

const Emulation kEmulations[] = {
    {.name = "tiresias",
     .policies = kTiresias,
     .placement = [](std::string_view) { return std::string_view("count"); },
     .placement_text = "count"},
    {.name = "muri",
     .policies = kMuri,
     .placement = muri_placement,
     .placement_text = "yarn (count under tiresias)",
     .work = muri_work,
     .progress = [](std::string_view policy) { return policy == "tiresias" ? &kMuriTolls : &kMuriRule; }},
    {.name = "pollux",
     .policies = kPollux,
     .placement = [](std::string_view) { return std::string_view("most_free"); },
     .placement_text = "most_free",
     .launch = seconds(30),
     .belief = &kPolluxBelief,
     .progress = [](std::string_view) { return &kPolluxRule; }},
    {.name = "titan",
     .policies = kTitan,
     .placement = [](std::string_view) { return std::string_view("fewest"); },
     .placement_text = "fewest",
     .launch = seconds(30),
     .belief = &kTitanBelief,
     .counted = titan_counted,
     .counted_text =
         "jobs' times (run, finish and all that follows from them) are in whole seconds per scheduling interval, as "
         "that simulator counts them; samples and events are on the cluster's clock",
     .ignores_sizes = true},
};

}  // namespace

std::span<const Emulation> emulations() {
  return kEmulations;
}

const Emulation* find_emulation(std::string_view name) {
  for (const Emulation& e : kEmulations)
    if (e.name == name) return &e;
  return nullptr;
}

PolicyInfo emulated(const PolicyInfo& info, const Emulation* e) {
  PolicyInfo out = info;
  if (e == nullptr) return out;
  out.conserves = Conserves::nothing;
  for (const EmulatedPolicy& p : e->policies) {
    if (p.name != info.name) continue;
    out.make = p.make;
    out.options.insert(out.options.end(), p.options.begin(), p.options.end());
  }
  return out;
}

}  // namespace orrery
