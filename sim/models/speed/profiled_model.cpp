#include "sim/models/speed/profiled_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "sim/api/emulation.hpp"
#include "sim/core/assert.hpp"
#include "sim/core/joined.hpp"
#include "sim/models/speed/colocation.hpp"

namespace orrery {
namespace {

constexpr double kLongestNs = 4e18;  // 127 years
constexpr int kBelievedGpus = 64;    // compiled ahead; wider shapes are worked out when asked for

std::int64_t to_ns(double seconds) {
  const double ns = std::min(seconds * 1e9, kLongestNs);
  return ns < 1 ? 1 : static_cast<std::int64_t>(ns + 0.5);
}

Expected<std::vector<Application>> compile_all(ProfileSet profiles) {
  std::vector<Application> applications;
  for (ApplicationProfile& p : profiles) {
    auto a = Application::compile(std::move(p));
    if (!a) return tl::make_unexpected(std::move(a.error()));
    applications.push_back(std::move(*a));
  }
  return applications;
}

// "model@data set" is profiled as "model".
std::string profiled_name(const std::string& application) {
  return application.substr(0, application.find('@'));
}

}  // namespace

Expected<std::shared_ptr<ProfiledModel>> ProfiledModel::compile(ProfileSet profiles, int gpus_per_node,
                                                                const Belief* belief) {
  auto applications = compile_all(std::move(profiles));
  if (!applications) return tl::make_unexpected(std::move(applications.error()));
  Type all;
  add_nodes(all.nodes, std::max(gpus_per_node, 1), std::numeric_limits<int>::max());
  all.gpus = std::numeric_limits<int>::max();
  return std::shared_ptr<ProfiledModel>(new ProfiledModel(std::move(*applications), {all}, nullptr, belief));
}

Expected<std::shared_ptr<ProfiledModel>> ProfiledModel::compile(ProfileSet profiles, const Topology& topology,
                                                                const std::vector<std::string>& hardware,
                                                                const Belief* belief) {
  const std::vector<std::string>& names = topology.gpu_types();
  ORRERY_ASSERT(hardware.size() == names.size(), "{} types, {} of them mapped", names.size(), hardware.size());
  auto applications = compile_all(std::move(profiles));
  if (!applications) return tl::make_unexpected(std::move(applications.error()));
  std::vector<Type> types(names.size());
  for (std::size_t t = 0; t < types.size(); ++t) {
    types[t].name = names[t];
    types[t].hardware = hardware[t];
  }
  for (std::uint32_t n = 0; n < topology.node_count(); ++n) {
    const NodeInfo& node = topology.node(NodeId(n));
    add_nodes(types[node.type].nodes, node.gpus, 1);
    types[node.type].gpus += node.gpus;
  }
  return std::shared_ptr<ProfiledModel>(
      new ProfiledModel(std::move(*applications), std::move(types), &topology, belief));
}

// The tables of each type that the class may use, and its home. A job that may use no type of the cluster will be
// rejected; until then it is as if it might use all.
Expected<void> ProfiledModel::find_tables(Class& c) const {
  const std::string model = profiled_name(c.job.application);
  const auto known = [&](const Application& a) { return a.name() == model; };
  if (std::none_of(applications_.begin(), applications_.end(), known)) {
    Diagnostic d{fmt::format("there is no profile of `{}`", model)};
    std::vector<std::string_view> names;
    for (const Application& a : applications_)
      if (std::find(names.begin(), names.end(), a.name()) == names.end()) names.push_back(a.name());
    if (const auto near = closest(model, names); !near.empty()) d.hint = fmt::format("did you mean `{}`?", near);
    d.notes.push_back(fmt::format("profiles: {}", joined(names, ", ")));
    return fail(std::move(d));
  }
  c.on.resize(types_.size());
  const auto find = [&](bool any) -> Expected<bool> {
    bool some = false;
    for (std::size_t t = types_.size(); t-- > 0;) {
      if (types_[t].gpus == 0 || (!any && (c.types >> t & 1U) == 0)) continue;
      const auto at = std::find_if(applications_.begin(), applications_.end(), [&](const Application& a) {
        return known(a) && (types_[t].hardware.empty() || a.hardware() == types_[t].hardware);
      });
      if (at == applications_.end())
        return fail(fmt::format("there is no profile of `{}` on GPUs of type `{}`, whose tables are called `{}`",
                                model, types_[t].name, types_[t].hardware));
      c.on[t].application = static_cast<std::uint32_t>(at - applications_.begin());
      c.home = t;
      some = true;
    }
    return some;
  };
  auto found = find(c.types == 0);
  if (found && !*found) found = find(true);
  if (!found) return tl::make_unexpected(std::move(found.error()));
  if (!*found) return fail(fmt::format("there is no GPU for `{}`", model));
  return {};
}

// True when the class may run on so many GPUs of the type, packed, or is counted there.
bool ProfiledModel::may_hold(const Class& c, std::size_t type, int gpus) const {
  return c.on[type].application != kNone && (type == c.home || types_[type].gpus >= gpus);
}

bool ProfiledModel::covered(const Class& c, int gpus) const {
  for (std::size_t t = 0; t < types_.size(); ++t) {
    if (!may_hold(c, t, gpus)) continue;
    const Application& a = application(c, t);
    if (!a.step(NodeRing::packed(gpus, types_[t].nodes), a.split(c.batch, gpus)).covered) return false;
  }
  return true;
}

// How many GPUs it can use: what its batch can be split over, as far as that was measured.
void ProfiledModel::find_range(Class& c) const {
  std::int32_t most = std::numeric_limits<std::int32_t>::max();
  for (std::size_t t = 0; t < types_.size(); ++t)
    if (c.on[t].application != kNone) most = std::min(most, application(c, t).most_gpus(c.batch));
  c.least_gpus = 1;
  c.most_gpus = std::max(most, c.job.gpus);
  if (c.clamp) return;
  std::int64_t all = 0;
  for (const Type& t : types_) all += t.gpus;
  int high = c.job.gpus, low = c.job.gpus;
  while (high < std::min<std::int64_t>(c.most_gpus, all) && covered(c, high + 1)) ++high;
  while (low > 1 && covered(c, low - 1)) --low;
  c.least_gpus = low;
  c.most_gpus = high;
}

// What its work is counted by. An error names what was not measured of its requested GPUs.
Expected<void> ProfiledModel::find_reference(Class& c) const {
  const Application& home = application(c, c.home);
  if (home.epochs() == 0 && !(c.job.samples > 0))
    return fail(fmt::format("a job of `{}` does not say how many samples it trains on", c.job.application));
  c.progress = home.epochs() > 0 ? home.epoch_ends() : std::vector<double>{c.job.samples};
  for (std::size_t t = 0; t < types_.size() && !c.clamp; ++t) {
    if (!may_hold(c, t, c.job.gpus)) continue;
    const Application& a = application(c, t);
    const NodeRing shape = NodeRing::packed(c.job.gpus, types_[t].nodes);
    const Application::Split split = a.split(c.batch, c.job.gpus);
    if (!a.step(shape, split).covered)
      return tl::make_unexpected(a.step_times().missing(shape, static_cast<double>(split.per_gpu)));
  }
  const Application::Split split = home.split(c.batch, c.job.gpus);
  c.step_s = home.step(NodeRing::packed(c.job.gpus, types_[c.home].nodes), split).seconds;
  c.total = split.total;
  if (!(c.step_s > 0)) return fail(fmt::format("the step time of `{}` is not above 0", c.job.application));
  double begin = 0;
  std::int64_t work = 0;
  for (std::size_t e = 0; e < c.progress.size(); ++e) {
    work = add_ns(work, to_ns((c.progress[e] - begin) / (home.gain(split.total, e) / c.step_s)));
    c.ends.push_back(work);
    begin = c.progress[e];
  }
  return {};
}

Expected<ProfiledModel::Class> ProfiledModel::make_class(const Job& job, bool clamp, GpuTypeMask types) const {
  Class c;
  c.job = job;
  c.types = types;
  c.clamp = clamp;
  if (auto ok = find_tables(c); !ok) return tl::make_unexpected(std::move(ok.error()));
  c.batch = job.batch > 0 ? job.batch : application(c, c.home).initial_batch();
  if (auto ok = find_reference(c); !ok) return tl::make_unexpected(std::move(ok.error()));
  find_range(c);
  for (std::size_t t = 0; t < types_.size(); ++t) {
    if (c.on[t].application == kNone) continue;
    c.on[t].believed.push_back({});
    for (int g = 1; g <= std::min<int>(c.most_gpus, kBelievedGpus); ++g)
      c.on[t].believed.push_back(believed_step(c, t, Shape::packed(g), {}));
  }
  return c;
}

Expected<void> ProfiledModel::add(const Job& job, bool clamp, GpuTypeMask types) {
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    const Class& c = classes_[i];
    if (c.job != job || c.types != types || c.clamp != clamp) continue;
    of_job_.push_back(static_cast<std::uint32_t>(i));
    return {};
  }
  auto c = make_class(job, clamp, types);
  if (!c) return tl::make_unexpected(std::move(c.error()));
  of_job_.push_back(static_cast<std::uint32_t>(classes_.size()));
  classes_.push_back(std::move(*c));
  return {};
}

std::size_t ProfiledModel::epoch_of(const Class& c, Work done) {
  return static_cast<std::size_t>(std::upper_bound(c.ends.begin(), c.ends.end(), done.ns) - c.ends.begin());
}

NodeRing ProfiledModel::nodes_of(const Application& a, std::size_t type, const Shape& shape) const {
  if (shape.where() == nullptr) return NodeRing::packed(shape.gpus(), types_[type].nodes);
  return NodeRing(*shape.where(),
                  a.split_style().nodes_by_number ? NodeRing::Order::by_node : NodeRing::Order::most_first);
}

// The least of pace(application, split, seconds of a step) over the types of the GPUs; below 0 without GPUs, nothing
// where one of them is not known.
template <class Pace>
std::optional<double> ProfiledModel::slowest(const JobSpec& spec, const Shape& shape, const RunConfig& config,
                                             Pace pace) const {
  const Class& c = class_of(spec.id);
  double least = -1;
  bool known = true;
  for_types(c, shape, [&](std::size_t type) {
    const Application& a = application(c, type);
    const NodeRing nodes = nodes_of(a, type, shape);
    if (nodes.gpus() == 0) return;
    const Application::Split split = split_of(a, c, nodes.gpus(), config);
    const Application::Step step = a.step(nodes, split);
    known = known && (step.covered || c.clamp);
    const double v = pace(a, split, step.seconds);
    if (least < 0 || v < least) least = v;
  });
  if (!known) return std::nullopt;
  return least;
}

PerformanceModel::Stretch ProfiledModel::stretch(const JobSpec& spec, const Allocation& gpus, const RunConfig& config,
                                                 Work done) const {
  const Class& c = class_of(spec.id);
  const std::size_t e = epoch_of(c, done);
  if (e == c.ends.size()) return {done, Duration{0}};
  const double begin = e == 0 ? 0 : c.progress[e - 1];
  const std::int64_t begin_ns = e == 0 ? 0 : c.ends[e - 1];
  const double part_left = static_cast<double>(c.ends[e] - done.ns) / static_cast<double>(c.ends[e] - begin_ns);
  const auto pace =  // progress per second
      slowest(spec, gpus, config, [e](const Application& a, const Application::Split& split, double step_s) {
        return a.gain(split.total, e) / step_s;
      });
  if (!pace) return {done, kForever, false};
  return {Work{c.ends[e]}, Duration{to_ns((c.progress[e] - begin) * part_left / *pace)}};
}

Speed ProfiledModel::speed(const JobSpec& spec, const Shape& shape, const RunConfig& config,
                           std::span<const JobId> neighbours) const {
  const Class& c = class_of(spec.id);
  auto pace =
      slowest(spec, shape, config, [&c](const Application& a, const Application::Split& split, double step_s) {
        const double steps = c.step_s / step_s;
        return split.total == c.total ? steps : steps * a.gain(split.total, 0) / a.gain(c.total, 0);
      });
  if (!pace) return {{}, false};
  if (*pace < 0) return {};
  if (shape.where() != nullptr) *pace *= share_of(c, *shape.where(), neighbours);
  return {Rate{static_cast<std::int64_t>(*pace * static_cast<double>(kUnitRate.per_billion) + 0.5)}};
}

double ProfiledModel::share_of(const Class& c, const Allocation& gpus, std::span<const JobId> with) const {
  if (with.empty() || !minds_neighbours()) return 1;
  const double in_turns = time_sliced_speed(1.0 / static_cast<double>(with.size() + 1));
  const int count = gpus.gpu_count();
  if (with.size() > 1 || count == 0) return in_turns;
  const Class& other = class_of(with[0]);
  double least = -1;
  for_types(c, gpus, [&](std::size_t type) {
    const Application& a = application(c, type);
    double share = in_turns;
    if (other.on[type].application == c.on[type].application)
      share =
          a.beside(a.split(c.batch, count).per_gpu, a.split(other.batch, other.job.gpus).per_gpu).value_or(in_turns);
    if (least < 0 || share < least) least = share;
  });
  return least;
}

Rate ProfiledModel::share(const JobSpec& spec, const Allocation& gpus, std::span<const JobId> with) const {
  if (with.empty() || gpus.gpu_count() == 0) return kUnitRate;
  const double share = share_of(class_of(spec.id), gpus, with);
  return {static_cast<std::int64_t>(share * static_cast<double>(kUnitRate.per_billion) + 0.5)};
}

Duration ProfiledModel::start_cost(const JobSpec& spec, const Allocation& gpus) const {
  const Class& c = class_of(spec.id);
  double seconds = 0;
  for_types(c, gpus, [&](std::size_t type) { seconds = std::max(seconds, application(c, type).start_s()); });
  return seconds > 0 ? Duration{to_ns(seconds)} : Duration{};
}

ProfiledModel::Step ProfiledModel::believed_step(const Class& c, std::size_t type, const Shape& shape,
                                                 const RunConfig& config) const {
  const Application& a = application(c, type);
  const int gpus = shape.gpus();
  Application::Split split = split_of(a, c, gpus, config);
  if (belief_ != nullptr && belief_->split != nullptr) {
    const std::int64_t batch = config.batch > 0 ? config.batch : c.batch;
    const Belief::Split theirs = belief_->split({split.per_gpu, split.accumulation}, batch, gpus);
    split.per_gpu = theirs.per_gpu;
    split.accumulation = theirs.accumulation;
  }
  const NodeRing nodes = nodes_of(a, type, shape);
  const Application::Step step = a.step(nodes, split);
  const bool takes = !config.other_batch() || wrong_batch(a, c, nodes, config).empty();
  return {step.seconds, split.total, takes && (step.covered || c.clamp)};
}

Duration ProfiledModel::time_for(const JobSpec& spec, Work work, const Shape& shape, const RunConfig& config) const {
  const Class& c = class_of(spec.id);
  if (shape.gpus() < 1) return kForever;
  Duration longest{};
  for_types(c, shape, [&](std::size_t type) { longest = std::max(longest, time_on(c, type, work, shape, config)); });
  return longest;
}

Duration ProfiledModel::time_on(const Class& c, std::size_t type, Work work, const Shape& shape,
                                const RunConfig& config) const {
  const auto g = static_cast<std::size_t>(shape.gpus());
  const std::vector<Step>& believed = c.on[type].believed;
  const bool compiled = shape.where() == nullptr && g < believed.size() && !config.other_batch();
  const Step step = compiled ? believed[g] : believed_step(c, type, shape, config);
  if (!step.known) return kForever;
  const Application& a = application(c, type);
  const Work done{c.ends.back() - work.ns};
  if (belief_ != nullptr && belief_->whole_epochs && a.epochs() > 0) {
    const std::size_t epoch = epoch_of(c, done), last = a.epochs() - 1;
    const std::int64_t batch = config.batch > 0 ? config.batch : c.batch;
    const double steps = epoch >= last ? 1 : a.iterations(batch, last) - a.iterations(batch, epoch);
    return Duration{static_cast<std::int64_t>(steps * step.seconds * 1e9)};
  }
  const double left_s = static_cast<double>(std::max<std::int64_t>(work.ns, 0)) / 1e9;
  double seconds = left_s / c.step_s * step.seconds;
  if (step.total != c.total) {
    const std::size_t epoch = std::min(epoch_of(c, done), c.ends.size() - 1);
    seconds = seconds * a.gain(c.total, epoch) / a.gain(step.total, epoch);
  }
  const bool rounds = belief_ != nullptr && belief_->rounded != nullptr;
  return rounds ? belief_->rounded(seconds) : Duration{to_ns(seconds)};
}

}  // namespace orrery
