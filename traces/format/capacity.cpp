#include "traces/format/capacity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
#include "sim/core/quantity.hpp"
#include "traces/format/formats.hpp"
#include "traces/format/json_place.hpp"
#include "traces/format/table_reader.hpp"
#include "traces/format/text_file.hpp"
#include "traces/format/wall_clock.hpp"

namespace orrery {
namespace {

constexpr std::int64_t kMostUnits = 1'000'000;  // nodes or GPUs

void add(CapacityTrace& t, Time at, std::int64_t count) {
  ++t.samples;
  t.end = std::max(t.end, at);
  if (!t.steps.empty() && t.steps.back().at == at) {
    t.steps.back().count = count;
    return;
  }
  if (t.steps.empty() || t.steps.back().count != count) t.steps.push_back({at, count});
}

tl::unexpected<Error> wrong(const std::string& file, std::string what, std::string hint) {
  Diagnostic d{std::move(what)};
  d.where.file = file;
  d.hint = std::move(hint);
  return fail(std::move(d));
}

Expected<CapacityTrace> read_spot(const std::string& file, std::string_view text) {
  CapacityTrace t;
  t.format = "spot";
  const auto bad = [&](const JsonPath& path, std::string what) {
    Diagnostic d = at_json_place(file, text, path, std::move(what));
    d.hint = "it wants {\"metadata\": {\"gap_seconds\": 300}, \"data\": [0, 4, ...]}";
    return fail(std::move(d));
  };
  nlohmann::json j;
  try {
    j = parse_json(text);
  } catch (const nlohmann::json::parse_error& e) {
    return fail(at_json_byte(file, text, e.byte == 0 ? 0 : e.byte - 1, "this is no spot trace: no JSON from here"));
  } catch (const nlohmann::json::out_of_range&) {
    return bad({}, "this is no spot trace: it holds a number that is too large");
  }
  if (!j.is_object() || !j.contains("metadata") || !j.contains("data")) return bad({}, "this is no spot trace");
  const nlohmann::json& about = j["metadata"];
  const nlohmann::json gap = about.is_object() ? about.value("gap_seconds", nlohmann::json()) : nlohmann::json();
  if (!gap.is_number_integer() || gap.get<std::int64_t>() < 1 || gap.get<std::int64_t>() > 1'000'000)
    return bad({"metadata", "gap_seconds"}, "`metadata.gap_seconds` must be a whole number of seconds");
  if (!j["data"].is_array() || j["data"].empty()) return bad({"data"}, "`data` must be a list of numbers");
  const std::int64_t gap_s = gap.get<std::int64_t>();
  for (const nlohmann::json& v : j["data"]) {
    if (!v.is_number_integer() || v.get<std::int64_t>() < 0 || v.get<std::int64_t>() > kMostUnits)
      return bad({"data", std::to_string(t.samples)},
                 fmt::format("`data[{}]` must be a whole number from 0 to {}", t.samples, kMostUnits));
    add(t, at_seconds(t.samples * gap_s), v.get<std::int64_t>());
  }
  t.end = at_seconds(t.samples * gap_s);
  return t;
}

BareTable comma_table(std::vector<std::string> columns) {
  BareTable b;
  b.columns = std::move(columns);
  b.comment = '#';
  b.separator = ',';
  return b;
}

Expected<CapacityTrace> finish(TableReader& rows, CapacityTrace t) {
  if (auto ok = rows.finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  if (t.steps.empty()) return fail("the capacity trace has no rows");
  return t;
}

Expected<CapacityTrace> read_bamboo(const std::string& file, std::string_view text) {
  CapacityTrace t;
  t.format = "bamboo";
  TableReader rows(file, text, comma_table({"ms", "what", "node"}));
  std::set<std::string, std::less<>> there;
  while (rows.next()) {
    const std::int64_t ns = rows.fixed(0, 6, 0, 0);
    const std::string_view what = rows.text(1), node = rows.given(2);
    if (what != "add" && what != "remove") rows.complain(1, "must be add or remove");
    if (!rows.row_ok()) continue;
    if (what == "add")
      there.emplace(node);
    else if (const auto it = there.find(node); it != there.end())
      there.erase(it);
    add(t, Time{std::min(ns, kMaxTraceNs)}, static_cast<std::int64_t>(there.size()));
  }
  return finish(rows, std::move(t));
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  return s;
}

// Rows of a wall clock and a number; times from the first row, which must not go back.
class ClockedRows {
 public:
  ClockedRows(TableReader& rows, CapacityTrace& trace) : rows_(&rows), trace_(&trace) {}
  void row(int column, const std::string& clock, std::int64_t count) {
    const auto t = parse_wall_clock(clock);
    if (!t) return rows_->complain(column, "must be a date and time from 1970 to 2200");
    if (trace_->samples == 0) zero_ = *t;
    if (*t - zero_ < last_) return rows_->complain(column, "goes back in time");
    last_ = *t - zero_;
    if (rows_->row_ok()) add(*trace_, at_seconds(last_), count);
  }

 private:
  TableReader* rows_;
  CapacityTrace* trace_;
  std::int64_t zero_ = 0, last_ = 0;
};

Expected<CapacityTrace> read_gcloud(const std::string& file, std::string_view text) {
  CapacityTrace t;
  t.format = "gcloud";
  TableReader rows(file, text, comma_table({"date", "time", "running"}));
  ClockedRows clocked(rows, t);
  while (rows.next()) {
    const std::int64_t count = rows.integer(2, 0, 0, kMostUnits);
    clocked.row(0, fmt::format("{} {}", trimmed(rows.text(0)), trimmed(rows.text(1))), count);
  }
  return finish(rows, std::move(t));
}

Expected<CapacityTrace> read_headed(const std::string& file, std::string_view text, const char* time, bool gpus) {
  CapacityTrace t;
  t.format = gpus ? "gpu-number" : "node-sequence";
  t.gpus = gpus;
  TableReader rows(file, text);
  const int at = rows.required(time), total = rows.required("total");
  ClockedRows clocked(rows, t);
  while (rows.next()) {
    const std::int64_t count = rows.integer(total, 0, 0, kMostUnits);
    clocked.row(at, std::string(rows.text(at)) + (gpus ? " 00:00:00" : ""), count);
  }
  return finish(rows, std::move(t));
}

}  // namespace

Expected<CapacityTrace> read_capacity_text(const std::string& file, std::string_view text) {
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  if (!text.empty() && text.front() == '{') return read_spot(file, text);
  if (line.rfind("time,", 0) == 0) return read_headed(file, text, "time", false);
  if (line.rfind("date,", 0) == 0) return read_headed(file, text, "date", true);
  if (line.find(",add,") != line.npos || line.find(",remove,") != line.npos) return read_bamboo(file, text);
  if (std::count(line.begin(), line.end(), ',') == 2) return read_gcloud(file, text);
  return wrong(file, "this is no capacity trace of a known form",
               "forms: spot JSON; ms,add|remove,node; date, time, running; time,active,total; date,...,total");
}

Expected<CapacityTrace> read_capacity(const std::string& path) {
  const auto text = read_text_file(path);
  if (!text) return tl::make_unexpected(text.error());
  return read_capacity_text(path, *text);
}

std::vector<Outage> outages_of(const CapacityTrace& trace, std::int64_t nodes, int gpus_per_node) {
  return outages_of(trace, std::vector<int>(static_cast<std::size_t>(std::max<std::int64_t>(nodes, 0)),
                                            std::max(gpus_per_node, 1)));
}

std::vector<Outage> outages_of(const CapacityTrace& trace, const std::vector<int>& node_gpus) {
  std::vector<Outage> out;
  std::int64_t needed = 0;  // so many nodes or GPUs that this node is among them
  for (std::size_t n = 0; n < node_gpus.size(); ++n) {
    needed += trace.gpus ? node_gpus[n] : 1;
    Time down = kNever;  // since when it is out
    for (const CapacityStep& s : trace.steps) {
      const bool up = s.count >= needed;
      if (!up) down = std::min(down, s.at);
      if (!up || down == kNever) continue;
      out.push_back({NodeId(static_cast<std::uint32_t>(n)), down, s.at});
      down = kNever;
    }
    if (down < trace.end) out.push_back({NodeId(static_cast<std::uint32_t>(n)), down, trace.end});
  }
  return out;
}

Expected<std::vector<GpuLife>> read_gpu_lives_text(const std::string& file, std::string_view text) {
  TableReader rows(file, text);
  const int serial = rows.required("SN"), location = rows.required("location"), insert = rows.required("insert"),
            remove = rows.required("remove"), duration = rows.required("duration"), event = rows.required("event");
  std::vector<GpuLife> lives;
  const auto clock = [&rows](int column, Time& at) {
    const std::string_view text_of = rows.text(column);
    if (text_of.empty() || text_of == "NA") return false;
    const auto t = parse_wall_clock(text_of);
    if (!t) rows.complain(column, "must be a date and time from 1970 to 2200");
    if (t) at = at_seconds(*t);
    return t.has_value();
  };
  while (rows.next()) {
    GpuLife g;
    g.serial = rows.text(serial);
    g.location = rows.given(location);
    const bool inserted = clock(insert, g.insert);
    (void)clock(remove, g.remove);
    const std::string_view seconds_text = rows.text(duration);
    g.timed = inserted && !seconds_text.empty() && seconds_text != "NA";
    if (g.timed) g.duration_s = rows.fixed(duration, 0, 0, 0);
    const std::string_view end = rows.text(event);
    if (end == "DBE") g.end = GpuLife::End::double_bit_error;
    if (end == "OTB") g.end = GpuLife::End::off_the_bus;
    if (rows.row_ok()) lives.push_back(std::move(g));
  }
  if (auto ok = rows.finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  return lives;
}

Expected<std::vector<GpuLife>> read_gpu_lives(const std::string& path) {
  const auto text = read_text_file(path);
  if (!text) return tl::make_unexpected(text.error());
  return read_gpu_lives_text(path, *text);
}

std::vector<Outage> outages_of(const std::vector<GpuLife>& lives, std::int64_t nodes, Duration repair) {
  std::set<std::string_view> locations;
  std::vector<const GpuLife*> ends;
  for (const GpuLife& g : lives) {
    locations.insert(g.location);
    if (g.end != GpuLife::End::none) ends.push_back(&g);
  }
  std::stable_sort(ends.begin(), ends.end(),
                   [](const GpuLife* a, const GpuLife* b) { return a->remove < b->remove; });
  const std::vector<std::string_view> sorted(locations.begin(), locations.end());
  std::vector<Outage> out;
  std::vector<Time> up_at(static_cast<std::size_t>(std::max<std::int64_t>(nodes, 0)));
  for (const GpuLife* g : ends) {
    if (nodes < 1) break;
    const auto at = std::lower_bound(sorted.begin(), sorted.end(), std::string_view(g->location)) - sorted.begin();
    const auto node = static_cast<std::size_t>(at % nodes);
    const Time from = Time{} + (g->remove - ends.front()->remove);
    if (from < up_at[node]) continue;  // it is out already
    up_at[node] = from + repair + Duration{1};
    out.push_back({NodeId(static_cast<std::uint32_t>(node)), from, from + repair});
  }
  return out;
}

namespace {

bool has_gpu_lives(std::string_view text) {
  const TableReader rows({}, text.substr(0, text.find('\n')));
  return rows.column("SN") != TableReader::kAbsent && rows.column("event") != TableReader::kAbsent;
}

}  // namespace

Expected<RecordedOutages> read_outages(const std::string& path, const CapacityOf& cluster) {
  const auto text = read_text_file(path);
  if (!text) return tl::make_unexpected(text.error());
  RecordedOutages out;
  if (has_gpu_lives(*text)) {
    const auto lives = read_gpu_lives_text(path, *text);
    if (!lives) return tl::make_unexpected(lives.error());
    const auto errors =
        std::count_if(lives->begin(), lives->end(), [](const GpuLife& g) { return g.end != GpuLife::End::none; });
    out.outages = outages_of(*lives, static_cast<std::int64_t>(cluster.node_gpus.size()), cluster.repair);
    out.about = fmt::format("{} errors in {} lives of GPUs, {} outages of nodes of {} each", errors, lives->size(),
                            out.outages.size(), format_duration(cluster.repair));
    return out;
  }
  const auto recorded = read_capacity_text(path, *text);
  if (!recorded) return tl::make_unexpected(recorded.error());
  out.outages = outages_of(*recorded, cluster.node_gpus);
  out.about = fmt::format("{} changes over {:.1f} h, {} outages of nodes", recorded->steps.size(),
                          to_seconds(recorded->end) / 3600, out.outages.size());
  return out;
}

}  // namespace orrery
