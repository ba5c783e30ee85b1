#include "sim/observe/log/event_log.hpp"

#include <algorithm>
#include <cstring>

#include "sim/api/event_text.hpp"
#include "sim/core/assert.hpp"
#include "sim/core/fetch.hpp"
#include "sim/core/text.hpp"

namespace orrery {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kFlushBytes = std::size_t{1} << 16;
constexpr std::size_t kBeginBytes = 48;  // of a line, before its kind: at most 35

}  // namespace

EventLog::Short::Short(std::string_view of) : size(of.size()) {
  ORRERY_ASSERT(of.size() <= kShort, "`{}` has no room here", of);
  std::copy(of.begin(), of.end(), text.begin());
}

EventLog::EventLog(const std::shared_ptr<const JobTable>& jobs, const std::vector<std::int32_t>& node_gpus,
                   EventLogOptions options)
    : options_(std::move(options)),
      words_{[this](TextBuffer&, JobId job) { quoted(job); }, [this](const Reason& r) { return reason_is_new(r); }},
      reasons_(jobs->size()) {
  name_at_.reserve(jobs->size() + 1);
  for (const auto& j : *jobs) {
    name_at_.push_back(names_.size());
    append_json(names_, j.name);
  }
  name_at_.push_back(names_.size());
  names_.append(kShort, '\0');
  for (std::size_t kind = 0; kind < kEventKinds; ++kind) {
    const std::string end = std::string(to_string(static_cast<EventKind>(kind))) + '"';
    of_none_[kind] = Short(end);
    of_job_[kind] = Short(end + R"(,"job":)");
  }
  if (!options_.path.empty()) file_ = std::make_unique<PackedFile>(options_.path, options_.level);
  out_ += R"({"orrery":"events","schema":)"sv;
  append_int(out_, kEventLogSchema);
  out_ += R"(,"jobs":"jobs.csv","nodes":[)"sv;  // [count, GPUs of each] for runs of equal nodes
  for (std::size_t i = 0; i < node_gpus.size();) {
    std::size_t last = i;
    while (last < node_gpus.size() && node_gpus[last] == node_gpus[i]) ++last;
    if (i != 0) out_.push_back(',');
    out_.push_back('[');
    append_int(out_, static_cast<std::int64_t>(last - i));
    out_.push_back(',');
    append_int(out_, node_gpus[i]);
    out_.push_back(']');
    i = last;
  }
  out_ += "]}\n"sv;
}

EventLog::~EventLog() = default;

void EventLog::flush() {
  hash_.update(out_.view());
  if (options_.text != nullptr) options_.text->append(out_.view());
  if (file_ != nullptr) file_->write(out_.view());
  out_.clear();
}

// Many lines begin with the same instant.
void EventLog::begin_line(Time at) {
  if (begin_.empty() || begin_at_ != at) {
    begin_at_ = at;
    begin_.clear();
    (void)begin_.room(kBeginBytes);
    begin_ += R"({"t_ns":)"sv;
    append_int(begin_, at.ns);
    begin_ += R"(,"e":")"sv;
  }
  out_.append_of<kBeginBytes>(begin_.view().data(), begin_.size());
}

void EventLog::end_line() {
  out_ += "}\n"sv;
  ++lines_;
  if (out_.size() >= kFlushBytes) flush();
}

void EventLog::quoted(JobId job) {
  if (job.index() + 1 >= name_at_.size()) {
    out_ += "null"sv;
    return;
  }
  const std::size_t from = name_at_[job.index()], size = name_at_[job.index() + 1] - from;
  if (size <= kShort)
    out_.append_of<kShort>(names_.data() + from, size);
  else
    out_.append(std::string_view(names_).substr(from, size));
}

bool EventLog::reason_is_new(const Reason& r) {
  if (r.job.index() >= reasons_.size()) return false;
  Reason& last = reasons_[r.job.index()];
  if (last.job.valid() ? last == r : r.code == ReasonCode::none && r.argument == 0) return false;
  last = r;
  return true;
}

void EventLog::on_plan(Time, std::uint64_t epoch, const Plan& plan) {
  if (has_decide_ && decide_.get<event::Decide>().epoch == epoch) {
    begin_event(decide_);
    append_plan(out_, plan, words_);
    end_line();
    has_decide_ = false;
    return;
  }
  const std::size_t from = out_.size();
  append_plan(out_, plan, words_);
  plan_text_ = out_.view().substr(from);
  out_.cut(from);
  plan_epoch_ = epoch;
  has_plan_ = true;
}

// All but the line's end.
void EventLog::begin_event(const Event& e) {
  const auto begin = [this](const Event& of) {
    begin_line(of.at);
    append((of.job.valid() ? of_job_ : of_none_)[of.what.index()]);
  };
  append_event(out_, e, begin, Names{this});
}

void EventLog::write_decide(const Event& e, bool with_plan) {
  begin_event(e);
  if (with_plan) out_ += plan_text_;
  end_line();
}

// A decide event whose plan did not follow at once goes out without one.
void EventLog::settle_decide() {
  if (!has_decide_) return;
  has_decide_ = false;
  write_decide(decide_, false);
}

void EventLog::expect(JobId job) const {
  if (job.index() >= reasons_.size()) return;
  fetch(reasons_[job.index()]);
  fetch(names_[name_at_[job.index()]]);
}

void EventLog::on_event(const Event& e) {
  settle_decide();
  if (const auto* decide = e.get_if<event::Decide>()) {
    if (has_plan_ && plan_epoch_ == decide->epoch) {
      has_plan_ = false;
      write_decide(e, true);
    } else {
      decide_ = e;
      has_decide_ = true;
    }
    return;
  }
  const auto* reason = e.get_if<event::WaitReason>();
  if (reason != nullptr && !reason_is_new({e.job, reason->code, reason->argument})) return;
  begin_event(e);
  end_line();
}

void EventLog::on_batch_end(Time) {
  settle_decide();
}

void EventLog::on_end(Time now) {
  settle_decide();
  begin_line(now);
  out_ += "end\""sv;
  end_line();
}

Expected<std::string> EventLog::close() {
  settle_decide();
  flush();
  const int error = file_ != nullptr ? file_->close() : 0;
  if (error != 0) return fail(fmt::format("cannot write `{}`: {}", options_.path, std::strerror(error)));
  return hash_.finish();
}

}  // namespace orrery
