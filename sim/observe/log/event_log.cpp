#include "sim/observe/log/event_log.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <boost/iostreams/filter/zstd.hpp>
#include <boost/iostreams/filtering_stream.hpp>

#include "sim/observe/log/text.hpp"

namespace orrery {
namespace {

constexpr std::size_t kFlushBytes = std::size_t{1} << 16;

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

EventLog::EventLog(std::shared_ptr<const JobTable> jobs, const std::vector<std::int32_t>& node_gpus,
                   EventLogOptions options)
    : jobs_(std::move(jobs)),
      options_(std::move(options)),
      words_{[this](std::string&, JobId job) { quoted(job); },
             [this](const Reason& r) { return reason_is_new(r.job, r.code, r.argument); }},
      reasons_(jobs_->size()) {
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

void EventLog::number(std::string_view key, std::int64_t value) {
  out_ += key;
  append_int(out_, value);
}

void EventLog::job_key(JobId job) {
  out_ += R"(,"job":)";
  quoted(job);
}

void EventLog::allocation(const Allocation& a) {
  out_ += R"(,"gpus":")";
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
  out_ += R"(,"epoch":)";
  append_int(out_, e.value);
  out_ += R"(,"changes":)";
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
      out_ += R"(,"code":")";
      out_ += orrery::to_string(static_cast<ReasonCode>(e.value));
      out_.push_back('"');
      number(R"(,"arg":)", e.value2);
      break;
    case EventKind::reject:
      out_ += R"(,"code":")";
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
