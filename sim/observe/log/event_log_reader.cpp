#include "sim/observe/log/event_log_reader.hpp"

#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include <boost/iostreams/filter/zstd.hpp>
#include <boost/iostreams/filtering_stream.hpp>
#include <nlohmann/json.hpp>

#include "sim/core/assert.hpp"
#include "sim/observe/log/event_log.hpp"
#include "sim/observe/log/log_json.hpp"
#include "sim/observe/log/plan_text.hpp"

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
      throw BadLine{fmt::format("schema {}; this build reads {}", h.schema, kEventLogSchema)};
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
    Event e;
    e.at = Time{whole<std::int64_t>(j.at("t_ns"))};
    const auto& kind = j.at("e").get_ref<const std::string&>();
    if (kind == "end") {
      observer.on_end(e.at);
      return false;
    }
    const auto found = kinds_.find(kind);
    if (found == kinds_.end()) throw BadLine{fmt::format("unknown event `{}`", kind)};
    e.kind = found->second;
    known_keys(j, e.kind);
    e.incarnation = whole<Incarnation>(j, "inc", 0);
    if (const auto at = j.find("node"); at != j.end()) e.node = NodeId(whole<std::uint32_t>(*at));
    if (const auto at = j.find("gang"); at != j.end()) e.gang = GangId(whole<std::uint32_t>(*at));
    if (e.kind == EventKind::submit) submit(j);
    if (const auto at = j.find("job"); at != j.end()) e.job = job(*at);
    if (const auto at = j.find("gpus"); at != j.end()) {
      read_allocation(at->get_ref<const std::string&>(), j, gpus_);
      e.gpus = &gpus_;
    }
    e.value = whole<std::int64_t>(j, "v", 0);
    e.value2 = whole<std::int64_t>(j, "v2", 0);
    switch (e.kind) {
      case EventKind::submit: e.value = whole<std::int64_t>(j, "estimate", -1); break;
      case EventKind::launch: e.value = whole<std::int64_t>(j, "v", e.incarnation); break;
      case EventKind::reason:
        e.value = static_cast<std::int64_t>(reason_code(j.at("code").get_ref<const std::string&>()));
        e.value2 = whole<std::int64_t>(j.at("arg"));
        break;
      case EventKind::reject:
        if (const auto code = j.find("code"); code != j.end())
          say_rejection(rejection(code->get_ref<const std::string&>()), e);
        break;
      case EventKind::decide: decide(j, e, observer); return true;
      default: break;
    }
    observer.on_event(e);
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

  static Rejection rejection(const std::string& text) {
    for (const Rejection r : {Rejection::infeasible, Rejection::parent_lost, Rejection::declined})
      if (to_string(r) == text) return r;
    throw BadLine{fmt::format("unknown reason `{}`", text)};
  }

  // What is not understood is not passed over.
  static void known_keys(const Json& j, EventKind kind) {
    static const std::set<std::string, std::less<>> kKeys{"t_ns", "e",    "job",  "id",        "estimate",
                                                          "code", "arg",  "v",    "v2",        "inc",
                                                          "gang", "node", "gpus", "cpu_milli", "mem_bytes"};
    for (const auto& [key, value] : j.items())
      if (kKeys.count(key) == 0 &&
          !(kind == EventKind::decide && (key == "epoch" || key == "changes" || is_plan_key(key))))
        throw BadLine{fmt::format("nothing is known about `{}` here", key)};
  }

  void decide(const Json& j, Event& e, Observer& observer) const {
    e.value = whole<std::int64_t>(j.at("epoch"));
    e.value2 = whole<std::int64_t>(j.at("changes"));
    const Plan plan = read_plan(j, [this](const Json& name) { return job(name); });
    observer.on_event(e);
    observer.on_plan(e.at, static_cast<std::uint64_t>(e.value), plan);
  }

  static std::map<std::string, EventKind, std::less<>> all_kinds() {
    std::map<std::string, EventKind, std::less<>> kinds;
    for (int k = 0; k < kEventKinds; ++k) {
      const auto kind = static_cast<EventKind>(k);
      kinds.emplace(to_string(kind), kind);
    }
    return kinds;
  }

  std::map<std::string, EventKind, std::less<>> kinds_ = all_kinds();
  std::map<std::string, JobId, std::less<>> jobs_;
  Allocation gpus_;
};

}  // namespace

Expected<LogHeader> read_event_log(const std::string& path,
                                   const std::function<Observer*(const LogHeader&)>& on_header) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(fmt::format("cannot read `{}`", path));
  boost::iostreams::filtering_istream in;
  if (path.ends_with(".zst")) in.push(boost::iostreams::zstd_decompressor());
  in.push(file);
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
    while (std::getline(in, text)) {
      ++line;
      const Json j = Json::parse(text);
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
  } catch (const std::ios_base::failure&) {
    return bad("the compressed data is damaged");
  }
  if (in.bad()) return bad("the compressed data is damaged");
  if (line == 0) return bad("the log is empty");
  return header;
}

Expected<LogHeader> read_event_log(const std::string& path, Observer& observer) {
  return read_event_log(path, [&](const LogHeader&) { return &observer; });
}

}  // namespace orrery
