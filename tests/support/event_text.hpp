// Events as text that has all of them, for tests that compare, and events with something in every member.
#pragma once

#include <fmt/format.h>

#include <string>
#include <type_traits>
#include <variant>

#include "sim/api/event_members.hpp"

namespace orrery::test {

// Of an allocation only whether there is one: the pointer is valid for a moment only.
template <class T>
std::string member_text(const T& m) {
  if constexpr (std::is_same_v<T, JobId> || std::is_same_v<T, NodeId>)
    return std::to_string(m.value);
  else if constexpr (std::is_same_v<T, Work> || std::is_same_v<T, Duration>)
    return std::to_string(m.ns);
  else if constexpr (std::is_same_v<T, Rate>)
    return std::to_string(m.per_billion);
  else if constexpr (std::is_same_v<T, std::optional<Duration>>)
    return m ? std::to_string(m->ns) : "none";
  else if constexpr (std::is_same_v<T, const Allocation*>)
    return m == nullptr ? "none" : "some";
  else
    return std::to_string(static_cast<std::int64_t>(m));
}

inline std::string event_text(const Event& e) {
  const auto& [at, job, gang, incarnation, what] = e;
  std::string text =
      fmt::format("{} {} job {} gang {} launch {}", at.ns, to_string(e.kind()), job.value, gang.value, incarnation);
  const auto members = [&text](const auto& says) {
    each(says, [&text](auto, std::string_view name, const auto& m) {
      text += fmt::format(" {}={}", name, member_text(m));
    });
  };
  std::visit(members, what);
  return text;
}

// An event of that kind, every member set by `number()`; `gpus` where it has an allocation.
template <class Number>
event::Payload payload_of(EventKind kind, Number&& number, const Allocation* gpus) {
  event::Payload out;
  for_each_payload([&]<class Says>() {
    if (Says::kKind != kind) return;
    Says says{};
    each(says, [&](auto, std::string_view, auto& m) {
      using T = std::remove_reference_t<decltype(m)>;
      const auto n = static_cast<std::int64_t>(number());
      if constexpr (std::is_same_v<T, JobId> || std::is_same_v<T, NodeId>)
        m = T(static_cast<std::uint32_t>(n & 3));
      else if constexpr (std::is_same_v<T, Work> || std::is_same_v<T, Duration>)
        m.ns = n;
      else if constexpr (std::is_same_v<T, std::optional<Duration>>)
        m = Duration{n};
      else if constexpr (std::is_same_v<T, const Allocation*>)
        m = gpus;
      else if constexpr (std::is_same_v<T, bool> || std::is_enum_v<T>)
        m = static_cast<T>(n & 1);
      else
        m = static_cast<T>(n);
    });
    out = says;
  });
  return out;
}

}  // namespace orrery::test
