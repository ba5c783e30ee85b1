#include "policies/reference/emulations.hpp"

#include "policies/reference/versions.hpp"

namespace orrery {
namespace {

struct Version {
  std::string_view policy;
  PolicyFactory make;
};

template <std::size_t N>
PolicyFactory among(const Version (&versions)[N], std::string_view policy) {
  for (const Version& v : versions)
    if (v.policy == policy) return v.make;
  return nullptr;
}

constexpr Version kTiresias[] = {{"srtf", list_srtf},
                                 {"srsf", list_srsf},
                                 {"smallest", list_smallest},
                                 {"lpjf", skipping_lpjf},
                                 {"tiresias", whole_second_tiresias}};
constexpr Version kMuri[] = {
    {"srtf", list_srtf}, {"srsf", list_srsf}, {"smallest", list_smallest}, {"tiresias", divided_limit_tiresias}};
constexpr Version kPollux[] = {{"tiresias", pollux_tiresias}, {"optimus", pollux_optimus}};
constexpr Version kTitan[] = {{"tiresias", titan_tiresias},
                              {"optimus", titan_optimus},
                              {"srtf", titan_srtf},
                              {"themis", titan_themis},
                              {"titan", titan_titan}};

std::vector<OptionSpec> titan_options(std::string_view policy) {
  if (policy == "srtf")
    return {{"running",
             "choice",
             "kept",
             "running jobs are kept, as released, or preempted for shorter ones",
             {"kept", "preempted"}}};
  if (policy == "optimus")
    return {{"gains",
             "choice",
             "released",
             "gains of the last job in the list for every job, as released, or right ones",
             {"released", "corrected"}}};
  return {};
}

std::string_view muri_placement(std::string_view policy) {
  return policy == "tiresias" ? "count" : "yarn";
}

constexpr Emulation kEmulations[] = {
    {.name = "tiresias",
     .policy = [](std::string_view p) { return among(kTiresias, p); },
     .placement = [](std::string_view) { return std::string_view("count"); },
     .placement_text = "count"},
    {.name = "muri",
     .policy = [](std::string_view p) { return among(kMuri, p); },
     .placement = muri_placement,
     .placement_text = "yarn (count under tiresias)"},
    {.name = "pollux",
     .policy = [](std::string_view p) { return among(kPollux, p); },
     .placement = [](std::string_view) { return std::string_view("most_free"); },
     .placement_text = "most_free"},
    {.name = "titan",
     .policy = [](std::string_view p) { return among(kTitan, p); },
     .options = titan_options,
     .placement = [](std::string_view) { return std::string_view("fewest"); },
     .placement_text = "fewest"},
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

}  // namespace orrery
