// The stored log: the event stream as one JSON object per line, zstd-compressed (events.jsonl.zst). An event says
// when (`t_ns`), what kind (`e`), of which job, launch of the job (`inc`) and gang, and then what its kind says,
// written by sim/api/event_text.hpp; times, work and durations are nanoseconds. A decision is one line
// with its epoch and all that its plan says (plan_text.hpp); a reason is written when it changes, as it holds until
// then. The first line describes the schema, and a `submit` line binds a job's name to its id, so the log reads back
// without anything beside it (event_log_reader.hpp). The writer owns its file and its buffers.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/api/plan_text.hpp"
#include "sim/core/error.hpp"
#include "sim/core/text.hpp"
#include "sim/observe/log/digest.hpp"
#include "sim/observe/log/packed_file.hpp"
#include "sim/observe/metrics/fold.hpp"

namespace orrery {

inline constexpr int kEventLogSchema = 2;

struct EventLogOptions {
  std::string path;             // empty: nothing is stored, only the digest is computed
  int level = 1;                // of zstd
  std::string* text = nullptr;  // also gets the uncompressed lines; for tests
};

class EventLog : public Observer {
 public:
  EventLog(const std::shared_ptr<const JobTable>& jobs, const std::vector<std::int32_t>& node_gpus,
           EventLogOptions options);
  ~EventLog() override;
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  void expect(JobId job) const override;
  void on_event(const Event& e) override;
  void on_plan(Time now, std::uint64_t epoch, const Plan& plan) override;
  void on_batch_end(Time now) override;
  void on_end(Time now) override;

  // Ends the log; the SHA-256 of the uncompressed lines, or what went wrong with the file.
  [[nodiscard]] Expected<std::string> close();
  [[nodiscard]] std::uint64_t lines() const { return lines_; }

 private:
  // How jobs are written.
  struct Names {
    static constexpr bool kBinds = true;
    EventLog* log;
    void operator()(JobId job) const { log->quoted(job); }
  };

  void begin_line(Time at);
  void end_line();
  void begin_event(const Event& e);
  void write_decide(const Event& e, bool with_plan);
  void settle_decide();
  bool reason_is_new(const Reason& r);
  void quoted(JobId job);
  void flush();

  EventLogOptions options_;
  PlanWordsIn<TextBuffer> words_;  // appends to out_, whatever it is given
  std::unique_ptr<PackedFile> file_;
  Sha256 hash_;
  // Short texts have room behind them, so that a fixed number of bytes is copied.
  static constexpr std::size_t kShort = 32;
  struct Short {
    std::array<char, kShort> text{};
    std::size_t size = 0;
    explicit Short(std::string_view of = {});
  };
  void append(const Short& of) { out_.append_of<kShort>(of.text.data(), of.size); }

  std::string names_;                 // of all jobs, in quotes
  std::vector<std::size_t> name_at_;  // [job] where its name begins; one more at the end
  TextBuffer out_;
  TextBuffer begin_;  // of a line at begin_at_, up to its kind; empty = none yet
  Time begin_at_{};
  std::array<Short, kEventKinds> of_job_, of_none_;  // [kind] what comes then, of a job and of none
  std::string plan_text_;  // the rendered plan of epoch plan_epoch_, to go into its decide line
  std::uint64_t plan_epoch_ = 0;
  bool has_plan_ = false;
  bool has_decide_ = false;  // a decide event that waits for its plan
  Event decide_{};
  std::vector<Reason> reasons_;  // [job], as last written
  std::uint64_t lines_ = 0;
};

}  // namespace orrery
