#include "sim/observe/log/event_log_reader.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <string_view>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include "sim/api/event_members.hpp"
#include "sim/core/assert.hpp"
#include "sim/core/json_text.hpp"
#include "sim/observe/log/event_log.hpp"
#include "sim/observe/log/log_json.hpp"
#include "sim/observe/log/log_lines.hpp"
#include "sim/observe/log/plan_text.hpp"

namespace orrery {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMaxNodes = 32'000'000;

class LineReader {
 public:
  void header(const Json& j, LogHeader& h) {
    if (j.value("orrery", "") != "events") throw BadLine{"this is not an orrery event log"};
    h.schema = whole<int>(j.at("schema"));
    if (h.schema != kEventLogSchema)
      throw BadLine{
          fmt::format("this log has form {}; this orrery reads form {}: run the scenario again, or read it "
                      "with the orrery that wrote it",
                      h.schema, kEventLogSchema)};
    h.jobs = j.value("jobs", "");
    for (const Json& run : j.at("nodes")) {
      const auto count = whole<std::int64_t>(run.at(0));
      const auto gpus = whole<std::int32_t>(run.at(1));
      if (count < 0 || count > kMaxNodes - static_cast<std::int64_t>(h.node_gpus.size()) || gpus < 0 ||
          gpus > GpuMask::kMost)
        throw BadLine{
            fmt::format("{} nodes of {} GPUs; at most {} nodes of {}", count, gpus, kMaxNodes, GpuMask::kMost)};
      h.node_gpus.insert(h.node_gpus.end(), static_cast<std::size_t>(count), gpus);
    }
  }

  // False at the end line.
  bool line(const Json& j, Observer& observer) {
    Event e;
    e.at = Time{whole<std::int64_t>(j.at("t_ns"))};
    const auto& kind = j.at("e").get_ref<const std::string&>();
    if (kind == "end") {
      observer.on_end(e.at);
      return false;
    }
    const auto found = kinds_.find(kind);
    if (found == kinds_.end()) throw BadLine{fmt::format("unknown event `{}`", kind)};
    e.incarnation = whole<Incarnation>(j, "inc", 0);
    if (const auto at = j.find("gang"); at != j.end()) e.gang = GangId(whole<std::uint32_t>(*at));
    if (found->second == EventKind::submit) submit(j);
    if (const auto at = j.find("job"); at != j.end()) e.job = job(*at);
    for_each_payload([&]<class Says>() {
      if (Says::kKind == found->second) e.what = says<Says>(j);
    });
    const auto* decide = e.get_if<event::Decide>();
    const Plan plan = decide != nullptr ? read_plan(j, [this](const Json& name) { return job(name); }) : Plan{};
    observer.on_event(e);
    if (decide != nullptr) observer.on_plan(e.at, decide->epoch, plan);
    return true;
  }

 private:
  JobId job(const Json& name) const {
    const auto at = jobs_.find(name.get_ref<const std::string&>());
    if (at == jobs_.end()) throw BadLine{fmt::format("job `{}` has not been submitted", name.get<std::string>())};
    return at->second;
  }

  // Binds the name of a job to its number.
  void submit(const Json& j) {
    const JobId id(whole<std::uint32_t>(j.at("id")));
    if (id.index() != jobs_.size())
      throw BadLine{fmt::format("job id {} is submitted where {} should be", id.value, jobs_.size())};
    const auto& name = j.at("job").get_ref<const std::string&>();
    if (!jobs_.emplace(name, id).second) throw BadLine{fmt::format("job `{}` is submitted twice", name)};
  }

  // What an event of that kind says. What is not understood is not passed over.
  template <class Says>
  Says says(const Json& j) {
    Says says{};
    each(says, [&](auto i, std::string_view name, auto& member) {
      const auto at = j.find(name);
      if (at != j.end()) return value(*at, j, member);
      if (i.value < kAlways<Says>) throw BadLine{fmt::format("`{}` is missing here", name)};
    });
    for (const auto& [key, ignored] : j.items())
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

  // The inverse of what EventLog writes for a member of that type; `line` has what stands beside it.
  template <class T>
  void value(const Json& j, const Json& line, T& v) {
    if constexpr (std::is_same_v<T, JobId>) {
      if (!j.is_null()) v = job(j);
    } else if constexpr (std::is_same_v<T, NodeId>) {
      v = NodeId(whole<std::uint32_t>(j));
    } else if constexpr (std::is_same_v<T, Work> || std::is_same_v<T, Duration>) {
      v.ns = whole<std::int64_t>(j);
    } else if constexpr (std::is_same_v<T, std::optional<Duration>>) {
      v = Duration{whole<std::int64_t>(j)};
    } else if constexpr (std::is_same_v<T, bool>) {
      v = j.get<bool>();
    } else if constexpr (std::is_same_v<T, ReasonCode>) {
      v = reason_code(j.get_ref<const std::string&>());
    } else if constexpr (std::is_same_v<T, Rejection>) {
      v = rejection(j.get_ref<const std::string&>());
    } else if constexpr (std::is_same_v<T, const Allocation*>) {
      read_allocation(j.get_ref<const std::string&>(), line, gpus_);
      v = &gpus_;
    } else {
      v = whole<T>(j);
    }
  }

  static Rejection rejection(const std::string& text) {
    for (const Rejection r : {Rejection::none, Rejection::infeasible, Rejection::parent_lost, Rejection::declined})
      if (to_string(r) == text) return r;
    throw BadLine{fmt::format("unknown reason `{}`", text)};
  }

  static std::map<std::string, EventKind, std::less<>> all_kinds() {
    std::map<std::string, EventKind, std::less<>> kinds;
    for_each_payload([&kinds]<class Says>() { kinds.emplace(to_string(Says::kKind), Says::kKind); });
    return kinds;
  }

  std::map<std::string, EventKind, std::less<>> kinds_ = all_kinds();
  std::map<std::string, JobId, std::less<>> jobs_;
  Allocation gpus_;
};

}  // namespace

Expected<LogHeader> read_event_log(const std::string& path,
                                   const std::function<Observer*(const LogHeader&)>& on_header) {
  LogLines lines(path);
  if (!lines.is_open()) return fail(fmt::format("cannot read `{}`", path));
  LogHeader header;
  LineReader reader;
  Observer* observer = nullptr;
  std::string text;
  int line = 0;
  const auto bad = [&](std::string message, int column = 0) {
    Diagnostic d;
    d.message = std::move(message);
    d.where.file = path;
    d.where.line = line;
    d.where.column = column;
    d.line_text = text;
    return fail(std::move(d));
  };
  try {
    while (lines.next(text)) {
      ++line;
      const Json j = parse_json(text);
      if (line == 1) {
        reader.header(j, header);
        observer = on_header(header);
        ORRERY_ASSERT(observer != nullptr, "no observer for `{}`", path);
      } else if (header.ended) {
        return bad("events after the end of the run");
      } else {
        header.ended = !reader.line(j, *observer);
      }
    }
  } catch (const BadLine& e) {
    return bad(e.message);
  } catch (const Json::parse_error& e) {
    return bad("this line is not JSON", static_cast<int>(e.byte));
  } catch (const Json::exception& e) {
    return bad(fmt::format("a key is missing or has the wrong type: {}", e.what()));
  }
  if (lines.damaged()) return bad("the compressed data is damaged");
  if (line == 0) return bad("the log is empty");
  return header;
}

Expected<LogHeader> read_event_log(const std::string& path, Observer& observer) {
  return read_event_log(path, [&](const LogHeader&) { return &observer; });
}

}  // namespace orrery
