// Colocation as Lucid (ASPLOS'23) measured it: single_data.csv (samples per second alone, one GPU) and
// colocate_info.csv (pairs on one GPU, speeds relative to running alone). A configuration is model, data set, batch
// and whether mixed precision was on; it is called "MODEL (DATASET)", and "MODEL (DATASET, AMP)" with it.
#include <fmt/format.h>

#include <filesystem>

#include "traces/format/table_reader.hpp"
#include "traces/profiles/profile_files.hpp"

namespace orrery {
namespace {

namespace fs = std::filesystem;

struct LucidColumns {
  int model = 0, dataset = 0, batch = 0, amp = 0, speed = 0;
};

LucidColumns columns(TableReader& rows, std::string_view suffix) {
  const auto at = [&](std::string_view name) { return rows.required(fmt::format("{}{}", name, suffix)); };
  LucidColumns c;
  c.model = at("model"), c.dataset = at("dataset"), c.batch = at("batchsize"), c.amp = at("amp"),
  c.speed = at("speed");
  return c;
}

TrainingConfig read_lucid_config(TableReader& rows, const LucidColumns& c) {
  TrainingConfig t;
  const std::string_view model = rows.given(c.model), dataset = rows.given(c.dataset);
  const bool amp = rows.integer(c.amp, 0, 0, 1) == 1;
  t.model = fmt::format("{} ({}{})", model, dataset, amp ? ", AMP" : "");
  t.batch = rows.integer(c.batch, 1, 1, 1'000'000'000);
  return t;
}

// Thousandths of thousandths are more than was measured.
double read_speed(TableReader& rows, int column, std::int64_t least) {
  return static_cast<double>(rows.fixed(column, 9, 1'000'000'000, least)) / 1e9;
}

}  // namespace

Expected<std::vector<PairRate>> read_lucid_pairs(const std::string& file, std::string_view text) {
  TableReader rows(file, text);
  const LucidColumns a = columns(rows, "1"), b = columns(rows, "2");
  std::vector<PairRate> pairs;
  while (rows.next()) {
    PairRate p;
    p.a = read_lucid_config(rows, a);
    p.b = read_lucid_config(rows, b);
    p.speed_a = read_speed(rows, a.speed, 0);
    p.speed_b = read_speed(rows, b.speed, 0);
    if (rows.row_ok()) pairs.push_back(std::move(p));
  }
  if (auto ok = rows.finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  return pairs;
}

Expected<std::vector<AloneRate>> read_lucid_alone(const std::string& file, std::string_view text,
                                                  const std::string& gpu) {
  TableReader rows(file, text);
  const LucidColumns c = columns(rows, "");
  std::vector<AloneRate> alone;
  while (rows.next()) {
    AloneRate r;
    r.config = read_lucid_config(rows, c);
    r.gpu = gpu;
    r.steps_per_s = read_speed(rows, c.speed, 1) / static_cast<double>(r.config.batch);  // it is in samples
    if (rows.row_ok()) alone.push_back(std::move(r));
  }
  if (auto ok = rows.finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  return alone;
}

Expected<ThroughputSet> read_lucid_colocation(const std::string& folder, const std::string& gpu) {
  ThroughputSet set;
  set.name = folder;
  for (const char* name : {"single_data.csv", "colocate_info.csv"}) {
    const fs::path file = fs::path(folder) / name;
    const auto text = profile_text(file);
    if (!text) return fail(fmt::format("{} is not there", file.string()));
    if (!*text) return tl::make_unexpected(text->error());
    if (set.alone.empty()) {
      auto alone = read_lucid_alone(file.string(), **text, gpu);
      if (!alone) return tl::make_unexpected(std::move(alone.error()));
      set.alone = std::move(*alone);
    } else {
      auto pairs = read_lucid_pairs(file.string(), **text);
      if (!pairs) return tl::make_unexpected(std::move(pairs.error()));
      set.pairs = std::move(*pairs);
    }
  }
  return set;
}

}  // namespace orrery
