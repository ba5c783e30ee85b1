#include "sim/observe/log/event_log_reader.hpp"

#include <fmt/format.h>

#include <limits>
#include <map>
#include <string_view>
#include <type_traits>
#include <utility>

#include "sim/api/event_text.hpp"
#include "sim/api/json_values.hpp"
#include "sim/api/plan_text.hpp"
#include "sim/core/assert.hpp"
#include "sim/core/json.hpp"
#include "sim/observe/log/event_log.hpp"
#include "sim/observe/log/log_lines.hpp"

namespace orrery {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMaxNodes = 32'000'000;

class LineReader {
 public:
  void header(const Json& j, LogHeader& h) {
    if (j.value("orrery", "") != "events") throw BadLine{"this is not an orrery event log"};
    h.schema = whole<int>(j.at("schema"));
    if (h.schema != kEventLogSchema)
      throw BadLine{
          fmt::format("this log has form {}; this orrery reads form {}: run the scenario again, or read it "
                      "with the orrery that wrote it",
                      h.schema, kEventLogSchema)};
    h.jobs = j.value("jobs", "");
    for (const Json& run : j.at("nodes")) {
      const auto count = whole<std::int64_t>(run.at(0));
      const auto gpus = whole<std::int32_t>(run.at(1));
      if (count < 0 || count > kMaxNodes - static_cast<std::int64_t>(h.node_gpus.size()) || gpus < 0 ||
          gpus > GpuMask::kMost)
        throw BadLine{
            fmt::format("{} nodes of {} GPUs; at most {} nodes of {}", count, gpus, kMaxNodes, GpuMask::kMost)};
      h.node_gpus.insert(h.node_gpus.end(), static_cast<std::size_t>(count), gpus);
    }
  }

  // False at the end line.
  bool line(const Json& j, Observer& observer) {
    const auto& kind = j.at("e").get_ref<const std::string&>();
    if (kind == "end") {
      observer.on_end(Time{whole<std::int64_t>(j.at("t_ns"))});
      return false;
    }
    if (kind == to_string(EventKind::submit)) submit(j);
    const Event e = read_event(j, job_, gpus_);
    const auto* decide = e.get_if<event::Decide>();
    const Plan plan = decide != nullptr ? read_plan(j, job_) : Plan{};
    observer.on_event(e);
    if (decide != nullptr) observer.on_plan(e.at, decide->epoch, plan);
    return true;
  }

 private:
  JobId job(const Json& name) const {
    const auto at = jobs_.find(name.get_ref<const std::string&>());
    if (at == jobs_.end()) throw BadLine{fmt::format("job `{}` has not been submitted", name.get<std::string>())};
    return at->second;
  }

  // Binds the name of a job to its number.
  void submit(const Json& j) {
    const JobId id(whole<std::uint32_t>(j.at("id")));
    if (id.index() != jobs_.size())
      throw BadLine{fmt::format("job id {} is submitted where {} should be", id.value, jobs_.size())};
    const auto& name = j.at("job").get_ref<const std::string&>();
    if (!jobs_.emplace(name, id).second) throw BadLine{fmt::format("job `{}` is submitted twice", name)};
  }

  std::map<std::string, JobId, std::less<>> jobs_;
  std::function<JobId(const Json&)> job_ = [this](const Json& name) { return job(name); };
  Allocation gpus_;
};

}  // namespace

Expected<LogHeader> read_event_log(const std::string& path,
                                   const std::function<Observer*(const LogHeader&)>& on_header) {
  LogLines lines(path);
  if (!lines.is_open()) return fail(fmt::format("cannot read `{}`", path));
  LogHeader header;
  LineReader reader;
  Observer* observer = nullptr;
  std::string text;
  int line = 0;
  const auto bad = [&](std::string message, int column = 0) {
    Diagnostic d;
    d.message = std::move(message);
    d.where.file = path;
    d.where.line = line;
    d.where.column = column;
    d.line_text = text;
    return fail(std::move(d));
  };
  try {
    while (lines.next(text)) {
      ++line;
      const Json j = parse_line(text);
      if (line == 1) {
        reader.header(j, header);
        observer = on_header(header);
        ORRERY_ASSERT(observer != nullptr, "no observer for `{}`", path);
      } else if (header.ended) {
        return bad("events after the end of the run");
      } else {
        header.ended = !reader.line(j, *observer);
      }
    }
  } catch (const BadLine& e) {
    return bad(e.message);
  } catch (const Json::parse_error& e) {
    return bad("this line is not JSON", static_cast<int>(e.byte));
  } catch (const Json::exception& e) {
    return bad(fmt::format("a key is missing or has the wrong type: {}", e.what()));
  }
  if (lines.damaged()) return bad("the compressed data is damaged");
  if (line == 0) return bad("the log is empty");
  return header;
}

Expected<LogHeader> read_event_log(const std::string& path, Observer& observer) {
  return read_event_log(path, [&](const LogHeader&) { return &observer; });
}

}  // namespace orrery
