// The tables that profile families are made of: step times, epochs, and what a job takes of one GPU.
#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "traces/format/table_reader.hpp"
#include "traces/format/text_file.hpp"
#include "traces/profiles/profile_files.hpp"

namespace orrery {
namespace {

constexpr double kMostMeasured = 1e30;

// A decimal with or without exponent, in [least, 1e30].
double number(TableReader& rows, int column, double least) {
  const std::string_view text = rows.text(column);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size() && value >= least && value <= kMostMeasured)
    return value;
  rows.complain(column, least > 0 ? "must be a number above 0" : "must be a number, 0 or more");
  return least > 0 ? 1 : 0;
}

// One digit per node, 1 to 9 GPUs each.
void read_placement(TableReader& rows, int column, StepPoint& p) {
  const std::string_view text = rows.text(column);
  const bool digits = !text.empty() && text.size() <= 18 && text.find_first_not_of("123456789") == text.npos;
  if (!digits) return rows.complain(column, "must be the GPUs of each node, one digit of 1 to 9 each");
  for (const char c : text) {
    p.placement = p.placement * 10 + static_cast<std::uint64_t>(c - '0');
    p.gpus += c - '0';
  }
  p.nodes = static_cast<int>(text.size());
}

}  // namespace

Expected<std::vector<StepPoint>> read_step_points(const std::string& file, std::string_view text) {
  TableReader rows(file, text);
  const int placement = rows.column("placement");
  const bool exact = placement != TableReader::kAbsent;
  const int nodes = exact ? TableReader::kAbsent : rows.required("num_nodes"),
            gpus = exact ? TableReader::kAbsent : rows.required("num_replicas"), batch = rows.required("local_bsz"),
            step = rows.required("step_time"), sync = rows.required("sync_time");
  std::vector<StepPoint> points;
  while (rows.next()) {
    StepPoint p;
    if (exact) {
      read_placement(rows, placement, p);
    } else {
      p.nodes = static_cast<int>(rows.integer(nodes, 1, 1, 1'000'000));
      p.gpus = static_cast<int>(rows.integer(gpus, 1, 1, 1'000'000));
    }
    p.local_batch = number(rows, batch, 1e-9);
    p.step_s = number(rows, step, 1e-12);
    p.sync_s = number(rows, sync, 0);
    if (rows.row_ok()) points.push_back(p);
  }
  if (auto ok = rows.finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  return points;
}

Expected<std::vector<EpochStats>> read_epoch_stats(const std::string& file, std::string_view text) {
  TableReader rows(file, text);
  const int progress = rows.required("progress"), iteration = rows.required("iteration"),
            sqr = rows.required("grad_sqr"), var = rows.required("grad_var");
  std::vector<EpochStats> epochs;
  while (rows.next()) {
    EpochStats e;
    e.progress = number(rows, progress, 1e-9);
    e.iterations = number(rows, iteration, 0);
    e.grad_sqr = number(rows, sqr, 0);
    e.grad_var = number(rows, var, 0);
    if (rows.row_ok()) epochs.push_back(e);
  }
  if (auto ok = rows.finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  return epochs;
}

Expected<std::vector<MemoryPoint>> read_memory_points(const std::string& file, std::string_view text) {
  TableReader rows(file, text);
  const int batch = rows.required("local_bsz"), gib = rows.required("gpu_memory");
  std::vector<MemoryPoint> points;
  std::set<double> seen;
  while (rows.next()) {
    MemoryPoint p;
    p.local_batch = number(rows, batch, 1e-9);
    p.gib = number(rows, gib, 1e-9);
    if (rows.row_ok() && !seen.insert(p.local_batch).second) rows.complain(batch, "must not be there twice");
    if (rows.row_ok()) points.push_back(p);
  }
  if (auto ok = rows.finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  return points;
}

Expected<std::vector<SharedStep>> read_shared_steps(const std::string& file, std::string_view text) {
  TableReader rows(file, text);
  struct Columns {
    int batch = 0, step = 0, gib = 0;
  };
  const auto side = [&rows](const std::string& name) {
    Columns c;
    c.batch = rows.required(name + "_bsz"), c.step = rows.required(name + "_step_time"),
    c.gib = rows.required(name + "_gpu_memory");
    return c;
  };
  const auto read = [&rows](const Columns& c) {
    return SharedStep::Side{number(rows, c.batch, 1e-9), number(rows, c.step, 1e-12), number(rows, c.gib, 1e-9)};
  };
  const Columns left = side("left"), right = side("right");
  std::vector<SharedStep> steps;
  std::set<std::pair<double, double>> seen;
  while (rows.next()) {
    const SharedStep s{read(left), read(right)};
    if (!rows.row_ok()) continue;
    if (!seen.insert(std::minmax(s.left.local_batch, s.right.local_batch)).second)
      rows.complain(right.batch, "must not make a pair that is there already, either way round");
    else
      steps.push_back(s);
  }
  if (auto ok = rows.finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  return steps;
}

std::optional<Expected<std::string>> profile_text(const std::filesystem::path& file) {
  std::error_code ignored;
  for (const char* ending : {"", ".gz"})
    if (const std::filesystem::path p = file.string() + ending; std::filesystem::exists(p, ignored))
      return read_text_file(p.string());
  return std::nullopt;
}

Expected<std::vector<StepPoint>> profile_points(const std::filesystem::path& file, bool& there) {
  const auto text = profile_text(file);
  there = text.has_value();
  if (!there) return {};
  if (!*text) return tl::make_unexpected(text->error());
  return read_step_points(file.string(), **text);
}

Expected<double> read_longest(const std::string& file, std::string_view text, std::string_view column) {
  TableReader rows(file, text);
  const int at = rows.required(column);
  double longest = 0;
  while (rows.next()) longest = std::max(longest, number(rows, at, 0));
  if (auto ok = rows.finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  return longest;
}

}  // namespace orrery
