#include "scenarios/app/args.hpp"

#include <fmt/format.h>

#include <boost/program_options.hpp>
#include <cstdint>
#include <sstream>
#include <type_traits>
#include <typeinfo>

namespace orrery::app {
namespace po = boost::program_options;

struct Args::Read {
  po::options_description shown{"options"};
  po::variables_map values;
};

Args::Args(std::string usage, std::vector<std::string> positional)
    : usage_(std::move(usage)), positional_(std::move(positional)), read_(std::make_unique<Read>()) {
  read_->shown.add_options()("help,h", "this text");
}

Args::~Args() = default;

Args::Options& Args::Options::operator()(const char* name, const char* help) {
  args_->read_->shown.add_options()(name, help);
  return *this;
}

template <class T>
Args::Options& Args::Options::operator()(const char* name, const Taking<T>& what, const char* help) {
  auto* value = po::value<T>();
  if constexpr (std::is_same_v<T, std::vector<std::string>>)
    value->composing();
  else if (what.instead)
    value->default_value(*what.instead);
  args_->read_->shown.add_options()(name, value, help);
  return *this;
}

bool Args::has(const std::string& name) const {
  return read_->values.count(name) > 0;
}

template <class T>
const T& Args::get(const std::string& name) const {
  return read_->values[name].as<T>();
}

#define ORRERY_TAKES(T)                                                                          \
  template Args::Options& Args::Options::operator()(const char*, const Taking<T>&, const char*); \
  template const T& Args::get<T>(const std::string&) const;
ORRERY_TAKES(std::string)
ORRERY_TAKES(std::vector<std::string>)
ORRERY_TAKES(int)
ORRERY_TAKES(unsigned)
ORRERY_TAKES(std::int64_t)
ORRERY_TAKES(std::uint64_t)
ORRERY_TAKES(std::uint16_t)
ORRERY_TAKES(double)
#undef ORRERY_TAKES

Expected<void> Args::parse(const std::vector<std::string>& arguments) {
  po::options_description all;
  po::positional_options_description order;
  all.add(read_->shown);
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
    po::store(parsed, read_->values);
    for (const auto& o : parsed.options)
      for (const std::string& value : o.value)
        if (value.empty())
          return wrong(o.position_key < 0 ? fmt::format("--{} is empty; it wants a value", o.string_key)
                                          : fmt::format("the argument {} is empty", o.string_key));
    // Boost reads -1 as the largest unsigned number.
    for (const auto& o : parsed.options) {
      if (o.value.empty() || o.value.front().rfind('-', 0) != 0 || read_->values.count(o.string_key) == 0) continue;
      const std::type_info& type = read_->values[o.string_key].value().type();
      if (type == typeid(unsigned) || type == typeid(std::uint64_t) || type == typeid(std::uint16_t))
        return wrong(fmt::format("--{} is `{}`; it must be a whole number >= 0", o.string_key, o.value.front()));
    }
  } catch (const po::unknown_option& e) {
    Diagnostic d{fmt::format("unknown option `{}`", e.get_option_name())};
    std::string wanted = e.get_option_name();
    wanted.erase(0, wanted.find_first_not_of('-'));
    std::vector<std::string> names;
    for (const auto& o : read_->shown.options()) names.push_back(o->long_name());
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
    const boost::any& v = read_->values[r.name].value();
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
  out << "usage: " << usage_ << "\n\n" << read_->shown;
  return out.str();
}

}  // namespace orrery::app
