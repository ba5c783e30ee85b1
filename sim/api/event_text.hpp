// Events as JSON and back: the one encoder behind the lines of the stored log and those that policies of other
// languages read. `{"t_ns":5,"e":"finish","job":"a","inc":1,"gang":0}`: when, what kind, of which job, launch of the
// job and gang, and then what its kind says, under the names of sim/api/event_members.hpp. Whoever writes says how
// jobs are called.
#pragma once

#include <array>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "sim/api/allocation_text.hpp"
#include "sim/api/event_members.hpp"
#include "sim/core/text.hpp"

namespace orrery {

// `,"name":` of a member.
template <class Says, std::size_t I>
inline constexpr auto kMemberKey = [] {
  constexpr std::string_view kName = kMemberNames<Says>[I];
  std::array<char, kName.size() + 4> text{',', '"'};
  for (std::size_t i = 0; i < kName.size(); ++i) text[2 + i] = kName[i];
  text[2 + kName.size()] = '"';
  text[3 + kName.size()] = ':';
  return text;
}();

// How a member's value is written.
template <class Out, class T, class JobText>
void append_event_value(Out& out, const T& v, const JobText& job_text) {
  if constexpr (std::is_same_v<T, JobId>) {
    job_text(v);
  } else if constexpr (std::is_same_v<T, NodeId>) {
    append_int(out, v.value);
  } else if constexpr (std::is_same_v<T, Work> || std::is_same_v<T, Duration>) {
    append_int(out, v.ns);
  } else if constexpr (std::is_same_v<T, Rate>) {
    append_int(out, v.per_billion);
  } else if constexpr (std::is_same_v<T, std::optional<Duration>>) {
    append_int(out, v->ns);
  } else if constexpr (std::is_same_v<T, bool>) {
    out += v ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    out.push_back('"');
    out += to_string(v);
    out.push_back('"');
  } else if constexpr (std::is_same_v<T, const Allocation*>) {
    out.push_back('"');
    append_allocation(out, *v);
    out.push_back('"');
    append_host_shares(out, *v);
  } else {
    append_int(out, static_cast<std::int64_t>(v));
  }
}

template <class Out, class Says, class JobText>
void append_event_members(Out& out, const Says& says, const JobText& job_text) {
  static const Says kDefault{};
  each(says, [&](auto i, std::string_view, const auto& member) {
    if constexpr (i.value >= kAlways<Says>)
      if (member == std::get<i.value>(tie(kDefault))) return;
    out += std::string_view(kMemberKey<Says, i.value>.data(), kMemberKey<Says, i.value>.size());
    append_event_value(out, member, job_text);
  });
}

// All but the end `}`. `begin(event)` writes the beginning: time and kind, and `,"job":` where the event is of one;
// `job_text(job)` a job, and says by `kBinds` whether a `submit` also gives its number; `out` is a string or a
// TextBuffer. A member more of an event does not compile before it is written.
template <class Out, class Begin, class JobText>
void append_event(Out& out, const Event& e, const Begin& begin, const JobText& job_text) {
  const auto& [at, job, gang, incarnation, what] = e;
  const auto number = [&out](std::string_view key, std::int64_t value) {
    out += key;
    append_int(out, value);
  };
  begin(e);
  if (job.valid()) job_text(job);
  if (JobText::kBinds && e.kind() == EventKind::submit) number(R"(,"id":)", job.value);
  if (incarnation == 1)
    out += R"(,"inc":1)";
  else if (incarnation != 0)
    number(R"(,"inc":)", incarnation);
  if (gang.valid()) number(R"(,"gang":)", gang.value);
  std::visit([&](const auto& says) { append_event_members(out, says, job_text); }, what);
}

// The inverse. `job` says whose name or number it is; `gpus` becomes what a launch takes, to which the event points.
// A kind or a member that is not known is an error. Throws BadLine.
[[nodiscard]] Event read_event(const nlohmann::json& line, const std::function<JobId(const nlohmann::json&)>& job,
                               Allocation& gpus);

}  // namespace orrery
