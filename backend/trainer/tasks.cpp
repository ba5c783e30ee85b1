// The table of tasks; see make_task() in task.hpp. A new kind of task is one file and one row.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "backend/trainer/multimodal_task.hpp"
#include "backend/trainer/task.hpp"
#include "backend/trainer/toy_task.hpp"
#include "sim/core/json.hpp"

namespace orrery::trainer {
namespace {

using Make = Expected<std::unique_ptr<Task>> (*)(const nlohmann::json&, const TaskContext&);
struct Row {
  std::string_view name;
  Make make;
};
constexpr Row kTasks[] = {
    {"multimodal", make_multimodal_task},
    {"toy", make_toy_task},
};

}  // namespace

Expected<std::unique_ptr<Task>> make_task(const nlohmann::json& config, const TaskContext& context) {
  const auto at = config.find("task");
  if (at == config.end() || !at->is_string()) return fail("the job's config has no key `task`");
  const std::string name = *at;
  std::vector<std::string_view> names;
  for (const Row& row : kTasks) {
    if (row.name == name) return row.make(config, context);
    names.push_back(row.name);
  }
  Diagnostic d{fmt::format("unknown task `{}`", name)};
  d.notes.push_back(fmt::format("tasks: {}", fmt::join(names, ", ")));
  return fail(std::move(d));
}

}  // namespace orrery::trainer
