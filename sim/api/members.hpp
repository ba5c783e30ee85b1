// The members of a plain struct with their names: the one list by which logs, journals, digests and tests write, read
// and compare it. A struct has a list `kMemberNames` of the names of its members, in order of declaration; it is
// taken apart into as many members as there are names, which does not compile unless that is how many it has.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace orrery {

template <class T>
inline constexpr auto kMemberNames = nullptr;

template <class... Name>
constexpr std::array<std::string_view, sizeof...(Name)> member_names(Name... name) {
  return {name...};
}

// References to all members.
template <class T>
constexpr auto tie(T& x) {
  constexpr std::size_t n = kMemberNames<std::remove_const_t<T>>.size();
  static_assert(n <= 5, "add a line here");
  if constexpr (n == 0) {
    static_assert(std::is_empty_v<std::remove_const_t<T>>, "a member has no name");
    return std::tuple<>();
  } else if constexpr (n == 1) {
    auto& [a] = x;
    return std::tie(a);
  } else if constexpr (n == 2) {
    auto& [a, b] = x;
    return std::tie(a, b);
  } else if constexpr (n == 3) {
    auto& [a, b, c] = x;
    return std::tie(a, b, c);
  } else if constexpr (n == 4) {
    auto& [a, b, c, d] = x;
    return std::tie(a, b, c, d);
  } else {
    auto& [a, b, c, d, e] = x;
    return std::tie(a, b, c, d, e);
  }
}

// Calls f(index, name, member) for every member, in order; the index as a constant.
template <class T, class F>
void each(T& x, F&& f) {
  const auto members = tie(x);
  const auto all = [&]<std::size_t... I>(std::index_sequence<I...>) {
    (f(std::integral_constant<std::size_t, I>{}, kMemberNames<std::remove_const_t<T>>[I], std::get<I>(members)), ...);
  };
  all(std::make_index_sequence<kMemberNames<std::remove_const_t<T>>.size()>{});
}

}  // namespace orrery
