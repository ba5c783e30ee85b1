// Steps per second as Gavel (OSDI'20) and Shockwave (NSDI'23) publish them: JSON of GPU type -> configuration ->
// `null` (alone) or another configuration (both speeds on the same GPUs). "('ResNet-18 (batch size 32)', 2)" is a
// model with its batch, on so many GPUs; a type that ends in `_unconsolidated` is that type on more nodes than
// needed.
#include <fmt/format.h>

#include <charconv>
#include <map>
#include <optional>
#include <tuple>

#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
#include "traces/format/json_place.hpp"
#include "traces/format/text_file.hpp"
#include "traces/profiles/profile_files.hpp"

namespace orrery {
namespace {

using nlohmann::json;

constexpr std::string_view kSpread = "_unconsolidated";

// The configuration of such a key.
std::optional<TrainingConfig> config_of(std::string_view key) {
  const std::size_t end = key.rfind("', ");
  if (key.size() < 8 || key.substr(0, 2) != "('" || key.back() != ')' || end == std::string_view::npos || end < 3)
    return std::nullopt;
  TrainingConfig c;
  c.model = key.substr(2, end - 2);
  const std::string_view digits = key.substr(end + 3, key.size() - end - 4);
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), c.gpus);
  if (error != std::errc{} || stop != digits.data() + digits.size() || c.gpus < 1 || c.gpus > 1'000'000)
    return std::nullopt;
  return c;
}

// A file and what is in it, for errors that show where in it something is wrong.
struct Source {
  const std::string& file;
  std::string_view text;
};

tl::unexpected<Error> wrong(const Source& source, const JsonPath& path, std::string_view what) {
  std::string at = path.empty() ? "the file" : path.front();
  if (path.size() > 1) at = fmt::format("{} of {}", path[1], path[0]);
  if (path.size() > 2) at += ", " + path[2];
  return fail(at_json_place(source.file, source.text, path, fmt::format("{}: {}", at, what)));
}

// Steps per second that may be 0; nothing where it is no such number.
std::optional<double> speed_of(const json& v) {
  if (!v.is_number()) return std::nullopt;
  const double x = v.get<double>();
  if (!(x >= 0 && x <= 1e12)) return std::nullopt;
  return x;
}

// The rates of one configuration; `type` is as the file has it.
Expected<void> read_config(const Source& source, const std::string& type, const std::string& key, const json& rates,
                           ThroughputSet& set) {
  const bool spread = type.size() > kSpread.size() && type.ends_with(kSpread);
  const std::string gpu = spread ? type.substr(0, type.size() - kSpread.size()) : type;
  const auto config = config_of(key);
  if (!config)
    return wrong(source, {type, key}, "must be a configuration such as \"('ResNet-18 (batch size 32)', 2)\"");
  if (!rates.is_object()) return wrong(source, {type, key}, "must be an object of rates");
  const auto own = rates.find("null");
  if (own == rates.end()) return wrong(source, {type, key}, "has no `null`, the steps per second alone");
  const auto alone = speed_of(*own);
  if (!alone) return wrong(source, {type, key, "null"}, "must be a number, 0 or more");
  if (*alone == 0) return {};  // does not run there, or was not measured
  set.alone.push_back({*config, gpu, spread, *alone});
  if (spread) return {};
  for (const auto& [other_key, speeds] : rates.items()) {
    if (other_key == "null") continue;
    const auto other = config_of(other_key);
    if (!other) return wrong(source, {type, key, other_key}, "is no configuration");
    if (!speeds.is_array() || speeds.size() != 2 || !speed_of(speeds[0]) || !speed_of(speeds[1]))
      return wrong(source, {type, key, other_key}, "must be two numbers, 0 or more");
    // The other's share needs its own rate alone: filled in when all are read.
    set.pairs.push_back({*config, *other, gpu, *speed_of(speeds[0]) / *alone, *speed_of(speeds[1])});
  }
  return {};
}

}  // namespace

Expected<ThroughputSet> read_gavel_throughputs_text(const std::string& file, std::string_view text) {
  const Source source{file, text};
  json root;
  try {
    root = parse_json(text);
  } catch (const json::out_of_range&) {
    return wrong(source, {}, "holds a number that is too large");
  } catch (const json::parse_error& e) {
    return fail(at_json_byte(file, text, e.byte == 0 ? 0 : e.byte - 1, "is no JSON"));
  }
  ThroughputSet set;
  set.name = file;
  if (!root.is_object()) return wrong(source, {}, "must be an object of GPU types");
  for (const auto& [type, configs] : root.items()) {
    if (!configs.is_object()) return wrong(source, {type}, "must be an object of configurations");
    for (const auto& [key, rates] : configs.items())
      if (auto ok = read_config(source, type, key, rates, set); !ok)
        return tl::make_unexpected(std::move(ok.error()));
  }
  std::map<std::tuple<std::string, std::string, int>, double> alone;
  for (const AloneRate& r : set.alone)
    if (!r.spread) alone[{r.gpu, r.config.model, r.config.gpus}] = r.steps_per_s;
  std::vector<PairRate> pairs;
  for (PairRate& p : set.pairs) {
    const auto at = alone.find({p.gpu, p.b.model, p.b.gpus});
    if (at == alone.end()) continue;  // the other does not run there alone
    p.speed_b /= at->second;
    pairs.push_back(std::move(p));
  }
  set.pairs = std::move(pairs);
  return set;
}

Expected<ThroughputSet> read_gavel_throughputs(const std::string& path) {
  const auto text = read_text_file(path);
  if (!text) return tl::make_unexpected(text.error());
  return read_gavel_throughputs_text(path, *text);
}

}  // namespace orrery
