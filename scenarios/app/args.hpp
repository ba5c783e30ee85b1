// Arguments of one verb: Boost.Program_options for the reading, with the guessing of abbreviated names off and a
// suggestion for a misspelt one.
#pragma once

#include <boost/program_options.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "sim/core/error.hpp"

namespace orrery::app {

class Args {
 public:
  // `usage` is the first line of --help; `positional` names the plain arguments, the last one may repeat when it
  // ends in "...".
  Args(std::string usage, std::vector<std::string> positional);

  // For adding options: args.options()("seed", po::value<...>(), "...").
  [[nodiscard]] boost::program_options::options_description_easy_init options() { return shown_.add_options(); }

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

  [[nodiscard]] bool has(const std::string& name) const { return values_.count(name) > 0; }
  template <class T>
  [[nodiscard]] const T& get(const std::string& name) const {
    return values_[name].as<T>();
  }
  [[nodiscard]] std::string text(const std::string& name, const std::string& otherwise = {}) const {
    return has(name) ? values_[name].as<std::string>() : otherwise;
  }
  [[nodiscard]] std::vector<std::string> list(const std::string& name) const {
    return has(name) ? values_[name].as<std::vector<std::string>>() : std::vector<std::string>{};
  }

 private:
  struct Range {
    std::string name;
    std::int64_t least, most;
  };
  [[nodiscard]] std::string out_of_range() const;

  std::string usage_;
  std::vector<Range> ranges_{};
  std::vector<std::string> positional_, at_most_one_{};
  boost::program_options::options_description shown_{"options"};
  boost::program_options::variables_map values_;
};

}  // namespace orrery::app
