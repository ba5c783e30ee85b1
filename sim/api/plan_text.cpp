#include "sim/api/plan_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "sim/api/allocation_text.hpp"
#include "sim/api/json_values.hpp"
#include "sim/api/members.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
#include "sim/core/text.hpp"

namespace orrery {

// ---- the one list of everything (sim/api/members.hpp) ------------------------------------------------------------

template <>
inline constexpr auto kMemberNames<RunConfig> = member_names("batch", "accumulation", "execution_plan",
                                                             "start_version", "start_parent", "anew", "host",
                                                             "fill_per_mille");
template <>
inline constexpr auto kMemberNames<Target> = member_names("act", "gpus", "config", "group", "sharing");
template <>
inline constexpr auto kMemberNames<Command> = member_names("job", "kind", "config");
template <>
inline constexpr auto kMemberNames<Reason> = member_names("job", "code", "argument", "about", "per_mille");
template <>
inline constexpr auto kMemberNames<Reservation> = member_names("job", "start");
template <>
inline constexpr auto kMemberNames<Plan> = member_names("targets", "commands", "wake", "reasons", "reservations");

namespace {

using Json = nlohmann::json;

// How many of its members stand by their place in a row; the rest follow by name, those that are not their defaults.
template <class T>
inline constexpr std::size_t kByPlace = 2;
template <>
inline constexpr std::size_t kByPlace<RunConfig> = 0;
template <>
inline constexpr std::size_t kByPlace<Reason> = 3;

// The order of a plan's members in a line, by their index above.
using PlanOrder = std::index_sequence<2, 3, 4, 0, 1>;
static_assert(PlanOrder::size() == kMemberNames<Plan>.size());

// ---- words of enumerations; one without a word is not read back, which a test would see -------------------------

std::string_view word(Act a) {
  switch (a) {
    case Act::run: return "run";
    case Act::suspend: return "suspend";
    case Act::preempt: return "preempt";
    case Act::reject: return "reject";
    case Act::cancel: return "cancel";
  }
  return {};
}

std::string_view word(Sharing s) {
  switch (s) {
    case Sharing::exclusive: return "exclusive";
    case Sharing::fraction: return "fraction";
    case Sharing::interleaved: return "interleaved";
    case Sharing::merged: return "merged";
    case Sharing::filler: return "filler";
  }
  return {};
}

std::string_view word(Command::Kind k) {
  switch (k) {
    case Command::Kind::publish: return "publish";
    case Command::Kind::checkpoint: return "checkpoint";
    case Command::Kind::reconfigure: return "reconfigure";
    case Command::Kind::fill: return "fill";
  }
  return {};
}

std::string_view word(ReasonCode c) {
  const std::string_view known = to_string(c);
  return known == "?" ? std::string_view{} : known;
}

template <class Enum>
Enum value_of(const std::string& name, std::string_view what) {
  return named_value<Enum>(what, name, [](Enum e) { return word(e); });
}

// ---- writing ----------------------------------------------------------------------------------------------------

template <class Out>
class PlanWriter {
 public:
  PlanWriter(Out& out, const PlanWordsIn<Out>& words) : out_(&out), words_(&words) {}

  void plan(const Plan& p) { in_order(p, PlanOrder{}); }
  void target(const Target& t) { row(t); }

 private:
  template <std::size_t... I>
  void in_order(const Plan& p, std::index_sequence<I...>) {
    const auto members = tie(p);
    (member(kMemberNames<Plan>[I], std::get<I>(members)), ...);
  }

  void key(std::string_view name) {
    *out_ += ",\"";
    *out_ += name;
    *out_ += "\":";
  }
  // A member of a line: a list of rows, or an instant.
  template <class Row>
  void member(std::string_view name, const std::vector<Row>& rows) {
    bool open = false;
    for (const Row& r : rows) {
      if (!is_news(r)) continue;
      if (!open) key(name);
      *out_ += open ? ",[" : "[[";
      open = true;
      row(r);
      out_->push_back(']');
    }
    if (open) out_->push_back(']');
  }
  void member(std::string_view name, const std::optional<Time>& t) {
    if (!t) return;
    key(name);
    value(*t);
  }

  bool is_news(const Reason& r) const { return !words_->is_news || words_->is_news(r); }
  template <class Row>
  bool is_news(const Row&) const {
    return true;
  }

  void row(const std::pair<JobId, Target>& r) {
    value(r.first);
    out_->push_back(',');
    row(r.second);
  }
  // "[a,b" and then, where there is one, an object of the rest.
  template <class T>
  void row(const T& x) {
    bool first = true;
    each(x, [&](auto i, std::string_view, const auto& m) {
      if constexpr (i.value < kByPlace<T>) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(m)>, Allocation>)
          if (m.empty()) return;
        if (!std::exchange(first, false)) out_->push_back(',');
        value(m);
      }
    });
    const std::size_t from = out_->size();
    rest(x);
    if (out_->size() == from) return;
    out_->insert(from + 1, 1, '{');  // after the comma of its first member
    out_->push_back('}');
  }
  // `,"name":value` for every member that is not in its place and not its default.
  template <class T>
  void rest(const T& x) {
    static const T kDefault{};
    const auto defaults = tie(kDefault);
    each(x, [&](auto i, std::string_view name, const auto& m) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(m)>, Allocation>) append_host_shares(*out_, m);
      if constexpr (i.value >= kByPlace<T>) {
        if (m == std::get<i.value>(defaults)) return;
        key(name);
        value(m);
      }
    });
  }

  void value(JobId job) {
    if (words_->job)
      words_->job(*out_, job);
    else
      append_int(*out_, job.value);
  }
  void value(GroupId group) { append_int(*out_, group.value); }
  void value(Time t) { append_int(*out_, t.ns); }
  void value(bool b) { *out_ += b ? "true" : "false"; }
  template <class T>
  std::enable_if_t<std::is_integral_v<T>> value(T v) {
    append_int(*out_, static_cast<std::int64_t>(v));
  }
  template <class T>
  std::enable_if_t<std::is_enum_v<T>> value(T v) {
    out_->push_back('"');
    *out_ += word(v);
    out_->push_back('"');
  }
  void value(const Allocation& a) {
    out_->push_back('"');
    append_allocation(*out_, a);
    out_->push_back('"');
  }
  void value(const RunConfig& c) {
    const std::size_t from = out_->size();
    rest(c);
    if (out_->size() == from)
      *out_ += "{";
    else
      (*out_)[from] = '{';
    out_->push_back('}');
  }

  Out* out_;
  const PlanWordsIn<Out>* words_;
};

// ---- reading ----------------------------------------------------------------------------------------------------

class PlanReader {
 public:
  explicit PlanReader(const std::function<JobId(const Json&)>& job) : job_(&job) {}

  void target(const Json& j, Target& t) {
    if (!j.is_array() || j.empty()) throw BadLine{fmt::format("{} where a list should be", json_text(j))};
    row(j, t);
  }
  void plan(const Json& line, Plan& p) {
    each(p, [&](auto, std::string_view name, auto& m) {
      if (const auto at = line.find(name); at != line.end()) member(*at, m);
    });
  }

 private:
  template <class Row>
  void member(const Json& j, std::vector<Row>& rows) {
    if (!j.is_array()) throw BadLine{fmt::format("{} where a list should be", json_text(j))};
    for (const Json& r : j) {
      if (!r.is_array() || r.empty()) throw BadLine{fmt::format("{} where a list should be", json_text(r))};
      row(r, rows.emplace_back());
    }
  }
  void member(const Json& j, std::optional<Time>& t) { value(j, t.emplace()); }

  void row(const Json& j, std::pair<JobId, Target>& r) {
    value(j.at(0), r.first);
    row(j, r.second, 1);
  }
  template <class T>
  void row(const Json& j, T& x, std::size_t at = 0) {
    static const Json kNothing = Json::object();
    const bool more = j.size() > at && j.back().is_object();
    const Json& named = more ? j.back() : kNothing;
    const std::size_t places = j.size() - (more ? 1 : 0);
    each(x, [&](auto i, std::string_view, auto& m) {
      if constexpr (i.value < kByPlace<T>) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(m)>, Allocation>) {
          const bool given = at < places;
          read_allocation(given ? text(j.at(at)) : std::string(), named, m);
          at += given ? 1 : 0;
        } else {
          value(j.at(at++), m);
        }
      }
    });
    if (at < places) throw BadLine{fmt::format("nothing is known about {} here", json_text(j.at(at)))};
    rest(named, x);
  }
  template <class T>
  void rest(const Json& j, T& x) {
    if (!j.is_object()) throw BadLine{fmt::format("{} where an object should be", json_text(j))};
    std::size_t known = 0;
    each(x, [&](auto i, std::string_view name, auto& m) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(m)>, Allocation>)
        known += j.count("cpu_milli") + j.count("mem_bytes");
      if constexpr (i.value >= kByPlace<T>) {
        const auto at = j.find(name);
        if (at == j.end()) return;
        value(*at, m);
        ++known;
      }
    });
    if (known != j.size()) throw BadLine{fmt::format("nothing is known about a key of {}", json_text(j))};
  }

  static const std::string& text(const Json& j) {
    if (!j.is_string()) throw BadLine{fmt::format("{} where a word should be", json_text(j))};
    return j.get_ref<const std::string&>();
  }
  void value(const Json& j, JobId& job) { job = (*job_)(j); }
  void value(const Json& j, GroupId& group) { group = GroupId(whole<std::uint32_t>(j)); }
  void value(const Json& j, Time& t) { t = Time{whole<std::int64_t>(j)}; }
  void value(const Json& j, bool& b) {
    if (!j.is_boolean()) throw BadLine{fmt::format("{} where true or false should be", json_text(j))};
    b = j.get<bool>();
  }
  template <class T>
  std::enable_if_t<std::is_integral_v<T>> value(const Json& j, T& v) {
    v = whole<T>(j);
  }
  void value(const Json& j, ReasonCode& c) { c = reason_code(text(j)); }
  void value(const Json& j, Act& a) { a = value_of<Act>(text(j), "act"); }
  void value(const Json& j, Sharing& s) { s = value_of<Sharing>(text(j), "sharing"); }
  void value(const Json& j, Command::Kind& k) { k = value_of<Command::Kind>(text(j), "command"); }
  void value(const Json& j, RunConfig& c) { rest(j, c); }

  const std::function<JobId(const Json&)>* job_;
};

}  // namespace

void append_plan(std::string& out, const Plan& plan, const PlanWords& words) {
  PlanWriter(out, words).plan(plan);
}
void append_plan(TextBuffer& out, const Plan& plan, const PlanWordsIn<TextBuffer>& words) {
  PlanWriter(out, words).plan(plan);
}

std::string plan_text(const Plan& plan) {
  std::string out;
  append_plan(out, plan, {});
  return out;
}

Plan read_plan(const Json& line, const std::function<JobId(const Json&)>& job) {
  Plan plan;
  PlanReader(job).plan(line, plan);
  return plan;
}

void append_target(std::string& out, const Target& target) {
  out.push_back('[');
  PlanWriter<std::string>(out, {}).target(target);
  out.push_back(']');
}

Target read_target(const nlohmann::json& row, const std::function<JobId(const nlohmann::json&)>& job) {
  Target target;
  PlanReader(job).target(row, target);
  return target;
}

bool is_plan_key(std::string_view key) {
  return std::find(kMemberNames<Plan>.begin(), kMemberNames<Plan>.end(), key) != kMemberNames<Plan>.end();
}

ReasonCode reason_code(const std::string& name) {
  return value_of<ReasonCode>(name, "reason");
}

}  // namespace orrery
