// Arguments of one verb, with the guessing of abbreviated names off and a suggestion for a misspelt one.
// Boost.Program_options does the reading; only args.cpp sees its headers, which cost every verb seconds to compile.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/core/error.hpp"

namespace orrery::app {

// What an option takes: std::string, std::vector<std::string> (the option may be repeated), int, unsigned,
// std::int64_t, std::uint64_t, std::uint16_t or double.
template <class T>
struct Taking {
  std::optional<T> instead{};

  // The value of an option that is not given.
  [[nodiscard]] Taking otherwise(T value) const { return {std::move(value)}; }
};
template <class T>
[[nodiscard]] Taking<T> taking() {
  return {};
}

class Args {
 public:
  // Adds options one after the other: options()("seed", taking<int>(), "...")("force", "...").
  class Options {
   public:
    explicit Options(Args& args) : args_(&args) {}
    Options& operator()(const char* name, const char* help);
    template <class T>
    Options& operator()(const char* name, const Taking<T>& what, const char* help);

   private:
    Args* args_;
  };

  // `usage` is the first line of --help; `positional` names the plain arguments, the last one may repeat when it
  // ends in "...".
  Args(std::string usage, std::vector<std::string> positional);
  ~Args();
  Args(const Args&) = delete;
  Args& operator=(const Args&) = delete;

  [[nodiscard]] Options options() { return Options(*this); }

  // Of these options (forms of output) at most one may be given; to be called before parse().
  void at_most_one(std::vector<std::string> names) { at_most_one_ = std::move(names); }

  // The range of an option that is a number; to be called before parse().
  void within(std::string name, std::int64_t least, std::int64_t most) {
    ranges_.push_back({std::move(name), least, most});
  }

  // False with an error; --help is an option of every verb and true() for wants_help().
  [[nodiscard]] Expected<void> parse(const std::vector<std::string>& arguments);
  [[nodiscard]] bool wants_help() const { return has("help"); }
  [[nodiscard]] std::string help() const;

  [[nodiscard]] bool has(const std::string& name) const;
  // Of a type that options take, given or with a value otherwise.
  template <class T>
  [[nodiscard]] const T& get(const std::string& name) const;
  [[nodiscard]] std::string text(const std::string& name, const std::string& otherwise = {}) const {
    return has(name) ? get<std::string>(name) : otherwise;
  }
  [[nodiscard]] std::vector<std::string> list(const std::string& name) const {
    return has(name) ? get<std::vector<std::string>>(name) : std::vector<std::string>{};
  }

 private:
  struct Range {
    std::string name;
    std::int64_t least, most;
  };
  struct Read;  // what Boost knows
  [[nodiscard]] std::string out_of_range() const;

  std::string usage_;
  std::vector<Range> ranges_{};
  std::vector<std::string> positional_, at_most_one_{};
  std::unique_ptr<Read> read_;
};

}  // namespace orrery::app
