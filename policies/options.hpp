// Typed reading of a policy's own options, as written in a scenario or with --set. A policy lists its options in
// one table (name, type, default, meaning); the table drives reading, errors and `policy show`.
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
  std::string type;  // "integer", "boolean", "choice", "gpu_time_list", "file"
  std::string default_value;
  std::string doc;
  std::vector<std::string> choices{};
};

class OptionReader {
 public:
  // `owner` names the policy in messages; `given` holds values as text, `where` their positions.
  OptionReader(std::string owner, std::map<std::string, std::string> given, std::map<std::string, SourcePos> where,
               const std::vector<OptionSpec>& specs);

  // The value of an option, or its default; on a malformed value an error is kept and something harmless returned.
  [[nodiscard]] std::int64_t integer(std::string_view name);  // >= 0
  [[nodiscard]] bool boolean(std::string_view name);
  [[nodiscard]] std::string choice(std::string_view name);
  // A list such as [3250GPUs, 2GPUh] or, for service counted in time alone, [30m, 1h]; increasing.
  [[nodiscard]] std::vector<Duration> gpu_time_list(std::string_view name);

  // The name of a file, as it can be opened: relative to the file in which the option stands, or, for one of the
  // command line, to the working directory. Empty when the option is not given.
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
  [[nodiscard]] const OptionSpec& spec(std::string_view name) const;
  void complain(std::string_view name, const Value& v, std::string message, std::string hint);

  std::string owner_;
  std::map<std::string, std::string> given_;
  std::map<std::string, SourcePos> where_;
  const std::vector<OptionSpec>* specs_;
  std::vector<Diagnostic> errors_;
};

}  // namespace orrery
