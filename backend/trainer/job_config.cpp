// See job_config.hpp.
#include "backend/trainer/job_config.hpp"

#include <algorithm>

#include "sim/core/json.hpp"
#include "sim/models/training/job_schema.hpp"

namespace orrery::trainer {
namespace {

using Json = nlohmann::json;

// Of checked JSON: the value of a key, where it is there.
template <class T>
void take(const Json& json, const char* key, T& value) {
  if (const auto at = json.find(key); at != json.end() && !at->is_null()) value = at->get<T>();
}

OptimizerConfig optimizer_of(const Json& json) {
  OptimizerConfig o;
  take(json, "lr", o.lr);
  take(json, "eps", o.eps);
  take(json, "weight_decay", o.weight_decay);
  take(json, "min_lr_ratio", o.min_lr_ratio);
  take(json, "clip", o.clip);
  take(json, "warmup", o.warmup);
  o.cosine = json.value("schedule", "cosine") == "cosine";
  if (const auto betas = json.find("betas"); betas != json.end()) {
    o.beta1 = (*betas)[0].get<double>();
    o.beta2 = (*betas)[1].get<double>();
  }
  return o;
}

}  // namespace

std::int64_t micros_of(const JobConfig& config, int world) {
  if (config.micro_batch <= 0) return 1;
  const std::int64_t at_once = config.micro_batch * world;
  return std::max<std::int64_t>(1, (config.global_batch + at_once - 1) / at_once);
}

Expected<JobConfig> job_config(const Json& json) {
  if (std::vector<Diagnostic> faults = job_faults(json); !faults.empty())
    return tl::make_unexpected(Error(std::move(faults)));
  JobConfig c;
  take(json, "steps", c.steps);
  take(json, "global_batch", c.global_batch);
  take(json, "micro_batch", c.micro_batch);
  take(json, "seed", c.seed);
  take(json, "threads", c.threads);
  take(json, "save_every", c.save_every);
  take(json, "report_every", c.report_every);
  take(json, "evaluate_every", c.evaluate_every);
  take(json, "bucket_bytes", c.bucket_bytes);
  take(json, "assess", c.assess);
  take(json, "from", c.from);
  c.bf16 = json.value("precision", "fp32") == "bf16";
  if (const auto o = json.find("optimizer"); o != json.end()) c.optimizer = optimizer_of(*o);
  return c;
}

}  // namespace orrery::trainer
