#include "sim/observe/event_log_reader.hpp"

#include <charconv>
#include <fstream>
#include <map>

#include <boost/iostreams/filter/zstd.hpp>
#include <boost/iostreams/filtering_stream.hpp>
#include <nlohmann/json.hpp>

#include "sim/core/assert.hpp"
#include "sim/observe/event_log.hpp"

namespace orrery {
namespace {

using Json = nlohmann::json;

// Takes a number off the front of `text`.
std::optional<std::uint32_t> take_number(std::string_view& text) {
  std::uint32_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return v;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::uint64_t> take_gpus(std::string_view& text) {
  if (take(text, '-')) return 0;
  std::uint64_t mask = 0;
  do {
    const auto first = take_number(text);
    if (!first) return std::nullopt;
    std::uint32_t last = *first;
    if (take(text, '-')) {
      const auto number = take_number(text);
      if (!number) return std::nullopt;
      last = *number;
    }
    if (last >= 64 || last < *first) return std::nullopt;
    for (std::uint32_t i = *first; i <= last; ++i) mask |= std::uint64_t{1} << i;
  } while (take(text, '+'));
  return mask;
}

// What is wrong with a line; thrown inside this file only and turned into an Error with its position.
struct BadLine {
  std::string message;
};

constexpr std::int64_t kMaxNodes = 32'000'000;

class LineReader {
 public:
  void header(const Json& j, LogHeader& h) {
    if (j.value("orrery", "") != "events") throw BadLine{"this is not an orrery event log"};
    h.schema = j.at("schema").get<int>();
    if (h.schema != kEventLogSchema)
      throw BadLine{fmt::format("schema {}; this build reads {}", h.schema, kEventLogSchema)};
    h.jobs = j.value("jobs", "");
    for (const Json& run : j.at("nodes")) {
      const auto count = run.at(0).get<std::int64_t>();
      const auto gpus = run.at(1).get<std::int32_t>();
      if (count < 0 || count > kMaxNodes - static_cast<std::int64_t>(h.node_gpus.size()) || gpus < 0 || gpus > 64)
        throw BadLine{fmt::format("{} nodes of {} GPUs; at most {} nodes of 64", count, gpus, kMaxNodes)};
      h.node_gpus.insert(h.node_gpus.end(), static_cast<std::size_t>(count), gpus);
    }
  }

  // False at the end line.
  bool line(const Json& j, Observer& observer) {
    Event e;
    e.at = Time{j.at("t_ns").get<std::int64_t>()};
    const auto& kind = j.at("e").get_ref<const std::string&>();
    if (kind == "end") {
      observer.on_end(e.at);
      return false;
    }
    const auto found = kinds_.find(kind);
    if (found == kinds_.end()) throw BadLine{fmt::format("unknown event `{}`", kind)};
    e.kind = found->second;
    if (e.kind == EventKind::decide) {
      decide(j, e, observer);
      return true;
    }
    e.value = j.value("v", std::int64_t{0});
    e.value2 = j.value("v2", std::int64_t{0});
    e.incarnation = j.value("inc", Incarnation{0});
    if (const auto at = j.find("node"); at != j.end()) e.node = NodeId(at->get<std::uint32_t>());
    if (e.kind == EventKind::submit) {
      const JobId id(j.at("id").get<std::uint32_t>());
      if (id.index() != jobs_.size())
        throw BadLine{fmt::format("job id {} is submitted where {} should be", id.value, jobs_.size())};
      const auto& name = j.at("job").get_ref<const std::string&>();
      if (!jobs_.emplace(name, id).second) throw BadLine{fmt::format("job `{}` is submitted twice", name)};
      e.value = j.value("estimate", std::int64_t{-1});
    }
    if (const auto at = j.find("job"); at != j.end()) e.job = job(*at);
    if (const auto at = j.find("gang"); at != j.end()) e.gang = GangId(at->get<std::uint32_t>());
    if (e.kind == EventKind::launch) e.value = e.incarnation;
    if (e.kind == EventKind::reason) {
      e.value = reason_code(j.at("code").get_ref<const std::string&>());
      e.value2 = j.at("arg").get<std::int64_t>();
    }
    if (const auto at = j.find("gpus"); at != j.end()) {
      allocation(j, at->get_ref<const std::string&>());
      e.gpus = &gpus_;
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

  static std::int64_t reason_code(const std::string& text) {
    for (int c = 0; c <= static_cast<int>(ReasonCode::infeasible); ++c)
      if (to_string(static_cast<ReasonCode>(c)) == text) return c;
    throw BadLine{fmt::format("unknown reason `{}`", text)};
  }

  void decide(const Json& j, Event& e, Observer& observer) const {
    e.value = j.at("epoch").get<std::int64_t>();
    e.value2 = j.at("changes").get<std::int64_t>();
    observer.on_event(e);
    const auto reasons = j.find("reasons");
    if (reasons == j.end()) return;
    for (const Json& r : *reasons) {
      Event why;
      why.at = e.at;
      why.kind = EventKind::reason;
      why.job = job(r.at(0));
      why.value = reason_code(r.at(1).get_ref<const std::string&>());
      why.value2 = r.at(2).get<std::int64_t>();
      observer.on_event(why);
    }
  }

  void allocation(const Json& j, const std::string& text) {
    auto parsed = parse_allocation(text);
    if (!parsed) throw BadLine{fmt::format("`{}` is not an allocation", text)};
    gpus_.clear();
    const auto cpu = j.find("cpu_milli");
    const auto mem = j.find("mem_bytes");
    std::size_t i = 0;
    for (NodeSlice s : parsed->slices()) {
      if (cpu != j.end()) s.cpu_milli = cpu->at(i).get<std::int64_t>();
      if (mem != j.end()) s.mem_bytes = mem->at(i).get<std::int64_t>();
      gpus_.add(s);
      ++i;
    }
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

std::optional<Allocation> parse_allocation(std::string_view text) {
  Allocation a;
  if (text.empty()) return a;
  do {
    NodeSlice s;
    if (!take(text, 'n')) return std::nullopt;
    const auto node = take_number(text);
    if (!node || !take(text, ':')) return std::nullopt;
    const auto gpus = take_gpus(text);
    if (!gpus) return std::nullopt;
    s.node = NodeId(*node);
    s.gpus = *gpus;
    if (take(text, '@')) {
      const auto milli = take_number(text);
      if (!milli || *milli == 0 || *milli > static_cast<std::uint32_t>(kMilliPerGpu)) return std::nullopt;
      s.milli_per_gpu = static_cast<std::int32_t>(*milli);
    }
    for (const NodeSlice& other : a.slices())
      if (other.node == s.node) return std::nullopt;
    a.add(s);
  } while (take(text, ','));
  if (!text.empty()) return std::nullopt;
  return a;
}

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
