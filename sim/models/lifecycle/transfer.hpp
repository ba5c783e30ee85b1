// What a child inherits from a pretraining job: its work as a function of the version it starts from, the law by
// which gains differ between pairs of source and target, and when parents publish. Gains are sparse, directional and
// sometimes negative (measured on the fine-tuning tables of TitanSched; docs/formulas.md). Pure functions; the truths
// of a workload own the gains.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/api/transfer_share.hpp"
#include "sim/core/time.hpp"
#include "sim/core/truth.hpp"

namespace orrery {

inline constexpr std::int32_t kMaxGainPerMille = 950;

// Work of a child whose base checkpoint would cost it `base`, from a version with `progress_per_mille` of a parent
// that would save `gain_per_mille` of it when finished (negative: would cost it): base (1 - gain g(q)), at least 1
// ns. This is the inverse of L(D, q) = E + A (D + D_T(q))^-b at a fixed target loss, with D_T(q) = D_T(1) g(q).
[[nodiscard]] Work transfer_work(Work base, std::int32_t gain_per_mille, std::int32_t progress_per_mille);

// The same of a job: what it saves, or costs, is of its training steps, not of a pass for features that others could
// spare it (JobSpec::features), which comes on top.
[[nodiscard]] Work transfer_work(const JobSpec& spec, Work base, std::int32_t gain_per_mille,
                                 std::int32_t progress_per_mille);

// Effective data transferred, D_T = k D_F^alpha N^beta (Hernandez et al. 2021): what pretraining is worth to a
// fine-tuning set of D_F (characters, tokens: the unit of the result), for N non-embedding parameters.
struct TransferLaw {
  double k = 1.9e4;
  double alpha = 0.18;
  double beta = 0.38;
};
[[nodiscard]] double data_transferred(const TransferLaw& law, double fine_tuning_data, double parameters);
// (D_F + D_T) / D_F.
[[nodiscard]] double data_multiplier(const TransferLaw& law, double fine_tuning_data, double parameters);

// How gains are spread over pairs of (source, target): most pairs gain nothing, some much, some lose. Defaults follow
// the measured ratios of epochs to a target without and with transfer (docs/formulas.md; at 0.95 of the best: median
// 1.00, at least 1.1 for 21 to 30 % of pairs, mean 1.3 to 1.7, never reached or slower for one in seven).
struct GainLaw {
  double positive = 0.25;       // share of pairs whose ratio is at least 1.1
  double negative = 0.14;       // share of pairs that lose
  double mean_log_ratio = 0.9;  // of ln(ratio / 1.1) where it gains: exponential; the ratio is at most 8
  double mean_loss = 0.35;      // of the extra work where it loses: exponential, at least 0.05, at most 5
  // How many times as likely a pair gains whose source knows the modalities that the target reads. That there is such
  // a preference is an assumption (pairs across modalities were not measured); `positive` is the mean over both.
  double own_modality = 2;
};
// The law for pairs of one sort, where `known` of all pairs (0 to 1) have a source that knows the target's
// modalities: `positive` over both sorts stays what it was.
[[nodiscard]] GainLaw law_of_modality(const GainLaw& law, double known, bool knows);

// What is wrong with a law, as in "positive + negative is 1.2, more than 1"; empty where nothing is.
[[nodiscard]] std::string wrong_with(const GainLaw& law);

// The gains, per mille, from one source to each of `targets` alike targets, such as the data sets of one task: 1 -
// 1/ratio, or negative. Drawn from as many even strata of the law, in random order, so that few targets have the
// law's shares, too. The same for every job of the pair and seed; what (a, b) is says nothing about (b, a).
[[nodiscard]] std::vector<std::int32_t> drawn_gains(const GainLaw& law, std::uint64_t seed, std::string_view source,
                                                    std::string_view family, std::size_t targets);

// When parents publish: at the progress that an edge of a child names (`@hard:0.8`) and, with `every_per_mille`, at
// each multiple of it. Publishing is a checkpoint of `cost` that others may read.
struct PublishModel {
  std::int32_t every_per_mille = 0;  // 0 = only where edges ask for it
  Duration cost{};
};
// [job] the progress, per mille, at which it publishes before its end; ascending. Empty where no job has parents;
// jobs without children publish nothing.
[[nodiscard]] std::vector<std::vector<std::int32_t>> publish_points(const PublishModel& model,
                                                                    const std::vector<JobSpec>& specs);

}  // namespace orrery
