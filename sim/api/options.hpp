// Typed reading of a policy's own options, as written in a scenario or with --set. A policy lists its options in
// one table (name, type, default, meaning, range); the table drives reading, errors and `policy show`. Every value
// that is given is checked against the table when the reader is made, whether the policy asks for it or not.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/core/error.hpp"
#include "sim/core/time.hpp"

namespace orrery {

struct OptionSpec {
  std::string name;
  // "integer", "decimal", "boolean", "choice", "choices", "time", "gpu_time", "gpu_time_list", "file"
  std::string type;
  std::string default_value;
  std::string doc;
  std::vector<std::string> choices{};
  // Numbers and times (in seconds; of a list, each of them) must lie within.
  std::int64_t least = 0, most = 0;
};

// The range as `policy show` and messages have it: "from 1 to 100", "from 1s to 36500d"; empty where there is none.
[[nodiscard]] std::string range_text(const OptionSpec& spec);

// How many of its choices an option takes, as `policy show` and messages have it: "one of", "some of".
[[nodiscard]] std::string_view how_many(const OptionSpec& spec);

// A path that an option names, as it can be opened: relative to the file in which the option stands, or, for one of
// the command line, to the working directory.
[[nodiscard]] std::string path_from(const std::string& text, const SourcePos& where);

class OptionReader {
 public:
  // `owner` names the policy in messages; `given` holds values as text, `where` their positions.
  OptionReader(std::string owner, std::map<std::string, std::string> given, std::map<std::string, SourcePos> where,
               const std::vector<OptionSpec>& specs);

  // The value of an option, or its default; something harmless for a wrong one, whose error has been kept.
  [[nodiscard]] std::int64_t integer(std::string_view name);
  [[nodiscard]] bool boolean(std::string_view name);
  [[nodiscard]] std::string choice(std::string_view name);
  // A number with up to three decimals, in thousandths.
  [[nodiscard]] std::int64_t decimal(std::string_view name);
  // Some of the choices, as [a, b] or a, b; none for [].
  [[nodiscard]] std::vector<std::string> choices(std::string_view name);
  // `30m`, and for "gpu_time" also `2GPUh`; [30m], a list of one, is the same.
  [[nodiscard]] Duration time(std::string_view name);
  // A list such as [3250GPUs, 2GPUh] or, for service counted in time alone, [30m, 1h]; increasing.
  [[nodiscard]] std::vector<Duration> times(std::string_view name);

  // The name of a file: path_from() of the option; empty when it is not given.
  [[nodiscard]] std::string path(std::string_view name);

  // For options whose value is well-formed and yet wrong, and for what is wrong in a file that one names.
  void refuse(std::string_view name, std::string message, std::string hint);
  void refuse(Error error);

  // All errors of all options at once, unknown names included.
  [[nodiscard]] Expected<void> finish() const;

 private:
  struct Value {
    std::string text;
    SourcePos where;
  };
  [[nodiscard]] Value value(std::string_view name) const;
  [[nodiscard]] const OptionSpec* find(std::string_view name) const;
  [[nodiscard]] const OptionSpec& spec(std::string_view name, std::string_view type,
                                       std::string_view or_type = {}) const;
  [[nodiscard]] std::vector<Duration> times_of(const OptionSpec& s) const;
  void unknown(const std::string& name);
  void check(const OptionSpec& s, const Value& v);
  void check_choice(const OptionSpec& s, const Value& v, std::string_view chosen);
  void check_times(const OptionSpec& s, const Value& v);
  void complain(std::string_view name, const Value& v, std::string message, std::string hint);

  std::string owner_;
  std::map<std::string, std::string> given_;
  std::map<std::string, SourcePos> where_;
  const std::vector<OptionSpec>* specs_;
  std::vector<Diagnostic> errors_;
};

}  // namespace orrery
