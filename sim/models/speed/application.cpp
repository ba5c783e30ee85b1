#include "sim/models/speed/application.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace orrery {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

Expected<Application> Application::compile(ApplicationProfile profile) {
  Application a;
  auto times =
      StepTimes::compile(fmt::format("{} on {}", profile.name, profile.hardware), profile.exact, profile.scaling);
  if (!times) return tl::make_unexpected(std::move(times.error()));
  a.times_ = std::move(*times);
  a.profile_ = std::move(profile);
  ApplicationProfile& p = a.profile_;
  a.memory_ = MemoryTable::compile(std::move(p.memory));
  auto shared = SharedSteps::compile(p.shared);
  if (!shared) {
    Diagnostic d = shared.error().items.front();
    d.message = fmt::format("the profile of {} has {}", a.times_.name(), d.message);
    return fail(std::move(d));
  }
  a.shared_ = std::move(*shared);
  p.exact.clear();
  p.scaling.clear();
  p.memory.clear();
  p.shared.clear();
  std::sort(p.batches.begin(), p.batches.end(),
            [](const BatchStats& x, const BatchStats& y) { return x.batch < y.batch; });
  if (p.initial_batch == 0) p.initial_batch = p.batches.empty() ? 1 : p.batches.front().batch;
  if (p.max_batch == 0)
    p.max_batch = p.batches.empty() ? std::numeric_limits<std::int64_t>::max() : p.batches.back().batch;
  if (p.min_local_batch == 0) p.min_local_batch = static_cast<std::int64_t>(a.times_.min_local_batch());
  if (p.max_local_batch == 0) p.max_local_batch = static_cast<std::int64_t>(a.times_.max_local_batch());
  if (p.min_local_batch < 1 || p.max_local_batch < p.min_local_batch)
    return fail(fmt::format("the profile of {} has local batches of {} to {}", a.times_.name(), p.min_local_batch,
                            p.max_local_batch));
  if (p.gpu_gib > 0) {
    if (a.memory_.empty())
      return fail(fmt::format("the profile of {} does not say how much memory it takes", a.times_.name()));
    p.max_local_batch = std::min(p.max_local_batch, a.memory_.most(p.gpu_gib));
    if (p.max_local_batch < p.min_local_batch)
      return fail(fmt::format("{} does not fit {} GiB: {} samples per GPU take {:.3g} GiB", a.times_.name(),
                              p.gpu_gib, a.memory_.least().local_batch, a.memory_.least().gib));
  }
  std::size_t epochs = p.batches.empty() ? 0 : p.batches.front().epochs.size();
  for (const BatchStats& b : p.batches) epochs = std::min(epochs, b.epochs.size());
  double before = 0;
  for (std::size_t e = 0; e < epochs; ++e) {
    double end = p.batches.front().epochs[e].progress;
    for (const BatchStats& b : p.batches) end = std::min(end, b.epochs[e].progress);
    if (!(end > before)) return fail(fmt::format("the progress of {} does not grow in epoch {}", p.name, e + 1));
    a.ends_.push_back(before = end);
  }
  return a;
}

std::int32_t Application::most_gpus(std::int64_t batch) const {
  if (profile_.most_gpus > 0) return profile_.most_gpus;
  const std::int64_t limit = profile_.gpu_limit > 0 ? profile_.gpu_limit : 1'000'000;
  const std::int64_t most = std::min(batch / profile_.min_local_batch, limit);
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(most, 1, 1'000'000));
}

Application::Split Application::split(std::int64_t batch, int gpus, std::int32_t accumulation) const {
  const ApplicationProfile& p = profile_;
  Split s;
  if (accumulation > 0) {
    s.accumulation = accumulation;
    s.per_gpu = ceil_div(batch, gpus * (s.accumulation + 1));
    s.total = s.per_gpu * gpus * (s.accumulation + 1);
    return s;
  }
  const std::int64_t local = ceil_div(batch, gpus);
  s.accumulation = ceil_div(local, p.max_local_batch) - 1;
  // One GPU alone estimates gradient noise from at least two passes.
  const std::int64_t alone_above = p.split.two_passes_early ? p.initial_batch : p.max_local_batch;
  if (gpus == 1 && batch > alone_above) s.accumulation = std::max<std::int64_t>(1, s.accumulation);
  s.per_gpu = ceil_div(local, s.accumulation + 1);
  const std::int64_t passes = gpus * (s.accumulation + 1);
  if (p.split.rounds_up)
    s.per_gpu = std::min(s.per_gpu, p.max_batch / passes);
  else
    s.per_gpu = std::max(std::min(s.per_gpu, batch / passes), p.min_local_batch);
  s.total = s.per_gpu * passes;
  return s;
}

Application::Step Application::step(const NodeRing& shape, const Split& split) const {
  const StepTime t = times_.at(shape, static_cast<double>(split.per_gpu));
  return {t.step_s + (t.step_s - t.sync_s) * static_cast<double>(split.accumulation), t.covered};
}

std::optional<double> Application::beside(std::int64_t own, std::int64_t other) const {
  const auto together = shared_.at(static_cast<double>(own), static_cast<double>(other));
  if (!together || (profile_.gpu_gib > 0 && together->gib > profile_.gpu_gib)) return std::nullopt;
  return times_.at(NodeRing::packed(1, 1), static_cast<double>(own)).step_s / together->step_s;
}

Application::Bracket Application::bracket(std::int64_t batch) const {
  const std::vector<BatchStats>& all = profile_.batches;
  auto high = std::lower_bound(all.begin(), all.end(), batch,
                               [](const BatchStats& s, std::int64_t b) { return s.batch < b; });
  if (high == all.end()) --high;
  if (high == all.begin() || high->batch <= batch) return {&*high, &*high, 0};
  const auto low = high - 1;
  return {&*low, &*high, static_cast<double>(batch - low->batch) / static_cast<double>(high->batch - low->batch)};
}

double Application::gain(std::int64_t total, std::size_t epoch) const {
  if (profile_.batches.empty()) return static_cast<double>(total);
  const Bracket b = bracket(total);
  const EpochStats& low = b.low->epochs[epoch];
  const EpochStats& high = b.high->epochs[epoch];
  const double sqr = low.grad_sqr + (high.grad_sqr - low.grad_sqr) * b.part;
  const double var = low.grad_var + (high.grad_var - low.grad_var) * b.part;
  const double scale = static_cast<double>(total) / static_cast<double>(profile_.initial_batch);
  const double below = var / scale + sqr;
  return below > 0 ? (var + sqr) / below : 1.0;
}

double Application::iterations(std::int64_t batch, std::size_t epoch) const {
  const Bracket b = bracket(batch);
  const double low = b.low->epochs[epoch].iterations;
  return low + (b.high->epochs[epoch].iterations - low) * b.part;
}

}  // namespace orrery
