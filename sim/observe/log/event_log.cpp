#include "sim/observe/log/event_log.hpp"

#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <type_traits>
#include <variant>

#include "sim/api/event_members.hpp"
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
  for (std::size_t kind = 0; kind < kEventKinds; ++kind) {
    of_none_[kind] = std::string(to_string(static_cast<EventKind>(kind))) + '"';
    of_job_[kind] = of_none_[kind] + R"(,"job":)";
  }
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
void EventLog::begin_line(Time at) {
  if (begin_.empty() || begin_at_ != at) {
    begin_at_ = at;
    begin_ = R"({"t_ns":)"sv;
    append_int(begin_, at.ns);
    begin_ += R"(,"e":")"sv;
  }
  out_ += begin_;
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

bool EventLog::reason_is_new(JobId job, ReasonCode code, std::int64_t argument) {
  if (job.index() >= reasons_.size()) return false;
  LastReason& last = reasons_[job.index()];
  if (last.code == code && last.argument == argument) return false;
  last = {code, argument};
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
  plan_text_.assign(out_, from);
  out_.resize(from);
  plan_epoch_ = epoch;
  has_plan_ = true;
}

// `,"name":` of a member.
template <class Says, std::size_t I>
inline constexpr auto kKey = [] {
  constexpr std::string_view kName = kMemberNames<Says>[I];
  std::array<char, kName.size() + 4> text{',', '"'};
  for (std::size_t i = 0; i < kName.size(); ++i) text[2 + i] = kName[i];
  text[2 + kName.size()] = '"';
  text[3 + kName.size()] = ':';
  return text;
}();

// How a member's value is written.
template <class T>
void EventLog::value(const T& v) {
  if constexpr (std::is_same_v<T, JobId>) {
    quoted(v);
  } else if constexpr (std::is_same_v<T, NodeId>) {
    append_int(out_, v.value);
  } else if constexpr (std::is_same_v<T, Work> || std::is_same_v<T, Duration>) {
    append_int(out_, v.ns);
  } else if constexpr (std::is_same_v<T, std::optional<Duration>>) {
    append_int(out_, v->ns);
  } else if constexpr (std::is_same_v<T, bool>) {
    out_ += v ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    out_.push_back('"');
    out_ += to_string(v);
    out_.push_back('"');
  } else if constexpr (std::is_same_v<T, const Allocation*>) {
    out_.push_back('"');
    append_allocation(out_, *v);
    out_.push_back('"');
    append_host_shares(out_, *v);
  } else {
    append_int(out_, static_cast<std::int64_t>(v));
  }
}

template <class Says>
void EventLog::members(const Says& says) {
  static const Says kDefault{};
  each(says, [this](auto i, std::string_view, const auto& member) {
    if constexpr (i.value >= kAlways<Says>)
      if (member == std::get<i.value>(tie(kDefault))) return;
    out_ += std::string_view(kKey<Says, i.value>.data(), kKey<Says, i.value>.size());
    value(member);
  });
}

// All but the line's end. A member more of an event does not compile before it is written.
void EventLog::begin_event(const Event& e) {
  const auto& [at, job, gang, incarnation, what] = e;
  begin_line(at);
  out_ += (job.valid() ? of_job_ : of_none_)[what.index()];
  if (job.valid()) quoted(job);
  if (e.kind() == EventKind::submit) number(R"(,"id":)", job.value);
  if (incarnation == 1)
    out_ += R"(,"inc":1)"sv;
  else if (incarnation != 0)
    number(R"(,"inc":)", incarnation);
  if (gang.valid()) number(R"(,"gang":)", gang.value);
  std::visit([this](const auto& says) { members(says); }, what);
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
  if (reason != nullptr && !reason_is_new(e.job, reason->code, reason->argument)) return;
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
