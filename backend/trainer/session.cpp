// See session.hpp.
#include "backend/trainer/session.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>
#include <mutex>
#include <stdexcept>

#include "backend/models/autocast.hpp"
#include "backend/protocol/crc32c.hpp"
#include "backend/protocol/safetensors_header.hpp"
#include "backend/trainer/safetensors.hpp"
#include "sim/core/json.hpp"

namespace orrery::trainer {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kCpuBucket = 2 << 20, kGpuBucket = 25 << 20;

at::Generator generator_of(const at::Device& device) {
  return at::globalContext().defaultGenerator(device);
}

std::string_view bytes_of(const at::Tensor& t) {
  return {static_cast<const char*>(t.const_data_ptr()), static_cast<std::size_t>(t.nbytes())};
}

void add_to(Metrics& sums, const Metrics& part) {
  if (sums.empty()) {
    sums = part;
    return;
  }
  if (sums.size() != part.size()) throw std::runtime_error("the task's shares have different metrics");
  for (std::size_t i = 0; i < part.size(); ++i) sums[i].second = sums[i].second + part[i].second;
}

// Where each tensor of the given safetensors files lies.
std::string index_text(const std::vector<live::CheckpointFile>& files, std::int64_t step, int world) {
  Json tensors = Json::object();
  for (const live::CheckpointFile& file : files) {
    const auto header = worker::parse_tensor_header(file.bytes);
    if (!header) continue;
    for (const worker::TensorEntry& e : header->tensors) {
      const Json part = {{"file", file.name},
                         {"begin", header->data_at + e.begin},
                         {"end", header->data_at + e.end},
                         {"first", 0},
                         {"rows", e.shape.empty() ? 1 : e.shape[0]}};
      tensors[e.name]["dtype"] = e.dtype;
      tensors[e.name]["shape"] = e.shape;
      tensors[e.name]["parts"] = Json::array({part});
    }
  }
  const Json index = {{"schema", 1}, {"step", step}, {"world", world}, {"tensors", tensors}};
  return index.dump(1) + "\n";
}

}  // namespace

Expected<std::unique_ptr<Session>> Session::make(const Json& config, const TaskContext& context,
                                                 Communicator& gradients) {
  auto job = job_config(config);
  if (!job) return tl::make_unexpected(job.error());
  TaskContext own = context;
  own.seed = job->seed;
  try {
    auto task = make_task(config, own);
    if (!task) return tl::make_unexpected(task.error());
    return std::unique_ptr<Session>(new Session(*std::move(job), own, gradients, *std::move(task)));
  } catch (const c10::Error& e) {
    return fail(fmt::format("the task cannot be made: {}", e.what_without_backtrace()));
  }
}

Session::Session(JobConfig config, TaskContext context, Communicator& gradients, std::unique_ptr<Task> task)
    : config_(std::move(config)),
      context_(std::move(context)),
      comm_(&gradients),
      task_(std::move(task)),
      flat_(task_->parameters()),
      optimizer_(flat_, config_.optimizer),
      buckets_(flat_, gradients,
               config_.bucket_bytes > 0    ? config_.bucket_bytes
               : context_.device.is_cuda() ? kGpuBucket
                                           : kCpuBucket),
      batch_(config_.global_batch),
      micros_(micros_of(config_, gradients.world())),
      random_(generator_of(context_.device)) {
  seed_ranks();
}

// Dropout and the like differ between ranks; a resumed run of another world size begins new streams.
void Session::seed_ranks() {
  const std::uint64_t seed = config_.seed * 0x9e3779b97f4a7c15U + static_cast<std::uint64_t>(step_) * 1'000'003U +
                             static_cast<std::uint64_t>(comm_->rank());
  const std::scoped_lock lock(random_.mutex());
  random_.set_current_seed(seed);
}

void Session::keep_own_random() {
  random_ = random_.clone();
}

void Session::begin() {
  RECORD_USER_SCOPE("zero");
  flat_.zero();
  loss_ = at::Tensor();
  metrics_.clear();
}

Share Session::share(std::int64_t micro) const {
  const bool next = micro == micros_;
  Share s = share_of(step_ + (next ? 1 : 0), batch_, next ? 0 : micro, micros_, comm_->rank(), comm_->world());
  s.first += position_ - step_ * batch_;  // earlier steps may have had another batch
  return s;
}

void Session::note(const StepLoss& part) {
  loss_ = loss_.defined() ? loss_ + part.loss.detach() : part.loss.detach();
  add_to(metrics_, part.metrics);
}

StepReport Session::step(bool report) {
  begin();
  for (std::int64_t m = 0; m < micros_; ++m) {
    StepLoss part;
    {
      const models::Autocast autocast(config_.bf16, context_.device.type());
      part = task_->forward(share(m));
    }
    task_->prefetch(share(m + 1));
    if (m + 1 == micros_) buckets_.arm();
    if (part.loss.requires_grad()) torch::autograd::backward({part.loss}, {});
    note(part);
  }
  return finish(report);
}

StepReport Session::finish(bool report) {
  {
    RECORD_USER_SCOPE("reduce");
    buckets_.finish();
  }
  const std::int64_t scheduled = position_ / config_.global_batch;  // steps of the job's own batch
  const double rate = rate_at(config_.optimizer, scheduled, config_.steps);
  at::Tensor norm;
  {
    RECORD_USER_SCOPE("optimiser");
    norm = optimizer_.step(step_, scheduled, config_.steps);
  }
  ++step_;
  position_ += batch_;
  StepReport r{.step = step_, .rate = rate};
  if (!report) return r;
  task_->join();
  std::vector<at::Tensor> all{loss_.to(at::kDouble).reshape({1})};
  for (const auto& [name, value] : metrics_) all.push_back(value.detach().to(at::kDouble).reshape({1}));
  at::Tensor sums = at::cat(all);
  comm_->all_reduce_sum(sums)();
  sums = sums.to(at::kCPU);
  r.gradient_norm = norm.item<double>();
  r.loss = sums[0].item<double>();
  for (std::size_t i = 0; i < metrics_.size(); ++i)
    r.metrics.emplace_back(metrics_[i].first, sums[static_cast<std::int64_t>(i) + 1].item<double>());
  return r;
}

Expected<live::Ok> Session::reconfigure(std::int64_t batch, std::int64_t accumulation) {
  JobConfig then = config_;
  if (batch > 0) then.global_batch = batch;
  const int world = comm_->world();
  const std::int64_t micros = accumulation > 0 ? accumulation + 1 : micros_of(then, world);
  const std::int64_t pieces = micros * world, most = (then.global_batch + pieces - 1) / pieces;
  const bool asked = batch > 0 || accumulation > 0;  // what the JSON says was checked
  if (asked && then.global_batch < pieces)
    return fail(fmt::format("a batch of {} cannot be split over {} ranks and {} micro batches", then.global_batch,
                            world, micros));
  if (asked && config_.micro_batch > 0 && most > config_.micro_batch)
    return fail(
        fmt::format("{} samples at once on a rank, where `micro_batch` allows {}", most, config_.micro_batch));
  batch_ = then.global_batch;
  micros_ = micros;
  return live::Ok{};
}

live::CheckpointFile Session::model_file() {
  NamedTensors model;
  for (const Named& n : flat_.named()) model.emplace_back("model." + n.name, n.tensor);
  for (const Named& n : task_->buffers()) model.emplace_back("model." + n.name, n.tensor);
  return {"model.safetensors", to_safetensors(model, {{"format", "pt"}})};
}

std::vector<live::CheckpointFile> Session::save() {
  const at::Tensor states = comm_->all_gather(random_.get_state().reshape({1, -1}));
  const std::string of_task = task_->state();
  if (comm_->rank() != 0) return {};
  NamedTensors optim, rng;
  for (const FlatParameters::Piece& p : flat_.pieces()) {
    const std::string name = "optim." + flat_.named()[p.index].name;
    optim.emplace_back(name + ".exp_avg", flat_.view(optimizer_.mean(), p));
    optim.emplace_back(name + ".exp_avg_sq", flat_.view(optimizer_.square(), p));
  }
  for (int r = 0; r < comm_->world(); ++r) rng.emplace_back(fmt::format("rng.{}", r), states.select(0, r));
  const Json state = {{"schema", 1},
                      {"step", step_},
                      {"position", position_},
                      {"global_batch", config_.global_batch},
                      {"seed", config_.seed},
                      {"world", comm_->world()},
                      {"device", context_.device.is_cuda() ? "cuda" : "cpu"},
                      {"steps", config_.steps},
                      {"task", of_task}};
  std::vector<live::CheckpointFile> files{
      model_file(), {"optim.safetensors", to_safetensors(optim)}, {"rng.safetensors", to_safetensors(rng)}};
  files.push_back({"index.json", index_text(files, step_, comm_->world())});
  files.push_back({"state.json", state.dump(1) + "\n"});
  return files;
}

Expected<live::Ok> Session::load(const std::vector<live::CheckpointFile>& files) {
  std::map<std::string, at::Tensor> found;
  Json state;
  for (const live::CheckpointFile& file : files) {
    if (file.name == "state.json") state = Json::parse(file.bytes, nullptr, false);
    if (!file.name.ends_with(".safetensors")) continue;
    auto tensors = from_safetensors(file.bytes, file.name);
    if (!tensors) return tl::make_unexpected(tensors.error());
    found.merge(*tensors);
  }
  if (!state.is_object()) return fail("the checkpoint has no state.json");
  std::string missing;
  const auto take = [&](const std::string& name, const at::Tensor& into) {
    const auto at = found.find(name);
    if (at == found.end() || at->second.sizes() != into.sizes() || at->second.scalar_type() != into.scalar_type()) {
      if (missing.empty()) missing = name;
      return;
    }
    const at::NoGradGuard no_grad;
    at::Tensor target = into.detach();
    target.copy_(at->second);
  };
  for (const Named& n : flat_.named()) take("model." + n.name, n.tensor);
  for (const Named& n : task_->buffers()) take("model." + n.name, n.tensor);
  for (const FlatParameters::Piece& p : flat_.pieces()) {
    const std::string name = "optim." + flat_.named()[p.index].name;
    take(name + ".exp_avg", flat_.view(optimizer_.mean(), p));
    take(name + ".exp_avg_sq", flat_.view(optimizer_.square(), p));
  }
  if (!missing.empty())
    return fail(fmt::format("the checkpoint is of another model: it has no `{}` like ours", missing));
  try {
    step_ = state.at("step").get<std::int64_t>();
    position_ = state.at("position").get<std::int64_t>();
    if (state.at("global_batch").get<std::int64_t>() != config_.global_batch)
      return fail(fmt::format("the checkpoint is of global batch {}, the job of {}", state.at("global_batch").dump(),
                              config_.global_batch));
    if (const auto seed = state.at("seed").get<std::uint64_t>(); seed != config_.seed)
      return fail(
          fmt::format("the checkpoint is of seed {0}, the job of {1}: the order of its data would change in "
                      "the middle; go on with seed {0}, or begin a new run",
                      seed, config_.seed));
    task_->load_state(state.at("task").get<std::string>());
    const std::string device = context_.device.is_cuda() ? "cuda" : "cpu";
    const auto mine = found.find(fmt::format("rng.{}", comm_->rank()));
    if (state.at("world").get<int>() == comm_->world() && state.at("device") == device && mine != found.end()) {
      const std::scoped_lock lock(random_.mutex());
      random_.set_state(mine->second);
    } else {
      seed_ranks();
    }
  } catch (const Json::exception& e) {
    return fail(fmt::format("the checkpoint's state.json is damaged: {}", e.what()));
  }
  return live::Ok{};
}

std::uint32_t Session::checksum() const {
  std::uint32_t crc = 0;
  for (const at::Tensor* t : {&flat_.values(), &optimizer_.mean(), &optimizer_.square()})
    crc = live::crc32c(bytes_of(t->to(at::kCPU).contiguous()), crc);
  return crc;
}

bool Session::ranks_agree() {
  return comm_->same(checksum());
}

}  // namespace orrery::trainer
