// See job_config.hpp.
#include "backend/trainer/job_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

namespace orrery::trainer {
namespace {

using Json = nlohmann::json;

// Takes numbers out of an object; keeps the first complaint.
class Reader {
 public:
  explicit Reader(const Json& json, std::string prefix = "") : json_(&json), prefix_(std::move(prefix)) {}

  void integer(const char* key, std::int64_t& value, std::int64_t low) {
    const Json* at = find(key);
    if (at == nullptr) return;
    if (!at->is_number_integer() || at->get<std::int64_t>() < low) return complain(key, low);
    value = at->get<std::int64_t>();
  }
  void number(const char* key, double& value, double low, double high = std::numeric_limits<double>::max()) {
    const Json* at = find(key);
    if (at == nullptr) return;
    if (!at->is_number() || at->get<double>() < low || at->get<double>() > high) return complain(key, low);
    value = at->get<double>();
  }
  // One of two words; whether it is the second.
  void either(const char* key, bool& value, const char* first, const char* second) {
    const Json* at = find(key);
    if (at == nullptr) return;
    if (*at != first && *at != second && error.empty())
      error = fmt::format("`{}{}` is `{}`; `{}` or `{}` is wanted", prefix_, key, at->dump(), first, second);
    value = *at == second;
  }
  void text(const char* key, std::string& value) {
    const Json* at = find(key);
    if (at == nullptr) return;
    if (!at->is_string() && error.empty()) error = fmt::format("`{}{}` is not a string", prefix_, key);
    if (at->is_string()) value = at->get<std::string>();
  }
  const Json* find(const char* key) {
    seen_.insert(key);
    const auto at = json_->find(key);
    return at == json_->end() ? nullptr : &*at;
  }
  void no_others() {
    for (const auto& [key, value] : json_->items())
      if (!seen_.contains(key) && error.empty()) error = fmt::format("`{}{}` is not a key here", prefix_, key);
  }
  template <class T>
  void complain(const char* key, T low) {
    if (error.empty())
      error = fmt::format("`{}{}` is `{}`; a number of at least {} is wanted", prefix_, key,
                          json_->at(key).dump(), low);
  }
  std::string error{};

 private:
  const Json* json_;
  std::string prefix_;
  std::set<std::string> seen_{};
};

std::string read_optimizer(const Json& json, OptimizerConfig& o) {
  if (!json.is_object()) return "`optimizer` is not a mapping";
  Reader r(json, "optimizer.");
  r.number("lr", o.lr, 0);
  r.number("eps", o.eps, 0);
  r.number("weight_decay", o.weight_decay, 0);
  r.number("min_lr_ratio", o.min_lr_ratio, 0, 1);
  r.number("clip", o.clip, 0);
  r.integer("warmup", o.warmup, 0);
  r.either("schedule", o.cosine, "constant", "cosine");
  if (const Json* betas = r.find("betas")) {
    const auto good = [](const Json& b) { return b.is_number() && b.get<double>() >= 0 && b.get<double>() < 1; };
    if (!betas->is_array() || betas->size() != 2 || !good((*betas)[0]) || !good((*betas)[1]))
      return "`optimizer.betas` is not a list of two numbers from 0 to below 1";
    o.beta1 = (*betas)[0].get<double>();
    o.beta2 = (*betas)[1].get<double>();
  }
  r.no_others();
  return r.error;
}

}  // namespace

std::int64_t micros_of(const JobConfig& config, int world) {
  if (config.micro_batch <= 0) return 1;
  const std::int64_t at_once = config.micro_batch * world;
  return std::max<std::int64_t>(1, (config.global_batch + at_once - 1) / at_once);
}

Expected<JobConfig> job_config(const Json& json) {
  if (!json.is_object()) return fail("the job's config is not a mapping");
  JobConfig c;
  Reader r(json);
  std::int64_t seed = 1;
  r.integer("steps", c.steps, 1);
  r.integer("global_batch", c.global_batch, 1);
  r.integer("micro_batch", c.micro_batch, 0);
  r.integer("seed", seed, 0);
  r.integer("threads", c.threads, 1);
  r.integer("save_every", c.save_every, 0);
  r.integer("report_every", c.report_every, 0);
  r.integer("evaluate_every", c.evaluate_every, 0);
  r.integer("bucket_bytes", c.bucket_bytes, 0);
  r.either("precision", c.bf16, "fp32", "bf16");
  r.text("from", c.from);
  c.seed = static_cast<std::uint64_t>(seed);
  if (const Json* o = r.find("optimizer"); o != nullptr && r.error.empty()) r.error = read_optimizer(*o, c.optimizer);
  if (!r.error.empty()) return fail(r.error);
  return c;
}

}  // namespace orrery::trainer
