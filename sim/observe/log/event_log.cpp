#include "sim/observe/log/event_log.hpp"

#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sim/observe/log/text.hpp"

namespace orrery {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kFlushBytes = std::size_t{1} << 16;

}  // namespace

// The packed file. Lines repeat what stands a few lines before them: a window and a table of matches that stay in the
// nearest caches pack them better, and in less time, than those of the level.
class EventLog::File {
 public:
  File(const std::string& path, int level) : file_(std::fopen(path.c_str(), "wb")), pack_(ZSTD_createCCtx()) {
    if (file_ == nullptr) error_ = errno;
    if (pack_ == nullptr && error_ == 0) error_ = ENOMEM;
    if (error_ != 0) return;
    ZSTD_CCtx_setParameter(pack_.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(pack_.get(), ZSTD_c_windowLog, 17);
    ZSTD_CCtx_setParameter(pack_.get(), ZSTD_c_hashLog, 11);
    ZSTD_CCtx_setParameter(pack_.get(), ZSTD_c_minMatch, 7);
    packed_.resize(ZSTD_CStreamOutSize());
  }
  ~File() { close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void write(std::string_view text) { pack(text, ZSTD_e_continue); }
  // 0, or the errno of the first failure.
  int close() {
    if (file_ == nullptr) return error_;
    pack({}, ZSTD_e_end);
    if (std::fclose(file_) != 0 && error_ == 0) error_ = errno;
    file_ = nullptr;
    return error_;
  }

 private:
  void pack(std::string_view text, ZSTD_EndDirective how) {
    ZSTD_inBuffer in{text.data(), text.size(), 0};
    for (bool done = false; !done && error_ == 0;) {
      ZSTD_outBuffer out{packed_.data(), packed_.size(), 0};
      const std::size_t left = ZSTD_compressStream2(pack_.get(), &out, &in, how);
      if (ZSTD_isError(left) != 0) {
        error_ = EIO;
        return;
      }
      errno = 0;
      if (std::fwrite(packed_.data(), 1, out.pos, file_) != out.pos) error_ = errno != 0 ? errno : EIO;
      done = how == ZSTD_e_end ? left == 0 : in.pos == in.size;
    }
  }

  struct Free {
    void operator()(ZSTD_CCtx* c) const { ZSTD_freeCCtx(c); }
  };
  std::FILE* file_;
  int error_ = 0;
  std::unique_ptr<ZSTD_CCtx, Free> pack_;
  std::string packed_;
};

void append_allocation(std::string& out, const Allocation& a) {
  bool first_slice = true;
  for (const NodeSlice& s : a.slices()) {
    if (!first_slice) out.push_back(',');
    first_slice = false;
    out.push_back('n');
    append_int(out, s.node.value);
    out.push_back(':');
    if (!s.gpus.any()) out.push_back('-');
    bool first = true;
    for (GpuMask rest = s.gpus; rest.any();) {
      const int low = rest.lowest();
      int run = 0;  // GPUs in a row from `low` on
      for (; rest.has(low + run); ++run) rest.drop_lowest();
      if (!first) out.push_back('+');
      first = false;
      append_int(out, low);
      if (run > 1) {
        out.push_back('-');
        append_int(out, low + run - 1);
      }
    }
    if (s.milli_per_gpu != kMilliPerGpu) {
      out.push_back('@');
      append_int(out, s.milli_per_gpu);
    }
  }
}

EventLog::EventLog(const std::shared_ptr<const JobTable>& jobs, const std::vector<std::int32_t>& node_gpus,
                   EventLogOptions options)
    : options_(std::move(options)),
      words_{[this](std::string&, JobId job) { quoted(job); },
             [this](const Reason& r) { return reason_is_new(r.job, r.code, r.argument); }},
      reasons_(jobs->size()) {
  name_at_.reserve(jobs->size() + 1);
  for (const auto& j : *jobs) {
    name_at_.push_back(names_.size());
    append_json(names_, j.name);
  }
  name_at_.push_back(names_.size());
  if (!options_.path.empty()) file_ = std::make_unique<File>(options_.path, options_.level);
  out_ = R"({"orrery":"events","schema":)"sv;
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
  hash_.update(out_);
  if (options_.text != nullptr) options_.text->append(out_);
  if (file_ != nullptr) file_->write(out_);
  out_.clear();
}

// Many lines begin with the same instant.
void EventLog::begin_line(Time at, std::string_view kind) {
  if (begin_.empty() || begin_at_ != at) {
    begin_at_ = at;
    begin_ = R"({"t_ns":)"sv;
    append_int(begin_, at.ns);
    begin_ += R"(,"e":")"sv;
  }
  out_ += begin_;
  out_ += kind;
  out_.push_back('"');
}

void EventLog::end_line() {
  out_ += "}\n"sv;
  ++lines_;
  if (out_.size() >= kFlushBytes) flush();
}

void EventLog::quoted(JobId job) {
  if (job.index() + 1 < name_at_.size())
    out_.append(names_, name_at_[job.index()], name_at_[job.index() + 1] - name_at_[job.index()]);
  else
    out_ += "null"sv;
}

void EventLog::number(std::string_view key, std::int64_t value) {
  out_ += key;
  append_int(out_, value);
}

void EventLog::job_key(JobId job) {
  out_ += R"(,"job":)"sv;
  quoted(job);
}

void EventLog::allocation(const Allocation& a) {
  out_ += R"(,"gpus":")"sv;
  append_allocation(out_, a);
  out_.push_back('"');
  append_host_shares(out_, a);
}

bool EventLog::reason_is_new(JobId job, ReasonCode code, std::int64_t argument) {
  if (job.index() >= reasons_.size()) return false;
  LastReason& last = reasons_[job.index()];
  if (last.code == code && last.argument == argument) return false;
  last = {code, argument};
  return true;
}

void EventLog::on_plan(Time, std::uint64_t epoch, const Plan& plan) {
  if (has_decide_ && static_cast<std::uint64_t>(decide_.value) == epoch) {
    write_decide_start(decide_);
    append_plan(out_, plan, words_);
    end_line();
    has_decide_ = false;
    return;
  }
  const std::size_t from = out_.size();
  append_plan(out_, plan, words_);
  plan_text_.assign(out_, from);
  out_.resize(from);
  plan_epoch_ = epoch;
  has_plan_ = true;
}

void EventLog::write_decide_start(const Event& e) {
  begin_line(e.at, "decide");
  out_ += R"(,"epoch":)"sv;
  append_int(out_, e.value);
  out_ += R"(,"changes":)"sv;
  append_int(out_, e.value2);
  who_and_where(e);
}

void EventLog::write_decide(const Event& e, bool with_plan) {
  write_decide_start(e);
  if (with_plan) out_ += plan_text_;
  end_line();
}

// A decide event whose plan did not follow at once goes out without one.
void EventLog::settle_decide() {
  if (!has_decide_) return;
  has_decide_ = false;
  write_decide(decide_, false);
}

void EventLog::on_event(const Event& e) {
  settle_decide();
  if (e.kind == EventKind::decide) {
    if (has_plan_ && plan_epoch_ == static_cast<std::uint64_t>(e.value)) {
      has_plan_ = false;
      write_decide(e, true);
    } else {
      decide_ = e;
      has_decide_ = true;
    }
    return;
  }
  if (e.kind == EventKind::reason && !reason_is_new(e.job, static_cast<ReasonCode>(e.value), e.value2)) return;
  write(e);
}

// What kinds of events have in common. Every member of an event is written by this or by its kind's own lines in
// write(): one more does not compile before it is.
void EventLog::who_and_where(const Event& e) {
  const auto& [at, kind, job, gang, incarnation, node, value, value2, gpus] = e;
  if (kind == EventKind::decide && job.valid()) job_key(job);
  if (incarnation != 0) number(R"(,"inc":)", incarnation);
  if (gang.valid()) number(R"(,"gang":)", gang.value);
  if (node.valid()) number(R"(,"node":)", node.value);
  if (gpus != nullptr) allocation(*gpus);
}

void EventLog::write(const Event& e) {
  begin_line(e.at, to_string(e.kind));
  if (e.job.valid()) job_key(e.job);
  std::int64_t usual = 0;  // a value that goes without saying
  switch (e.kind) {
    case EventKind::submit:
      number(R"(,"id":)", e.job.value);
      usual = -1;
      break;
    case EventKind::reason:
      out_ += R"(,"code":")"sv;
      out_ += orrery::to_string(static_cast<ReasonCode>(e.value));
      out_.push_back('"');
      number(R"(,"arg":)", e.value2);
      break;
    case EventKind::reject:
      out_ += R"(,"code":")"sv;
      out_ += to_string(rejection_of(e));
      out_.push_back('"');
      usual = e.value;
      break;
    case EventKind::launch: usual = e.incarnation; break;
    default: break;
  }
  if (e.kind != EventKind::reason) {
    if (e.value != usual) number(e.kind == EventKind::submit ? R"(,"estimate":)" : R"(,"v":)", e.value);
    if (e.value2 != 0 && e.kind != EventKind::reject) number(R"(,"v2":)", e.value2);
  }
  who_and_where(e);
  end_line();
}

void EventLog::on_batch_end(Time) {
  settle_decide();
}

void EventLog::on_end(Time now) {
  settle_decide();
  begin_line(now, "end");
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
