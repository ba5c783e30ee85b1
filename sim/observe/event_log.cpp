#include "sim/observe/event_log.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <boost/iostreams/filter/zstd.hpp>
#include <boost/iostreams/filtering_stream.hpp>

#include "sim/observe/text.hpp"

namespace orrery {
namespace {

constexpr std::size_t kFlushBytes = std::size_t{1} << 16;

std::string_view to_string(Act a) {
  switch (a) {
    case Act::run: return "run";
    case Act::suspend: return "suspend";
    case Act::preempt: return "preempt";
    case Act::reject: return "reject";
    case Act::cancel: return "cancel";
  }
  return "?";
}

// What lies below the compressor: remembers the first error, because streams forget them on closing.
struct FileDevice {
  using char_type = char;
  using category = boost::iostreams::sink_tag;
  std::FILE* file;
  int* error;
  std::streamsize write(const char* data, std::streamsize n) {
    errno = 0;
    if (std::fwrite(data, 1, static_cast<std::size_t>(n), file) != static_cast<std::size_t>(n) && *error == 0)
      *error = errno != 0 ? errno : EIO;
    return n;
  }
};

}  // namespace

class EventLog::File {
 public:
  File(const std::string& path, int level) : file_(std::fopen(path.c_str(), "wb")) {
    if (file_ == nullptr) {
      error_ = errno;
      return;
    }
    stream_.push(boost::iostreams::zstd_compressor(boost::iostreams::zstd_params(static_cast<std::uint32_t>(level)),
                                                   static_cast<std::streamsize>(kFlushBytes)));
    stream_.push(FileDevice{file_, &error_}, static_cast<std::streamsize>(kFlushBytes));
  }
  ~File() { close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void write(const std::string& text) {
    if (file_ == nullptr) return;
    stream_.write(text.data(), static_cast<std::streamsize>(text.size()));
    if (!stream_.good() && error_ == 0) error_ = EIO;
  }
  // 0, or the errno of the first failure.
  int close() {
    if (file_ == nullptr) return error_;
    try {
      stream_.reset();
    } catch (const std::exception&) {
      if (error_ == 0) error_ = EIO;
    }
    if (std::fclose(file_) != 0 && error_ == 0) error_ = errno;
    file_ = nullptr;
    return error_;
  }

 private:
  std::FILE* file_;
  int error_ = 0;
  boost::iostreams::filtering_ostream stream_;
};

void append_allocation(std::string& out, const Allocation& a) {
  bool first_slice = true;
  for (const NodeSlice& s : a.slices()) {
    if (!first_slice) out.push_back(',');
    first_slice = false;
    out.push_back('n');
    append_int(out, s.node.value);
    out.push_back(':');
    if (s.gpus == 0) out.push_back('-');
    bool first = true;
    for (std::uint64_t rest = s.gpus; rest != 0;) {
      const int low = std::countr_zero(rest);
      const int run = std::countr_one(rest >> low);
      if (!first) out.push_back('+');
      first = false;
      append_int(out, low);
      if (run > 1) {
        out.push_back('-');
        append_int(out, low + run - 1);
      }
      rest = low + run >= 64 ? 0 : rest >> (low + run) << (low + run);
    }
    if (s.milli_per_gpu != kMilliPerGpu) {
      out.push_back('@');
      append_int(out, s.milli_per_gpu);
    }
  }
}

EventLog::EventLog(std::shared_ptr<const JobTable> jobs, const std::vector<std::int32_t>& node_gpus,
                   EventLogOptions options)
    : jobs_(std::move(jobs)), options_(std::move(options)), reasons_(jobs_->size()) {
  if (!options_.path.empty()) file_ = std::make_unique<File>(options_.path, options_.level);
  out_ = R"({"orrery":"events","schema":)";
  append_int(out_, kEventLogSchema);
  out_ += R"(,"jobs":"jobs.csv","nodes":[)";  // [count, GPUs of each] for runs of equal nodes
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
  out_ += "]}\n";
}

EventLog::~EventLog() = default;

void EventLog::flush() {
  hash_.update(out_);
  if (options_.text != nullptr) options_.text->append(out_);
  if (file_ != nullptr) file_->write(out_);
  out_.clear();
}

void EventLog::begin_line(Time at, std::string_view kind) {
  out_ += R"({"t_ns":)";
  append_int(out_, at.ns);
  out_ += R"(,"e":")";
  out_ += kind;
  out_.push_back('"');
}

void EventLog::end_line() {
  out_ += "}\n";
  ++lines_;
  if (out_.size() >= kFlushBytes) flush();
}

void EventLog::quoted(JobId job) {
  if (job.index() < jobs_->size())
    append_json(out_, (*jobs_)[job.index()].name);
  else
    out_ += "null";
}

void EventLog::job_key(JobId job) {
  out_ += R"(,"job":)";
  quoted(job);
}

void EventLog::allocation(const Allocation& a) {
  out_ += R"(,"gpus":")";
  append_allocation(out_, a);
  out_.push_back('"');
  bool cpu = false;
  bool mem = false;
  for (const NodeSlice& s : a.slices()) {
    cpu = cpu || s.cpu_milli != 0;
    mem = mem || s.mem_bytes != 0;
  }
  const auto list = [&](std::string_view key, std::int64_t NodeSlice::*field) {
    out_ += key;
    for (const NodeSlice& s : a.slices()) {
      if (out_.back() != '[') out_.push_back(',');
      append_int(out_, s.*field);
    }
    out_.push_back(']');
  };
  if (cpu) list(R"(,"cpu_milli":[)", &NodeSlice::cpu_milli);
  if (mem) list(R"(,"mem_bytes":[)", &NodeSlice::mem_bytes);
}

bool EventLog::reason_is_new(JobId job, ReasonCode code, std::int64_t argument) {
  if (job.index() >= reasons_.size()) return false;
  LastReason& last = reasons_[job.index()];
  if (last.code == code && last.argument == argument) return false;
  last = {code, argument};
  return true;
}

// Appends to out_ the fields that a plan adds to its decide line.
void EventLog::render_plan(const Plan& plan) {
  if (plan.wake_at) {
    out_ += R"(,"wake":)";
    append_int(out_, plan.wake_at->ns);
  }
  std::string_view separator = R"(,"reasons":[[)";
  for (const Reason& r : plan.reasons) {
    if (!reason_is_new(r.job, r.code, r.argument)) continue;
    out_ += separator;
    quoted(r.job);
    out_ += ",\"";
    out_ += orrery::to_string(r.code);
    out_ += "\",";
    append_int(out_, r.argument);
    separator = "],[";
  }
  if (separator.size() == 3) out_ += "]]";
  separator = R"(,"reservations":[[)";
  for (const Reservation& r : plan.reservations) {
    out_ += separator;
    quoted(r.job);
    out_.push_back(',');
    append_int(out_, r.start.ns);
    separator = "],[";
  }
  if (separator.size() == 3) out_ += "]]";
  separator = R"(,"targets":[[)";
  for (const auto& [job, target] : plan.targets) {
    out_ += separator;
    quoted(job);
    out_ += ",\"";
    out_ += to_string(target.act);
    out_.push_back('"');
    if (!target.gpus.empty()) {
      out_ += ",\"";
      append_allocation(out_, target.gpus);
      out_.push_back('"');
    }
    separator = "],[";
  }
  if (separator.size() == 3) out_ += "]]";
}

void EventLog::on_plan(Time, std::uint64_t epoch, const Plan& plan) {
  if (has_decide_ && static_cast<std::uint64_t>(decide_.value) == epoch) {
    write_decide_start(decide_);
    render_plan(plan);
    end_line();
    has_decide_ = false;
    return;
  }
  const std::size_t from = out_.size();
  render_plan(plan);
  plan_text_.assign(out_, from);
  out_.resize(from);
  plan_epoch_ = epoch;
  has_plan_ = true;
}

void EventLog::write_decide_start(const Event& e) {
  begin_line(e.at, "decide");
  out_ += R"(,"epoch":)";
  append_int(out_, e.value);
  out_ += R"(,"changes":)";
  append_int(out_, e.value2);
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

void EventLog::write(const Event& e) {
  begin_line(e.at, to_string(e.kind));
  if (e.job.valid()) job_key(e.job);
  const auto number = [&](std::string_view key, std::int64_t v) {
    out_ += key;
    append_int(out_, v);
  };
  switch (e.kind) {
    case EventKind::submit:
      number(R"(,"id":)", e.job.value);
      if (e.value >= 0) number(R"(,"estimate":)", e.value);
      break;
    case EventKind::reason:
      out_ += R"(,"code":")";
      out_ += orrery::to_string(static_cast<ReasonCode>(e.value));
      out_.push_back('"');
      number(R"(,"arg":)", e.value2);
      break;
    case EventKind::reject:
      out_ += R"(,"code":")";
      out_ += to_string(rejection_of(e));
      out_.push_back('"');
      break;
    case EventKind::launch:
      break;  // the value is the incarnation
    default:
      if (e.value != 0) number(R"(,"v":)", e.value);
      if (e.value2 != 0) number(R"(,"v2":)", e.value2);
  }
  if (e.incarnation != 0) number(R"(,"inc":)", e.incarnation);
  if (e.gang.valid()) number(R"(,"gang":)", e.gang.value);
  if (e.node.valid()) number(R"(,"node":)", e.node.value);
  if (e.gpus != nullptr) allocation(*e.gpus);
  end_line();
}

void EventLog::on_batch_end(Time) { settle_decide(); }

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
