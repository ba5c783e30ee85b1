#include "scenarios/app/args.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <sstream>
#include <typeinfo>

namespace orrery::app {
namespace po = boost::program_options;

Args::Args(std::string usage, std::vector<std::string> positional)
    : usage_(std::move(usage)), positional_(std::move(positional)) {
  shown_.add_options()("help,h", "this text");
}

Expected<void> Args::parse(const std::vector<std::string>& arguments) {
  po::options_description all;
  po::positional_options_description order;
  all.add(shown_);
  bool repeats = false;
  for (const std::string& name : positional_) {
    repeats = name.size() > 3 && name.substr(name.size() - 3) == "...";
    const std::string key = repeats ? name.substr(0, name.size() - 3) : name;
    if (repeats)
      all.add_options()(key.c_str(), po::value<std::vector<std::string>>());
    else
      all.add_options()(key.c_str(), po::value<std::string>());
    order.add(key.c_str(), repeats ? -1 : 1);
  }
  const auto wrong = [this](std::string message) {
    Diagnostic d{std::move(message)};
    d.notes.push_back(usage_);
    return fail(std::move(d));
  };
  namespace style = po::command_line_style;
  const int flags = (style::unix_style & ~style::allow_guessing);
  try {
    const auto parsed = po::command_line_parser(arguments).options(all).positional(order).style(flags).run();
    po::store(parsed, values_);
    // Boost reads -1 as the largest unsigned number.
    for (const auto& o : parsed.options) {
      if (o.value.empty() || o.value.front().rfind('-', 0) != 0 || values_.count(o.string_key) == 0) continue;
      const std::type_info& type = values_[o.string_key].value().type();
      if (type == typeid(unsigned) || type == typeid(std::uint64_t) || type == typeid(std::uint16_t))
        return wrong(fmt::format("--{} is `{}`; it must be a whole number >= 0", o.string_key, o.value.front()));
    }
  } catch (const po::unknown_option& e) {
    Diagnostic d{fmt::format("unknown option `{}`", e.get_option_name())};
    std::string wanted = e.get_option_name();
    wanted.erase(0, wanted.find_first_not_of('-'));
    std::vector<std::string> names;
    for (const auto& o : shown_.options()) names.push_back(o->long_name());
    const std::vector<std::string_view> views(names.begin(), names.end());
    if (const auto near = closest(wanted, views); !near.empty()) d.hint = fmt::format("did you mean `--{}`?", near);
    d.notes.push_back(usage_);
    return fail(std::move(d));
  } catch (const po::too_many_positional_options_error&) {
    return wrong("too many arguments");
  } catch (const po::error& e) {
    return wrong(e.what());
  }
  if (std::string message = out_of_range(); !message.empty()) return wrong(std::move(message));
  std::string given;
  for (const std::string& name : at_most_one_) {
    if (!has(name)) continue;
    if (!given.empty()) return wrong(fmt::format("--{} and --{} exclude each other", given, name));
    given = name;
  }
  return {};
}

// What is wrong with the first number that is; empty when none is.
std::string Args::out_of_range() const {
  for (const Range& r : ranges_) {
    if (!has(r.name)) continue;
    const boost::any& v = values_[r.name].value();
    const auto complain = [&r](const auto& is) {
      return fmt::format("--{} is `{}`; it must be from {} to {}", r.name, is, r.least, r.most);
    };
    const auto check = [&](auto is) {
      const auto n = static_cast<double>(is);  // good enough for ranges, and nan is in none
      return n >= static_cast<double>(r.least) && n <= static_cast<double>(r.most) ? std::string() : complain(is);
    };
    std::string message;
    if (const auto* a = boost::any_cast<int>(&v)) message = check(*a);
    if (const auto* a = boost::any_cast<unsigned>(&v)) message = check(*a);
    if (const auto* a = boost::any_cast<std::int64_t>(&v)) message = check(*a);
    if (const auto* a = boost::any_cast<double>(&v)) message = check(*a);
    if (!message.empty()) return message;
  }
  return {};
}

std::string Args::help() const {
  std::ostringstream out;
  out << "usage: " << usage_ << "\n\n" << shown_;
  return out.str();
}

}  // namespace orrery::app
