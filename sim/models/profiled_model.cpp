#include "sim/models/profiled_model.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/models/colocation.hpp"

namespace orrery {
namespace {

constexpr double kLongestNs = 4e18;  // 127 years
constexpr int kBelievedGpus = 64;    // compiled ahead; wider shapes are worked out when asked for

// As Python's round() does.
std::int64_t round_half_even(double v) {
  const auto whole = static_cast<std::int64_t>(v);
  const double rest = v - static_cast<double>(whole);
  return whole + (rest > 0.5 || (rest == 0.5 && whole % 2 != 0) ? 1 : 0);
}

std::int64_t to_ns(double seconds) {
  const double ns = std::min(seconds * 1e9, kLongestNs);
  return ns < 1 ? 1 : static_cast<std::int64_t>(ns + 0.5);
}

}  // namespace

Expected<std::shared_ptr<ProfiledModel>> ProfiledModel::compile(ProfileSet profiles, int gpus_per_node,
                                                                ProfileBelief belief) {
  std::vector<Application> applications;
  for (ApplicationProfile& p : profiles) {
    auto a = Application::compile(std::move(p));
    if (!a) return tl::make_unexpected(std::move(a.error()));
    applications.push_back(std::move(*a));
  }
  return std::shared_ptr<ProfiledModel>(
      new ProfiledModel(std::move(applications), std::max(gpus_per_node, 1), belief));
}

Expected<ProfiledModel::Class> ProfiledModel::make_class(const Job& job, bool clamp) const {
  Class c;
  // "model@data set" is profiled as "model".
  const std::string model = job.application.substr(0, job.application.find('@'));
  const auto found = std::find_if(applications_.begin(), applications_.end(),
                                  [&model](const Application& a) { return a.name() == model; });
  if (found == applications_.end()) {
    Diagnostic d{fmt::format("there is no profile of `{}`", model)};
    std::vector<std::string_view> names;
    for (const Application& a : applications_) names.push_back(a.name());
    if (const auto near = closest(model, names); !near.empty())
      d.hint = fmt::format("did you mean `{}`?", near);
    d.notes.push_back(fmt::format("profiles: {}", fmt::join(names, ", ")));
    return fail(std::move(d));
  }
  const Application& a = *found;
  c.name = job.application;
  c.application = static_cast<std::size_t>(found - applications_.begin());
  c.batch = job.batch > 0 ? job.batch : a.initial_batch();
  c.gpus = job.gpus;
  c.samples = job.samples;
  c.most_gpus = std::max(a.most_gpus(c.batch), job.gpus);
  if (a.epochs() == 0 && !(job.samples > 0))
    return fail(fmt::format("a job of `{}` does not say how many samples it trains on", job.application));
  c.progress = a.epochs() > 0 ? a.epoch_ends() : std::vector<double>{job.samples};
  const Shape shape = Shape::packed(job.gpus, gpus_per_node_);
  const Application::Split split = a.split(c.batch, job.gpus);
  if (!clamp && !a.step_times().covers(shape, static_cast<double>(split.per_gpu)))
    return tl::make_unexpected(a.step_times().missing(shape, static_cast<double>(split.per_gpu)));
  c.step_s = a.step_s(shape, split);
  c.total = split.total;
  c.per_gpu = split.per_gpu;
  if (!(c.step_s > 0)) return fail(fmt::format("the step time of `{}` is not above 0", job.application));
  double begin = 0;
  std::int64_t work = 0;
  for (std::size_t e = 0; e < c.progress.size(); ++e) {
    work = add_ns(work, to_ns((c.progress[e] - begin) / (a.gain(split.total, e) / c.step_s)));
    c.ends.push_back(work);
    begin = c.progress[e];
  }
  c.believed.push_back({});
  for (int g = 1; g <= std::min<int>(c.most_gpus, kBelievedGpus); ++g)
    c.believed.push_back(believed_step(c, g));
  return c;
}

Expected<void> ProfiledModel::add(const Job& job, bool clamp) {
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    const Class& c = classes_[i];
    const std::int64_t batch = job.batch > 0 ? job.batch : applications_[c.application].initial_batch();
    if (c.name != job.application || c.batch != batch || c.gpus != job.gpus ||
        c.samples != job.samples)
      continue;
    of_job_.push_back(static_cast<std::uint32_t>(i));
    return {};
  }
  auto c = make_class(job, clamp);
  if (!c) return tl::make_unexpected(std::move(c.error()));
  of_job_.push_back(static_cast<std::uint32_t>(classes_.size()));
  classes_.push_back(std::move(*c));
  return {};
}

std::size_t ProfiledModel::epoch_of(const Class& c, Work done) {
  return static_cast<std::size_t>(std::upper_bound(c.ends.begin(), c.ends.end(), done.ns) - c.ends.begin());
}

// Progress per second.
double ProfiledModel::goodput(const Class& c, const Shape& shape, std::size_t epoch) const {
  const Application& a = applications_[c.application];
  const Application::Split split = a.split(c.batch, shape.gpus());
  return a.gain(split.total, epoch) / a.step_s(shape, split);
}

PerformanceModel::Stretch ProfiledModel::stretch(const JobSpec& spec, const Allocation& gpus, const RunConfig&,
                                                 Work done) const {
  const Class& c = class_of(spec.id);
  const std::size_t e = epoch_of(c, done);
  if (e == c.ends.size()) return {done, Duration{0}};
  const double begin = e == 0 ? 0 : c.progress[e - 1];
  const std::int64_t begin_ns = e == 0 ? 0 : c.ends[e - 1];
  const double part_left = static_cast<double>(c.ends[e] - done.ns) / static_cast<double>(c.ends[e] - begin_ns);
  const double speed = goodput(c, shape_of(c, gpus), e);
  return {Work{c.ends[e]}, Duration{to_ns((c.progress[e] - begin) * part_left / speed)}};
}

Rate ProfiledModel::rate(const JobSpec& spec, const Allocation& gpus, const RunConfig&,
                         std::span<const JobId> with) const {
  const Class& c = class_of(spec.id);
  const Application& a = applications_[c.application];
  const Shape shape = shape_of(c, gpus);
  if (shape.gpus() == 0) return {};
  const Application::Split split = a.split(c.batch, shape.gpus());
  const double steps = c.step_s / a.step_s(shape, split);
  double speed = split.total == c.total ? steps : steps * a.gain(split.total, 0) / a.gain(c.total, 0);
  if (!with.empty()) speed *= share_of(c, split.per_gpu, with);
  return {static_cast<std::int64_t>(speed * static_cast<double>(kUnitRate.per_billion) + 0.5)};
}

double ProfiledModel::share_of(const Class& c, std::int64_t per_gpu, std::span<const JobId> with) const {
  if (with.empty() || !minds_neighbours()) return 1;
  if (const Class& other = class_of(with[0]); with.size() == 1 && other.application == c.application)
    if (const auto measured = applications_[c.application].beside(per_gpu, other.per_gpu)) return *measured;
  return time_sliced_speed(1.0 / static_cast<double>(with.size() + 1));
}

Rate ProfiledModel::share(const JobSpec& spec, const Allocation& gpus, std::span<const JobId> with) const {
  const Class& c = class_of(spec.id);
  const int count = gpus.gpu_count();
  if (with.empty() || count == 0) return kUnitRate;
  const double share = share_of(c, applications_[c.application].split(c.batch, count).per_gpu, with);
  return {static_cast<std::int64_t>(share * static_cast<double>(kUnitRate.per_billion) + 0.5)};
}

Duration ProfiledModel::start_cost(const JobSpec& spec) const {
  const double seconds = applications_[class_of(spec.id).application].start_s();
  return seconds > 0 ? Duration{to_ns(seconds)} : Duration{};
}

// Titan's simulator lists nodes by number, Pollux' as it filled them.
Shape ProfiledModel::shape_of(const Class& c, const Allocation& gpus) const {
  const bool titan = applications_[c.application].split_rule() == SplitRule::titan;
  return Shape(gpus, titan ? Shape::Order::by_node : Shape::Order::most_first);
}

ProfiledModel::Step ProfiledModel::believed_step(const Class& c, int gpus) const {
  const Application& a = applications_[c.application];
  Application::Split split = a.split(c.batch, gpus);
  const Shape shape = Shape::packed(gpus, gpus_per_node_);
  if (belief_ == ProfileBelief::pollux && gpus == 1 && split.accumulation == 0) {
    // Its Optimus accumulates on one GPU whatever the batch, unlike the jobs themselves.
    split.accumulation = 1;
    split.per_gpu = (c.batch + 1) / 2;
  }
  if (belief_ == ProfileBelief::titan) split.accumulation += 1;  // its predictor charges one pass too many
  return {a.step_s(shape, split), split.total};
}

Duration ProfiledModel::time_left(const JobView& job, std::int32_t gpus) const {
  const Class& c = class_of(job.id());
  if (gpus < 1) return kForever;
  const auto g = static_cast<std::size_t>(gpus);
  const Step step = g < c.believed.size() ? c.believed[g] : believed_step(c, gpus);
  const Application& a = applications_[c.application];
  double steps = 0;
  if (belief_ == ProfileBelief::pollux && a.epochs() > 0) {
    // Whole epochs as reported, up to the last but one (its completion epoch counts from 0).
    const std::size_t epoch = epoch_of(c, job.reported), last = a.epochs() - 1;
    steps = epoch >= last ? 1 : a.iterations(c.batch, last) - a.iterations(c.batch, epoch);
    return Duration{static_cast<std::int64_t>(steps * step.seconds * 1e9)};
  }
  const double left_s = static_cast<double>(std::max<std::int64_t>(c.ends.back() - job.done.ns, 0)) / 1e9;
  double seconds = left_s / c.step_s * step.seconds;
  if (step.total != c.total) {
    const std::size_t epoch = std::min(epoch_of(c, job.done), c.ends.size() - 1);
    seconds = seconds * a.gain(c.total, epoch) / a.gain(step.total, epoch);
  }
  if (belief_ != ProfileBelief::titan) return Duration{to_ns(seconds)};
  return Duration{round_half_even(seconds) * kNsPerSecond};
}

}  // namespace orrery
