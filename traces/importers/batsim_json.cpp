// The events of a JSON parser into jobs and profiles. Nothing is kept of the rest of the file.
#include "traces/importers/batsim_json.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/core/json.hpp"

namespace orrery::batsim {
namespace {

class Handler {
 public:
  Handler(const std::string& file, std::string_view text, const JsonProgress& progress, RawWorkload& out)
      : file_(file), text_(text), progress_(progress), out_(out) {}

  bool null() { return value(ValueKind::other, {}); }
  bool boolean(bool) { return value(ValueKind::other, {}); }
  bool number_integer(std::int64_t v) { return value(ValueKind::number, fmt::format("{}", v)); }
  bool number_unsigned(std::uint64_t v) { return value(ValueKind::number, fmt::format("{}", v)); }
  bool number_float(double, const std::string& written) { return value(ValueKind::number, written); }
  bool string(std::string& v) { return value(ValueKind::text, std::move(v)); }
  template <class Bytes>
  bool binary(Bytes&) {
    return false;  // is not in a JSON text
  }
  bool key(std::string& k) {
    key_ = std::move(k);
    return true;
  }
  bool start_object(std::size_t) {
    const Place here = progress_.place();
    In next = In::elsewhere;
    if (open_.empty()) {
      next = In::root;
    } else if (open_.back() == In::jobs) {
      next = In::job;
      out_.jobs.emplace_back().at = here;
    } else if (open_.back() == In::root && key_ == "profiles") {
      next = In::profiles;
      has_profiles_ = true;
    } else if (open_.back() == In::profiles) {
      next = In::profile;
      profile_ = &out_.profiles[key_];
      *profile_ = {here, {}, {}};
    } else {
      value(ValueKind::other, {});
    }
    open_.push_back(next);
    return true;
  }
  bool start_array(std::size_t) {
    const bool jobs = !open_.empty() && open_.back() == In::root && key_ == "jobs";
    has_jobs_ = has_jobs_ || jobs;
    if (!jobs) value(ValueKind::other, {});
    open_.push_back(jobs ? In::jobs : In::elsewhere);
    return true;
  }
  bool end_object() { return end_array(); }
  bool end_array() {
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& e) {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while parsing value - ..."
    const std::string_view what = e.what();
    const std::size_t syntax = what.find("syntax error");
    error_.message =
        fmt::format("this is no JSON: {}", what.substr(syntax != what.npos ? syntax : what.find("] ") + 2));
    const std::size_t last = progress_.read > 0 ? progress_.read - 1 : 0;
    const std::string_view before = text_.substr(0, last);
    const std::size_t newline = before.rfind('\n');
    const std::size_t start = newline == before.npos ? 0 : newline + 1;
    error_.where = {file_, 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n')),
                    static_cast<int>(last - start + 1)};
    error_.line_text = line_of(text_, error_.where.line);
    return false;
  }

  // After a parse that did not fail: what the file must have.
  Expected<void> check() {
    if (!error_.message.empty()) return fail(error_);
    error_.where.file = file_;
    if (!has_jobs_)
      error_.message = "no Batsim workload: it has no array `jobs`";
    else if (!has_profiles_)
      error_.message = "no Batsim workload: it has no object `profiles`";
    else
      return {};
    return fail(error_);
  }

 private:
  enum class In : std::uint8_t { root, jobs, job, profiles, profile, elsewhere };

  bool value(ValueKind kind, std::string text) {
    if (open_.empty()) return true;
    Value* to = nullptr;
    if (open_.back() == In::root && key_ == "nb_res") to = &out_.resources;
    if (open_.back() == In::job) to = field_of(out_.jobs.back());
    if (open_.back() == In::profile && key_ == "type") to = &profile_->type;
    if (open_.back() == In::profile && key_ == "delay") to = &profile_->delay;
    if (to != nullptr) *to = {kind, std::move(text)};
    // What stands for a job and is none: a job without anything, which is an error further on.
    if (open_.back() == In::jobs) out_.jobs.emplace_back().at = progress_.place();
    return true;
  }
  Value* field_of(RawJob& j) const {
    if (key_ == "id") return &j.id;
    if (key_ == "subtime") return &j.submit;
    if (key_ == "res") return &j.resources;
    if (key_ == "walltime") return &j.walltime;
    return key_ == "profile" ? &j.profile : nullptr;
  }

  const std::string& file_;
  std::string_view text_;
  const JsonProgress& progress_;
  RawWorkload& out_;
  std::vector<In> open_;
  std::string key_;
  RawProfile* profile_ = nullptr;
  bool has_jobs_ = false, has_profiles_ = false;
  Diagnostic error_;
};

}  // namespace

Expected<RawWorkload> parse(const std::string& file, std::string_view text) {
  RawWorkload out;
  JsonProgress progress;
  Handler handler(file, text, progress, out);
  const JsonCursor from{text.data(), &progress}, to{text.data() + text.size(), &progress};
  (void)nlohmann::json::sax_parse(from, to, &handler);
  if (auto ok = handler.check(); !ok) return tl::make_unexpected(std::move(ok.error()));
  return out;
}

}  // namespace orrery::batsim
