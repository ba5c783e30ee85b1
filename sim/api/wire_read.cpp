#include <fmt/format.h>

#include <algorithm>

#include "sim/api/event_text.hpp"
#include "sim/api/json_values.hpp"
#include "sim/api/plan_text.hpp"
#include "sim/api/wire_members.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery::wire {
namespace {

using Json = nlohmann::json;

JobId job_number(const Json& j) {
  return JobId(whole<std::uint32_t>(j));
}

struct WireReader {
  std::function<JobId(const Json&)> job = job_number;

  // Every member that is there; one that is not known is an error. `beside`: a member more that is none of these.
  template <class T>
  void members(const Json& j, T& x, std::string_view beside = {}) const {
    if (!j.is_object()) throw BadLine{fmt::format("{} where an object should be", json_text(j))};
    std::size_t known = beside.empty() ? 0 : j.count(beside);
    each(x, [&](auto i, std::string_view name, auto& m) {
      using Member = std::remove_reference_t<decltype(m)>;
      if constexpr (std::is_same_v<Member, Plan>) {
        m = read_plan(j, job);
        for (const auto& [key, ignored] : j.items()) known += is_plan_key(key) ? 1 : 0;
      } else {
        const auto at = j.find(name);
        if (at == j.end()) {
          if (i.value < kWritten<T>) throw BadLine{fmt::format("`{}` is missing", name)};
          return;
        }
        ++known;
        if constexpr (std::is_same_v<Member, Allocation>) {
          read_allocation(text(*at), j, m);
          known += j.count("cpu_milli") + j.count("mem_bytes");
        } else {
          value(*at, m);
        }
      }
    });
    if (known != j.size()) unknown(j, x, beside);
  }

  template <class T>
  [[noreturn]] void unknown(const Json& j, const T& x, std::string_view beside) const {
    std::vector<std::string_view> names;
    each(x, [&](auto, std::string_view name, const auto&) { names.push_back(name); });
    for (const auto& [key, ignored] : j.items()) {
      if ((!beside.empty() && key == beside) || std::find(names.begin(), names.end(), key) != names.end()) continue;
      if (std::is_same_v<T, Answer> && is_plan_key(key)) continue;
      if (std::is_same_v<T, Answer>) names.insert(names.end(), {"targets", "commands", "wake", "reasons"});
      const std::string_view near = closest(key, names);
      throw BadLine{fmt::format("nothing is known about `{}` here{}", key,
                                near.empty() ? "" : fmt::format("; did you mean `{}`?", near))};
    }
    throw BadLine{"a member that belongs to others stands alone"};
  }

  static const std::string& text(const Json& j) {
    if (!j.is_string()) throw BadLine{fmt::format("{} where a text should be", json_text(j))};
    return j.get_ref<const std::string&>();
  }

  void value(const Json& j, bool& v) const {
    if (!j.is_boolean()) throw BadLine{fmt::format("{} where true or false should be", json_text(j))};
    v = j.get<bool>();
  }
  void value(const Json& j, double& v) const {
    if (!j.is_number()) throw BadLine{fmt::format("{} where a number should be", json_text(j))};
    v = j.get<double>();
  }
  void value(const Json& j, std::string& v) const { v = text(j); }
  void value(const Json& j, Target& v) const { v = read_target(j, job); }
  void value(const Json& j, GpuTime& v) const {
    const std::string& digits = text(j);
    const bool negative = digits.starts_with('-');
    if (digits.size() == (negative ? 1U : 0U) || digits.size() > 38)
      throw BadLine{fmt::format("`{}` where a whole number should be", digits)};
    for (const char c : std::string_view(digits).substr(negative ? 1 : 0)) {
      if (c < '0' || c > '9') throw BadLine{fmt::format("`{}` where a whole number should be", digits)};
      v.milli_gpu_ns = v.milli_gpu_ns * 10 + (c - '0');
    }
    if (negative) v.milli_gpu_ns = -v.milli_gpu_ns;
  }
  void value(const Json& j, Event& v) const {
    Allocation none;
    v = read_event(j, job, none);
    if (!is_told(v.kind())) throw BadLine{fmt::format("policies are not told of `{}`", to_string(v.kind()))};
  }
  void value(const Json& j, JobState& v) const { v = named<JobState>(text(j), "state"); }
  void value(const Json& j, JobKind& v) const { v = named<JobKind>(text(j), "kind"); }
  void value(const Json& j, PhaseKind& v) const { v = named<PhaseKind>(text(j), "kind"); }
  template <class Enum>
  static Enum named(const std::string& name, std::string_view what) {
    return named_value<Enum>(what, name, [](Enum e) { return to_string(e); });
  }
  template <class T>
  void value(const Json& j, std::optional<T>& v) const {
    value(j, v.emplace());
  }
  template <class T>
  void value(const Json& j, std::vector<T>& v) const {
    if (!j.is_array()) throw BadLine{fmt::format("{} where a list should be", json_text(j))};
    v.clear();
    v.reserve(j.size());
    for (const Json& item : j) value(item, v.emplace_back());
  }
  template <class T>
  void value(const Json& j, T& v) const {
    if constexpr (kHasNames<T>)
      members(j, v);
    else if constexpr (requires { v.ns; })
      v.ns = whole<std::int64_t>(j);
    else if constexpr (requires { v.per_billion; })
      v.per_billion = whole<std::int64_t>(j);
    else if constexpr (requires { v.value; })
      v.value = whole<std::uint32_t>(j);
    else
      v = whole<T>(j);
  }
};

// A line's first member says what it is: `"hello":1`, with the version; `"view":"full"`.
template <class T, class F>
Read<T> read_line(std::string_view line, F&& read) {
  try {
    const Json j = parse_line(line);
    if (!j.is_object()) throw BadLine{"a line is one JSON object"};
    return read(j);
  } catch (const BadLine& e) {
    return tl::make_unexpected(Wrong{e.message});
  } catch (const Json::parse_error& e) {
    return tl::make_unexpected(Wrong{"this is not JSON", static_cast<int>(e.byte)});
  } catch (const Json::exception& e) {
    return tl::make_unexpected(Wrong{fmt::format("a member is missing or has the wrong type: {}", e.what())});
  }
}

void check_version(const Json& j, std::string_view key) {
  const auto at = j.find(key);
  if (at == j.end()) throw BadLine{fmt::format("`{}` is missing, with the version of the wire", key)};
  if (const auto version = whole<std::int64_t>(*at); version != kVersion)
    throw BadLine{fmt::format("version {} of the wire; this orrery speaks version {}", version, kVersion)};
}

// The inverse of a list of their names.
EventMask read_kinds(const Json& j) {
  if (!j.is_array()) throw BadLine{fmt::format("{} where a list of kinds of events should be", json_text(j))};
  EventMask mask = 0;
  for (const Json& name : j) {
    std::vector<std::string_view> names;
    bool found = false;
    for_each_payload([&]<class Says>() {
      if (!is_told(Says::kKind)) return;
      names.push_back(to_string(Says::kKind));
      if (names.back() != WireReader::text(name)) return;
      mask |= mask_of(Says::kKind);
      found = true;
    });
    if (found) continue;
    throw BadLine{unknown_word("event", WireReader::text(name), names)};
  }
  return mask;
}

}  // namespace

Read<Hello> read_hello(std::string_view line) {
  return read_line<Hello>(line, [](const Json& j) {
    Hello hello;
    check_version(j, "hello");
    WireReader{}.members(j, hello, "hello");
    return hello;
  });
}

Read<Ready> read_ready(std::string_view line) {
  return read_line<Ready>(line, [](const Json& j) {
    Ready ready;
    check_version(j, "ready");
    const auto at = j.find("wakes_on");
    if (at != j.end()) ready.wakes_on = read_kinds(*at);
    if (j.size() > 1U + j.count("wakes_on")) throw BadLine{"beside `ready` there is only `wakes_on`"};
    return ready;
  });
}

Read<View> read_view(std::string_view line) {
  return read_line<View>(line, [](const Json& j) {
    View view;
    const std::string& kind = WireReader::text(j.at("view"));
    view.full = kind == "full";
    if (!view.full && kind != "changes") throw BadLine{unknown_word("view", kind, {"full", "changes"})};
    const WireReader r;
    r.value(j.at("epoch"), view.epoch);
    r.value(j.at("now"), view.now);
    r.value(j.at("free"), view.free);
    r.value(j.at("jobs"), view.jobs);
    r.value(j.at("events"), view.events);
    if (j.size() != 6) throw BadLine{"a view has `view`, `epoch`, `now`, `free`, `jobs` and `events`"};
    return view;
  });
}

Read<Answer> read_answer(std::string_view line) {
  return read_line<Answer>(line, [](const Json& j) {
    Answer answer;
    WireReader{}.members(j, answer);
    return answer;
  });
}

}  // namespace orrery::wire
