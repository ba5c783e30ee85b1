#include "scenarios/run/library_policy.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <exception>
#include <filesystem>
#include <utility>
#include <vector>

#include "policies/placement/placements.hpp"
#include "scenarios/run/policy_failed.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "sim/api/policy_library.hpp"
#include "sim/core/assert.hpp"

namespace orrery::app {
namespace {

using Entry = const PolicyLibrary* (*)();

SourcePos place_in(const PolicyConfig& c, const std::string& key) {
  const auto at = c.where.find(key);
  return at == c.where.end() ? SourcePos{} : at->second;
}

tl::unexpected<Error> wrong_library(const PolicyConfig& c, std::string message, std::string hint = {}) {
  Diagnostic d{std::move(message), place_in(c, "library")};
  d.hint = std::move(hint);
  return fail(std::move(d));
}

// Calls pass through; what the library's code throws becomes words.
class LibraryPolicy final : public Policy {
 public:
  LibraryPolicy(std::unique_ptr<Policy> inner, std::string who) : inner_(std::move(inner)), who_(std::move(who)) {}
  [[nodiscard]] EventMask wakes_on() const override { return inner_->wakes_on(); }
  void schedule(const ClusterView& view, PlanBuilder& plan) override {
    try {
      inner_->schedule(view, plan);
    } catch (const AssertionFailed&) {
      throw;
    } catch (const std::exception& e) {
      threw(view, e.what());
    } catch (...) {
      threw(view, "something that is no std::exception");
    }
  }
  [[nodiscard]] std::unique_ptr<Policy> clone() const override {
    auto copy = inner_->clone();
    return copy == nullptr ? nullptr : std::make_unique<LibraryPolicy>(std::move(copy), who_);
  }

 private:
  [[noreturn]] void threw(const ClusterView& view, const char* what) const {
    policy_failed(Diagnostic{
        fmt::format("{} threw in decision {}, at {} s: {}", who_, view.epoch, to_seconds(view.now), what)});
  }

  std::unique_ptr<Policy> inner_;
  std::string who_;
};

#ifdef ORRERY_STATIC
Expected<const PolicyLibrary*> load(const PolicyConfig& c) {
  return wrong_library(c, "this orrery is linked statically and cannot load a `library`",
                       "build one that can with `scripts/build release`, or run the policy as a program: `external`");
}
#else
// What is wrong with the library, "" when nothing is. Only the plain part is looked at.
std::string misfit(const PolicyLibrary& library, const std::string& path) {
  if (library.interface_number != kInterface)
    return fmt::format("`{}` was built against interface {}, this is {}: rebuild", path, library.interface_number,
                       kInterface);
  if (std::string_view(library.headers) != kInterfaceHeaders)
    return fmt::format("`{}` was built against interface {} with headers {}, this is {} with {}: rebuild", path,
                       library.interface_number, library.headers, kInterface, kInterfaceHeaders);
  if (std::string_view(library.standard_library) != kStandardLibrary)
    return fmt::format("`{}` was built with {}, this orrery with {}: rebuild with the same", path,
                       library.standard_library, kStandardLibrary);
  return {};
}

Expected<const PolicyLibrary*> load(const PolicyConfig& c) {
  const std::string path = library_path(c);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    return wrong_library(c, fmt::format("there is no library `{}`", path), "is it built?");
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  std::string why;
  if (handle == nullptr) {
    why = ::dlerror();
    handle = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);  // enough to say what it was built against
  }
  if (handle == nullptr) return wrong_library(c, fmt::format("cannot load `{}`: {}", path, why));
  const auto entry = reinterpret_cast<Entry>(::dlsym(handle, "orrery_policies"));
  if (entry == nullptr)
    return wrong_library(c, fmt::format("`{}` has no function `orrery_policies`", path),
                         "does it end with ORRERY_POLICIES(...)?");
  const PolicyLibrary* library = entry();
  if (std::string wrong = misfit(*library, path); !wrong.empty()) return wrong_library(c, std::move(wrong));
  if (!why.empty())
    return wrong_library(c, fmt::format("cannot load `{}`: {}", path, why),
                         "it uses what is neither in it nor in this orrery");
  return library;
}
#endif

}  // namespace

Expected<const PolicyInfo*> library_row(const PolicyConfig& c) {
  const auto library = load(c);
  if (!library) return tl::make_unexpected(library.error());
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < (*library)->count; ++i) {
    const PolicyInfo* row = (*library)->rows[i];
    if (row->name == c.name && row->make != nullptr) return row;
    names.push_back(row->name);
  }
  Diagnostic d{fmt::format("`{}` has no policy `{}`", library_path(c), c.name), place_in(c, "name")};
  d.width = static_cast<int>(c.name.size());
  if (const auto near = closest(c.name, names); !near.empty()) d.hint = fmt::format("did you mean `{}`?", near);
  d.notes.push_back(fmt::format("it has: {}", fmt::join(names, ", ")));
  return fail(std::move(d));
}

Expected<std::unique_ptr<Policy>> make_library_policy(const PolicyConfig& c, const PolicyInfo& row,
                                                      std::uint64_t seed) {
  std::map<std::string, std::string> own = c.options;
  own.erase("library");
  OptionReader options(c.name, std::move(own), option_places(c, row.options), row.options);
  const std::string who = fmt::format("policy `{}` of `{}`", c.name, library_path(c));
  try {
    auto policy = row.make({make_placement(c.placement, seed), seed}, options);
    if (auto ok = options.finish(); !ok) return tl::make_unexpected(ok.error());
    if (policy == nullptr) return wrong_library(c, fmt::format("{} makes no policy", who));
    return std::make_unique<LibraryPolicy>(std::move(policy), who);
  } catch (const std::exception& e) {
    return wrong_library(c, fmt::format("{} threw while it was made: {}", who, e.what()));
  }
}

}  // namespace orrery::app
