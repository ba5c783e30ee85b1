// `orrery live calibrate`: measures the jobs of a scenario that really train, and writes the profile table that the
// simulator reads.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "backend/protocol/files.hpp"
#include "scenarios/app/cli.hpp"
#include "scenarios/app/scenario_args.hpp"
#include "scenarios/run/calibrate.hpp"
#include "scenarios/run/live_tasks.hpp"

namespace orrery::app {
namespace fs = std::filesystem;
namespace {

// "1,2,4".
Expected<std::vector<int>> list_of_counts(std::string_view text) {
  std::vector<int> counts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    int n = 0;
    const char* const end = text.data() + comma;
    const auto [stop, error] = std::from_chars(text.data() + at, end, n);
    if (error != std::errc{} || stop != end || n < 1 || n > 64)
      return fail(fmt::format("--corunners {}: a list of numbers from 1 to 64, such as 1,2,4", text));
    counts.push_back(n);
    at = comma + 1;
  }
  return counts;
}

}  // namespace

int live_calibrate_action(const std::vector<std::string>& arguments) {
  Args args("orrery live calibrate SCENARIO -o FILE.csv [--steps N] [--corunners 1,2,4]", {"scenario"});
  args.options()("output,o", taking<std::string>(), "the table; printed where there is none")(
      "steps", taking<std::int64_t>().otherwise(60), "steps that are measured, after five that are not")(
      "corunners", taking<std::string>().otherwise("1,2,4"), "how many at once on the same slots");
  add_scenario_options(args);
  args.within("steps", 2, 1'000'000'000);
  if (const auto done = read_arguments(args, arguments)) return *done;
  auto counts = list_of_counts(args.text("corunners"));
  if (!counts) return report_error(counts.error());
  auto scenario = scenario_from(args, "");
  if (!scenario) return report_error(scenario.error());
  auto prepared = prepare(std::move(*scenario), 1);
  if (!prepared) return report_error(prepared.error());
  const LiveConfig config = prepared->scenario.live.value_or(LiveConfig{});
  std::error_code ignored;
  const std::string folder =
      fs::absolute(fmt::format("{}/{}-calibrate", prepared->scenario.output_dir, prepared->scenario.name), ignored)
          .string();
  if (auto ok = check_live(*prepared, folder); !ok) return report_error(ok.error());
  auto subjects = calibration_subjects(*prepared);
  if (!subjects) return report_error(subjects.error());
  auto trainer = find_trainer(config.gpus);
  if (!trainer) return report_error(trainer.error()), kEngineUnavailable;
  CalibrationRequest request;
  request.folder = folder;
  request.trainer = *trainer;
  request.steps = args.get<std::int64_t>("steps");
  request.corunners = *std::move(counts);
  request.begins = [](const CalibrationSubject& s, int corunners) {
    fmt::print(stderr, "{} ({}), {} rank{}, {} at once\n", s.model, s.mode, s.world, s.world == 1 ? "" : "s",
               corunners);
  };
  const auto rows = calibrate(*prepared, *subjects, request);
  if (!rows) return report_error(rows.error()), kRunFailed;
  const std::string text = profile_text(*rows);
  const std::string output = args.text("output");
  if (output.empty()) return print(text) ? kOk : kRunFailed;
  if (const auto parent = fs::path(output).parent_path(); !parent.empty()) fs::create_directories(parent, ignored);
  if (auto ok = live::replace_file(output, text); !ok) return report_error(ok.error());
  return print(fmt::format("{} rows -> {}\n", rows->size(), output)) ? kOk : kRunFailed;
}

}  // namespace orrery::app
