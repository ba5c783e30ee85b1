// What Slurm's `sacct -P` (or -p) prints: fields apart by `|` under the names of its --format. Read are a job's own
// rows, not those of its steps. GPUs are those of AllocTRES, or of ReqTRES where nothing was allocated; the time
// limit is the user's estimate. Clocks are local and taken as they stand.
#include <fmt/format.h>

#include <algorithm>

#include "sim/core/quantity.hpp"
#include "traces/format/formats.hpp"
#include "traces/format/wall_clock.hpp"

namespace orrery {
namespace {

constexpr const char* kAsk = "sacct -P -X --format=JobID,User,Submit,Elapsed,State,AllocTRES,ReqTRES,Timelimit";
constexpr std::int64_t kMostGres = 1'000'000;
constexpr std::int64_t kMostSeconds = kMaxTraceNs / kNsPerSecond;

std::string_view header_of(std::string_view text) {
  return text.substr(0, text.find_first_of("\r\n"));
}

// The seconds of [DAYS-]HH:MM:SS, MM:SS, with a fraction or without.
std::optional<std::int64_t> parse_elapsed(std::string_view t) {
  std::int64_t days = 0;
  if (const std::size_t dash = t.find('-'); dash != t.npos) {
    const auto d = parse_fixed(t.substr(0, dash), 0);
    if (!d || *d < 0 || *d > kMostSeconds / 86400) return std::nullopt;
    days = *d;
    t.remove_prefix(dash + 1);
  }
  t = t.substr(0, t.find('.'));
  std::int64_t total = 0;
  int parts = 0;
  while (parts < 4) {
    const std::size_t colon = std::min(t.find(':'), t.size());
    const std::string_view part = t.substr(0, colon);
    if (part.empty() || part.size() > 4 || part.find_first_not_of("0123456789") != part.npos) return std::nullopt;
    total = total * 60 + *parse_fixed(part, 0);
    ++parts;
    if (colon == t.size()) break;
    t.remove_prefix(colon + 1);
  }
  return parts >= 2 && parts <= 3 ? std::optional(days * 86400 + total) : std::nullopt;
}

// The GPUs of "billing=8,cpu=8,gres/gpu=4,gres/gpu:a100=4": the sum over types where there is no total.
struct Gpus {
  std::int64_t count = 0;
  std::string type;
};
std::optional<Gpus> parse_tres(std::string_view tres) {
  constexpr std::string_view kGpu = "gres/gpu";
  Gpus out;
  std::int64_t total = -1, by_type = 0;
  int types = 0;
  while (!tres.empty()) {
    const std::string_view item = tres.substr(0, tres.find(','));
    tres.remove_prefix(std::min(tres.size(), item.size() + 1));
    const std::size_t is = item.rfind('=');
    if (is == item.npos) return std::nullopt;
    const std::string_view name = item.substr(0, is);
    if (name.substr(0, kGpu.size()) != kGpu) continue;
    const auto n = parse_fixed(item.substr(is + 1), 0);
    if (!n || *n < 0 || *n > kMostGres) return std::nullopt;
    if (name == kGpu) {
      total = *n;
    } else if (name.size() > kGpu.size() + 1 && name[kGpu.size()] == ':') {
      by_type += *n;
      out.type = name.substr(kGpu.size() + 1);
      ++types;
    }
  }
  out.count = total >= 0 ? total : by_type;
  if (types != 1) out.type.clear();
  return out;
}

struct SacctColumns {
  explicit SacctColumns(TableReader& r)
      : id(r.required("JobID")),
        submit(r.required("Submit")),
        state(r.column("State")),
        user(r.column("User")),
        account(r.column("Account")),
        elapsed(r.column("Elapsed")),
        raw(r.column("ElapsedRaw")),
        allocated(r.column("AllocTRES")),
        requested(r.column("ReqTRES")),
        limit(r.column("Timelimit")),
        limit_raw(r.column("TimelimitRaw")) {}
  int id, submit, state, user, account, elapsed, raw, allocated, requested, limit, limit_raw;
};

// Of states, the words that stand for a job that has not ended.
bool goes_on(std::string_view state) {
  state = state.substr(0, state.find(' '));
  for (const std::string_view s : {"RUNNING", "PENDING", "REQUEUED", "RESIZING", "SUSPENDED", "COMPLETING"})
    if (state == s) return true;
  return false;
}

void read_gpus(TableReader& rows, const SacctColumns& c, TraceJob& j) {
  const int column =
      rows.text(c.allocated).empty() && c.requested != TableReader::kAbsent ? c.requested : c.allocated;
  const auto gpus = parse_tres(rows.text(column));
  if (!gpus) return rows.complain(column, "must be resources as of sacct, such as cpu=8,gres/gpu=4");
  j.gpus = static_cast<std::int32_t>(std::min(gpus->count, kMostGres));
  j.gpu_type = gpus->type;
}

void read_times(TableReader& rows, const SacctColumns& c, TraceJob& j) {
  if (const auto t = parse_wall_clock(rows.text(c.submit)))
    j.submit = at_seconds(*t);
  else
    rows.complain(c.submit, "must be a date and time from 1970 to 2200, such as 2023-05-17T11:00:58");
  if (c.raw != TableReader::kAbsent) {
    j.duration = seconds(rows.integer(c.raw, 0, 0, kMostSeconds));
  } else if (const auto ran = parse_elapsed(rows.text(c.elapsed))) {
    j.duration = seconds(std::min(*ran, kMostSeconds));
  } else {
    rows.complain(c.elapsed, "must be a time such as 1-02:03:04");
  }
  const std::string_view limit = rows.text(c.limit), minutes = rows.text(c.limit_raw);
  std::int64_t most = parse_elapsed(limit).value_or(0);
  if (most == 0 && !minutes.empty())
    most = std::min(parse_fixed(minutes, 0).value_or(0), kMostSeconds / 60) * 60;  // UNLIMITED is none
  if (most > 0) j.estimate = seconds(std::min(most, kMostSeconds));
}

}  // namespace

bool recognises_sacct(std::string_view text) {
  const std::string_view header = header_of(text);
  const std::size_t at = header.find("JobID");
  return at != header.npos && header.find('|') != header.npos && (at == 0 || header[at - 1] == '|');
}

Expected<void> read_sacct(const TraceText& source, Trace& trace) {
  TableReader rows(source.file, source.text, '|');
  if (source.skip_bad_rows) rows.skip_bad_rows();
  const SacctColumns c(rows);
  const bool times = c.elapsed != TableReader::kAbsent || c.raw != TableReader::kAbsent;
  if (!times || (c.allocated == TableReader::kAbsent && c.requested == TableReader::kAbsent)) {
    Diagnostic d{fmt::format("this is output of sacct, but without {}",
                             times ? "AllocTRES, which holds GPUs" : "Elapsed, the run time")};
    d.where = {source.file, 1, 1};
    d.line_text = std::string(header_of(source.text));
    d.notes.push_back(fmt::format("ask for it: {}", kAsk));
    return fail(std::move(d));
  }
  while (rows.next()) {
    if (rows.text(c.id).find('.') != std::string_view::npos) {
      ++trace.report.dropped["a step of a job"];
      continue;
    }
    if (goes_on(rows.text(c.state))) {
      ++trace.report.dropped["has not ended"];
      continue;
    }
    TraceJob j;
    j.line = rows.line();
    j.job_id = rows.given(c.id);
    j.tenant = rows.text(c.account).empty() ? rows.text(c.user) : rows.text(c.account);
    read_times(rows, c, j);
    read_gpus(rows, c, j);
    trace.has_estimates = trace.has_estimates || j.estimate.has_value();
    keep(rows, trace, std::move(j));
  }
  count_from_first(trace);
  trace.report.notes.emplace_back("local clocks are taken as they stand; tenants are accounts, else users");
  note_unread(rows, trace);
  return finish_rows(rows, trace);
}

}  // namespace orrery
