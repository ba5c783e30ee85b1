// Text of numbers as the tables and the event log write them: exact decimals of integer nanoseconds, appended to
// a buffer that the caller owns and empties. No locale, no rounding, no allocation per number.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "sim/core/text_buffer.hpp"
#include "sim/core/time.hpp"
#include "sim/core/units.hpp"

namespace orrery {

// Takes the bytes of an output piece by piece; the piece is valid during the call.
using TextSink = std::function<void(std::string_view)>;

inline constexpr std::size_t kMostOfInt = 20, kMostOfDecimal = 64;

// Writes the number and returns where it ends: at most kMostOfInt bytes.
char* write_int(char* to, std::int64_t v);
// `value` / 10^digits as a decimal without trailing zeros: at most kMostOfDecimal bytes.
char* write_decimal(char* to, Int128 value, int digits);

inline void append_int(std::string& out, std::int64_t v) {
  if (v >= 0 && v < 10) {
    out.push_back(static_cast<char>('0' + v));
    return;
  }
  char text[kMostOfInt];
  out.append(text, static_cast<std::size_t>(write_int(text, v) - text));
}
inline void append_int(TextBuffer& out, std::int64_t v) {
  char* const at = out.room(kMostOfInt);
  out.add(static_cast<std::size_t>(write_int(at, v) - at));
}

// append_decimal(out, 1500, 3) gives "1.5".
inline void append_decimal(std::string& out, Int128 value, int digits) {
  char text[kMostOfDecimal];
  out.append(text, static_cast<std::size_t>(write_decimal(text, value, digits) - text));
}
inline void append_decimal(TextBuffer& out, Int128 value, int digits) {
  char* const at = out.room(kMostOfDecimal);
  out.add(static_cast<std::size_t>(write_decimal(at, value, digits) - at));
}

template <class Out>
void append_seconds(Out& out, Duration d) {
  append_decimal(out, d.ns, 9);
}
template <class Out>
void append_seconds(Out& out, Time t) {
  append_decimal(out, t.ns, 9);
}
template <class Out>
void append_gpu_seconds(Out& out, GpuTime t) {
  append_decimal(out, t.milli_gpu_ns, 12);
}

// A CSV field: quoted only when it must be (RFC 4180).
void append_csv(std::string& out, std::string_view field);
void append_csv(TextBuffer& out, std::string_view field);
// A JSON string with its quotes; bytes above 0x7f pass as they are.
void append_json(std::string& out, std::string_view text);

}  // namespace orrery
