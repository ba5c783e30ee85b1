#include "sim/api/event_text.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/api/json_values.hpp"
#include "sim/api/plan_text.hpp"
#include "sim/core/json.hpp"

namespace orrery {
namespace {

class EventReading {
 public:
  using Json = nlohmann::json;
  EventReading(const Json& line, const std::function<JobId(const Json&)>& job, Allocation& gpus)
      : line_(&line), job_(&job), gpus_(&gpus) {}

  Event event() {
    Event e;
    e.at = Time{whole<std::int64_t>(line_->at("t_ns"))};
    const EventKind kind = kind_of(line_->at("e").get_ref<const std::string&>());
    e.incarnation = whole<Incarnation>(*line_, "inc", 0);
    if (const auto at = line_->find("gang"); at != line_->end()) e.gang = GangId(whole<std::uint32_t>(*at));
    if (const auto at = line_->find("job"); at != line_->end()) e.job = (*job_)(*at);
    for_each_payload([&]<class Says>() {
      if (Says::kKind == kind) e.what = says<Says>();
    });
    return e;
  }

 private:
  // What an event of that kind says. What is not understood is not passed over.
  template <class Says>
  Says says() {
    Says says{};
    each(says, [&](auto i, std::string_view name, auto& member) {
      const auto at = line_->find(name);
      if (at != line_->end()) return value(*at, member);
      if (i.value < kAlways<Says>) throw BadLine{fmt::format("`{}` is missing here", name)};
    });
    for (const auto& [key, ignored] : line_->items())
      if (!is_known<Says>(key)) throw BadLine{fmt::format("nothing is known about `{}` here", key)};
    return says;
  }

  template <class Says>
  static bool is_known(std::string_view key) {
    constexpr std::array<std::string_view, 5> kEveryEvent{"t_ns", "e", "job", "inc", "gang"};
    const auto among = [key](const auto& names) { return std::find(names.begin(), names.end(), key) != names.end(); };
    if (among(kEveryEvent) || among(kMemberNames<Says>)) return true;
    if constexpr (Says::kKind == EventKind::submit) return key == "id";
    if constexpr (Says::kKind == EventKind::launch) return key == "cpu_milli" || key == "mem_bytes";
    if constexpr (Says::kKind == EventKind::decide) return is_plan_key(key);
    return false;
  }

  // The inverse of append_event_value.
  template <class T>
  void value(const Json& j, T& v) {
    if constexpr (std::is_same_v<T, JobId>) {
      if (!j.is_null()) v = (*job_)(j);
    } else if constexpr (std::is_same_v<T, NodeId>) {
      v = NodeId(whole<std::uint32_t>(j));
    } else if constexpr (std::is_same_v<T, Work> || std::is_same_v<T, Duration>) {
      v.ns = whole<std::int64_t>(j);
    } else if constexpr (std::is_same_v<T, Rate>) {
      v.per_billion = whole<std::int64_t>(j);
    } else if constexpr (std::is_same_v<T, std::optional<Duration>>) {
      v = Duration{whole<std::int64_t>(j)};
    } else if constexpr (std::is_same_v<T, bool>) {
      v = j.get<bool>();
    } else if constexpr (std::is_same_v<T, ReasonCode>) {
      v = reason_code(j.get_ref<const std::string&>());
    } else if constexpr (std::is_same_v<T, Rejection>) {
      v = why<Rejection>(j);
    } else if constexpr (std::is_same_v<T, Refusal>) {
      v = why<Refusal>(j);
    } else if constexpr (std::is_same_v<T, FeatureUse>) {
      v = why<FeatureUse>(j);
    } else if constexpr (std::is_same_v<T, const Allocation*>) {
      read_allocation(j.get_ref<const std::string&>(), *line_, *gpus_);
      v = gpus_;
    } else {
      v = whole<T>(j);
    }
  }

  template <class Enum>
  static Enum why(const Json& j) {
    return named_value<Enum>("reason", j.get_ref<const std::string&>(), [](Enum e) { return to_string(e); });
  }

  static EventKind kind_of(const std::string& name) {
    static const auto kinds = [] {
      std::map<std::string, EventKind, std::less<>> all;
      for_each_payload([&all]<class Says>() { all.emplace(to_string(Says::kKind), Says::kKind); });
      return all;
    }();
    const auto found = kinds.find(name);
    if (found != kinds.end()) return found->second;
    std::vector<std::string_view> known;
    for (const auto& [known_name, kind] : kinds) known.push_back(known_name);
    throw BadLine{unknown_word("event", name, known)};
  }

  const Json* line_;
  const std::function<JobId(const Json&)>* job_;
  Allocation* gpus_;
};

}  // namespace

Event read_event(const nlohmann::json& line, const std::function<JobId(const nlohmann::json&)>& job,
                 Allocation& gpus) {
  return EventReading(line, job, gpus).event();
}

}  // namespace orrery
