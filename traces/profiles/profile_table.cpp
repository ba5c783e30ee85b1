#include "traces/profiles/profile_table.hpp"

#include <fmt/format.h>

#include <limits>
#include <map>
#include <tuple>

#include "traces/format/decimal.hpp"
#include "traces/format/table_reader.hpp"
#include "traces/format/text_file.hpp"

namespace orrery {
namespace {

constexpr const char* kHeader =
    "model,mode,gpu,world,local_batch,corunners,step_s,step_cv,start_s,save_s,restore_s,stop_s,bytes\n";
constexpr std::int64_t kMostCounted = std::numeric_limits<std::int64_t>::max();

using Key = std::tuple<std::string, std::string, std::string, std::int32_t, std::int64_t, std::int32_t>;

}  // namespace

std::string profile_text(const std::vector<ProfileRow>& rows) {
  std::string out = kHeader;
  for (const ProfileRow& r : rows) {
    for (const std::string* field : {&r.model, &r.mode, &r.gpu}) {
      append_field(out, *field);
      out += ',';
    }
    out += fmt::format("{},{},{},{},{:.6f}", r.world, r.local_batch, r.corunners, seconds_text(r.step.ns), r.step_cv);
    for (const Duration d : {r.start, r.save, r.restore, r.stop}) out += "," + seconds_text(d.ns);
    out += fmt::format(",{}\n", r.bytes);
  }
  return out;
}

Expected<std::vector<ProfileRow>> read_profile_text(const std::string& file, std::string_view text) {
  TableReader rows(file, text);
  const int model = rows.required("model"), mode = rows.required("mode"), gpu = rows.required("gpu"),
            world = rows.required("world"), batch = rows.required("local_batch"),
            corunners = rows.required("corunners"), step = rows.required("step_s"), cv = rows.required("step_cv"),
            start = rows.required("start_s"), save = rows.required("save_s"), restore = rows.required("restore_s"),
            stop = rows.required("stop_s"), bytes = rows.required("bytes");
  std::vector<ProfileRow> all;
  std::map<Key, int> line_of;
  while (rows.next()) {
    ProfileRow r;
    r.model = rows.text(model);
    r.mode = rows.text(mode);
    r.gpu = rows.given(gpu);
    r.world = static_cast<std::int32_t>(rows.integer(world, 1, 1, 1'000'000));
    r.local_batch = rows.integer(batch, 0, 0, kMostCounted);
    r.corunners = static_cast<std::int32_t>(rows.integer(corunners, 1, 1, 1'000'000));
    r.step = Duration{rows.fixed(step, 9, 1, 1)};
    r.step_cv = static_cast<double>(rows.fixed(cv, 6, 0, 0)) / 1e6;
    r.start = Duration{rows.fixed(start, 9, 0, 0)};
    r.save = Duration{rows.fixed(save, 9, 0, 0)};
    r.restore = Duration{rows.fixed(restore, 9, 0, 0)};
    r.stop = Duration{rows.fixed(stop, 9, 0, 0)};
    r.bytes = rows.integer(bytes, 0, 0, kMostCounted);
    const auto [at, fresh] =
        line_of.try_emplace(Key{r.model, r.mode, r.gpu, r.world, r.local_batch, r.corunners}, rows.line());
    if (!fresh) rows.complain(model, fmt::format("is a second row for what line {} says", at->second));
    if (rows.row_ok()) all.push_back(std::move(r));
  }
  if (auto ok = rows.finish(); !ok) return tl::make_unexpected(std::move(ok.error()));
  return all;
}

Expected<std::vector<ProfileRow>> read_profile(const std::string& path) {
  const auto text = read_text_file(path);
  if (!text) return tl::make_unexpected(text.error());
  return read_profile_text(path, *text);
}

}  // namespace orrery
