// Both directions of the worker protocol: fields apart by one space, numbers without signs or leading zeros, so that
// every message has exactly one line and every line at most one meaning.
#include "backend/protocol/protocol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "backend/protocol/start_json.hpp"

namespace orrery::live {
namespace {

constexpr std::size_t kMaxErrorText = 4000;
constexpr std::size_t kQuoted = 80;

bool is_control(char c) {
  return (c >= 0 && c < ' ') || c == '\x7f';
}

// Bytes of the UTF-8 character at text[i] (RFC 3629: no overlong forms, no surrogates); 0 when there is none.
std::size_t utf8_at(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0U; };
  const unsigned first = byte(i);
  const auto follows = [&](std::size_t k, unsigned low, unsigned high) { return byte(k) >= low && byte(k) <= high; };
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(i + 1, 0x80, 0xBF) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return follows(i + 1, low, high) && follows(i + 2, 0x80, 0xBF) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return follows(i + 1, low, high) && follows(i + 2, 0x80, 0xBF) && follows(i + 3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

// The text with every control character as `blank` and every byte that is no UTF-8 as `?`, cut between characters.
std::string printable(std::string_view text, std::size_t limit, char blank) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_at(text, i);
    if (out.size() + std::max<std::size_t>(length, 1) > limit) break;
    if (length == 0) {
      out += '?';
    } else if (length == 1) {
      out += is_control(text[i]) ? blank : text[i];
    } else {
      out += text.substr(i, length);
    }
    i += std::max<std::size_t>(length, 1);
  }
  return out;
}

// The fields of one line, taken from the left; keeps the first complaint.
class Fields {
 public:
  explicit Fields(std::string_view line) : line_(line), rest_(line) {}

  std::string_view word(const char* name) {
    const std::size_t space = rest_.find(' ');
    const std::string_view word = rest_.substr(0, space);
    if (word.empty()) complain(at_end_ ? fmt::format("<{}> is missing", name) : "fields are one space apart");
    at_end_ = space == std::string_view::npos;
    rest_ = at_end_ ? std::string_view() : rest_.substr(space + 1);
    return word;
  }

  std::int64_t number(const char* name, std::int64_t low = 0,
                      std::int64_t high = std::numeric_limits<std::int64_t>::max()) {
    const std::string_view text = word(name);
    std::int64_t n = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (code == std::errc::result_out_of_range) {
      complain(fmt::format("<{}> does not fit 63 bits", name));
    } else if (code != std::errc() || end != text.data() + text.size() || text[0] == '-' ||
               (text[0] == '0' && text.size() > 1)) {
      complain(fmt::format("<{}> is not a whole number", name));
    } else if (n < low || n > high) {
      complain(fmt::format("<{}> is not within {} to {}", name, low, high));
    }
    return n;
  }

  [[nodiscard]] bool more() const { return !at_end_; }

  // What is left, which may hold spaces, but neither begins nor ends with one.
  std::string rest(const char* name) {
    const std::string_view text = rest_;
    if (text.empty()) complain(fmt::format("<{}> is missing", name));
    if (!text.empty() && (text.front() == ' ' || text.back() == ' ')) complain("there is a space too many");
    at_end_ = true;
    rest_ = {};
    return std::string(text);
  }

  void complain(std::string what) {
    if (error_.empty()) error_ = std::move(what);
  }

  // The message if nothing is wrong and nothing is left.
  template <class All, class One>
  Expected<All> finish(One message) {
    if (error_.empty() && !at_end_) error_ = "there is more than this message has fields";
    if (!error_.empty()) return fail();
    return All(std::move(message));
  }

  [[nodiscard]] tl::unexpected<Error> fail() const {
    return orrery::fail(fmt::format("bad line `{}`: {}", shortened(line_), error_));
  }
  [[nodiscard]] bool bad() const { return !error_.empty(); }

 private:
  std::string_view line_;
  std::string_view rest_;
  bool at_end_ = false;
  std::string error_{};
};

// Complains of what no line may hold.
void check_bytes(std::string_view line, Fields& fields) {
  if (line.size() > kMaxLineBytes) {
    fields.complain(fmt::format("{} bytes; a line has at most {}", line.size(), kMaxLineBytes));
    return;
  }
  if (line.empty()) fields.complain("it is empty");
  for (std::size_t i = 0; i < line.size() && !fields.bad();) {
    const std::size_t length = utf8_at(line, i);
    if (length == 0) fields.complain(fmt::format("byte {} is not UTF-8", i + 1));
    if (length == 1 && is_control(line[i])) fields.complain(fmt::format("byte {} is a control character", i + 1));
    i += length;
  }
}

std::string one_line(const std::string& text) {
  std::string out = printable(text, kMaxErrorText, ' ');
  while (!out.empty() && out.back() == ' ') out.pop_back();
  out.erase(0, out.find_first_not_of(' '));
  return out.empty() ? "unknown" : out;
}

struct Formatter {
  std::string operator()(const Start& m) const { return "start " + start_to_json(m); }
  std::string operator()(Save) const { return "save"; }
  std::string operator()(Publish) const { return "publish"; }
  std::string operator()(Stop) const { return "stop"; }
  std::string operator()(Lease m) const { return fmt::format("lease {}", m.seconds); }
  std::string operator()(const Hello& m) const { return fmt::format("hello {} {}", m.version, m.worker); }
  std::string operator()(Ready m) const { return fmt::format("ready {} {}", m.step, m.done.ns); }
  std::string operator()(Step m) const {
    const std::string line = fmt::format("step {} {} {}", m.step, m.done.ns, m.spent.ns);
    return m.cpu_per_sample.ns > 0 ? fmt::format("{} {}", line, m.cpu_per_sample.ns) : line;
  }
  std::string operator()(Saving m) const { return fmt::format("saving {}", m.step); }
  std::string operator()(const Saved& m) const { return fmt::format("saved {} {} {}", m.step, m.done.ns, m.path); }
  std::string operator()(const Published& m) const {
    return fmt::format("published {} {} {}", m.version, m.step, m.path);
  }
  std::string operator()(Done m) const { return fmt::format("done {}", m.step); }
  std::string operator()(const WorkerError& m) const { return "error " + one_line(m.text); }
  std::string operator()(const Reconfigure& m) const {
    return fmt::format("reconfigure {} {} {} {}", m.batch, m.accumulation, m.step_time.ns, m.step_work.ns);
  }
  std::string operator()(const Join& m) const { return "join " + start_to_json(m.start); }
  std::string operator()(Drop) const { return "drop"; }
  std::string operator()(Fill m) const { return fmt::format("fill {}", m.per_mille); }
  std::string operator()(Slow m) const { return fmt::format("slow {}", m.millionths); }
  std::string operator()(Slowed m) const { return fmt::format("slowed {}", m.millionths); }
  std::string operator()(Filling m) const { return fmt::format("filling {}", m.per_mille); }
  std::string operator()(const ToMember& m) const {
    return fmt::format("of {} {}", m.job, std::visit(*this, m.what));
  }
  std::string operator()(Reconfigured m) const { return fmt::format("reconfigured {} {}", m.batch, m.accumulation); }
  std::string operator()(Assessed m) const { return fmt::format("assessed {} {}", m.worth, m.error); }
  std::string operator()(const Refused& m) const {
    return fmt::format("refused {} {}", to_string(m.why), one_line(m.text));
  }
  std::string operator()(const FeaturesUsed& m) const {
    return fmt::format("features {} {} {}", to_string(m.use), m.time.ns, m.key);
  }
  std::string operator()(Left) const { return "left"; }
  std::string operator()(const FromMember& m) const {
    return fmt::format("of {} {}", m.job, std::visit(*this, m.what));
  }
};

Reconfigure reconfigure_from(Fields& fields) {
  Reconfigure m;
  m.batch = fields.number("batch");
  m.accumulation = fields.number("accumulation");
  m.step_time = {fields.number("step_ns", 1)};
  m.step_work = {fields.number("step_work_ns", 1)};
  return m;
}

Refused refused_from(Fields& fields) {
  Refused m;
  const std::string_view why = fields.word("why");
  m.why = Refusal::none;
  for (const Refusal r : {Refusal::not_running, Refusal::busy, Refusal::impossible, Refusal::out_of_range})
    if (to_string(r) == why) m.why = r;
  if (m.why == Refusal::none) fields.complain("<why> is not_running, busy, impossible or out_of_range");
  m.text = fields.rest("text");
  return m;
}

FeaturesUsed features_from(Fields& fields) {
  FeaturesUsed m;
  const std::string_view use = fields.word("use");
  bool known = false;
  for (const FeatureUse u :
       {FeatureUse::hit, FeatureUse::miss, FeatureUse::stored, FeatureUse::unkept, FeatureUse::dropped}) {
    if (to_string(u) != use) continue;
    m.use = u;
    known = true;
  }
  if (!known) fields.complain("<use> is hit, miss, stored, unkept or dropped");
  m.time = {fields.number("time_ns")};
  m.key = fields.word("key");
  return m;
}

// What a worker says of one job, into a variant that has it; false when `verb` is none of that.
template <class Message>
bool take_report(std::string_view verb, Fields& fields, Message& out) {
  if (verb == "ready") {
    const std::int64_t step = fields.number("step");
    out = Ready{step, {fields.number("done_work_ns")}};
  } else if (verb == "step") {
    Step m;
    m.step = fields.number("step");
    m.done = {fields.number("done_work_ns")};
    m.spent = {fields.number("spent_ns")};
    if (fields.more()) m.cpu_per_sample = {fields.number("cpu_ns", 1)};
    out = m;
  } else if (verb == "saving") {
    out = Saving{fields.number("step")};
  } else if (verb == "saved") {
    Saved m;
    m.step = fields.number("step");
    m.done = {fields.number("done_work_ns")};
    m.path = fields.rest("path");
    out = std::move(m);
  } else if (verb == "published") {
    Published m;
    m.version = fields.number("version", 1);
    m.step = fields.number("step");
    m.path = fields.rest("path");
    out = std::move(m);
  } else if (verb == "done") {
    out = Done{fields.number("step")};
  } else if (verb == "error") {
    out = WorkerError{fields.rest("text")};
  } else if (verb == "reconfigured") {
    const std::int64_t batch = fields.number("batch");
    out = Reconfigured{batch, fields.number("accumulation")};
  } else if (verb == "assessed") {
    const std::int64_t worth = fields.number("worth");
    out = Assessed{worth, fields.number("error", 1)};
  } else if (verb == "refused") {
    out = refused_from(fields);
  } else if (verb == "features") {
    out = features_from(fields);
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::string shortened(std::string_view line) {
  std::string out = printable(line, kQuoted, '?');
  if (line.size() > kQuoted) out += "...";
  return out;
}

Expected<ToWorker> parse_to_worker(std::string_view line) {
  Fields fields(line);
  check_bytes(line, fields);
  if (fields.bad()) return fields.fail();
  const std::string_view verb = fields.word("verb");
  if (verb == "start" || verb == "join") {
    const std::string json = fields.rest("json");
    if (fields.bad()) return fields.fail();
    auto start = start_from_json(json);
    if (!start) fields.complain(start.error());
    if (!start || verb == "start") return fields.finish<ToWorker>(start ? *std::move(start) : Start());
    if (start->job.find(' ') != std::string::npos) fields.complain("`job` of a member is one word");
    return fields.finish<ToWorker>(Join{*std::move(start)});
  }
  if (verb == "lease") return fields.finish<ToWorker>(Lease{fields.number("seconds", 1, kMaxLeaseSeconds)});
  if (verb == "save") return fields.finish<ToWorker>(Save{});
  if (verb == "publish") return fields.finish<ToWorker>(Publish{});
  if (verb == "stop") return fields.finish<ToWorker>(Stop{});
  if (verb == "reconfigure") return fields.finish<ToWorker>(reconfigure_from(fields));
  if (verb == "fill") return fields.finish<ToWorker>(Fill{fields.number("per_mille", 0, kFillAlways)});
  if (verb == "slow") return fields.finish<ToWorker>(Slow{fields.number("millionths", 0, kMaxSlow)});
  if (verb == "of") {
    ToMember m{std::string(fields.word("job")), {}};
    const std::string_view what = fields.word("what");
    if (what == "publish") m.what = Publish{};
    if (what == "stop") m.what = Stop{};
    if (what == "drop") m.what = Drop{};
    if (what == "reconfigure") m.what = reconfigure_from(fields);
    if (m.what.index() == 0 && what != "save")
      fields.complain("a member knows save, publish, stop, drop, reconfigure");
    return fields.finish<ToWorker>(std::move(m));
  }
  fields.complain("a worker knows start, save, publish, stop, lease, reconfigure, fill, slow, join, of");
  return fields.fail();
}

Expected<FromWorker> parse_from_worker(std::string_view line) {
  Fields fields(line);
  check_bytes(line, fields);
  if (fields.bad()) return fields.fail();
  const std::string_view verb = fields.word("verb");
  if (verb == "hello") {
    Hello m;
    m.version = fields.number("version");
    if (!fields.bad() && m.version != kProtocolVersion) {  // what follows is that version's business
      fields.complain(
          fmt::format("this worker speaks protocol {}, this controller speaks {}", m.version, kProtocolVersion));
      return fields.fail();
    }
    m.worker = fields.word("worker");
    return fields.finish<FromWorker>(std::move(m));
  }
  if (verb == "of") {
    FromMember m{std::string(fields.word("job")), {}};
    const std::string_view what = fields.word("what");
    const bool left = what == "left";
    if (left) m.what = Left{};
    if (!left && !take_report(what, fields, m.what))
      fields.complain(
          "a member says ready, step, saving, saved, published, done, error, reconfigured, refused, features, "
          "assessed, left");
    return fields.finish<FromWorker>(std::move(m));
  }
  if (verb == "filling") return fields.finish<FromWorker>(Filling{fields.number("per_mille", 0, kFillAlways)});
  if (verb == "slowed") return fields.finish<FromWorker>(Slowed{fields.number("millionths", 0, kMaxSlow)});
  FromWorker m;
  if (!take_report(verb, fields, m))
    fields.complain(
        "a controller knows hello, ready, step, saving, saved, published, done, error, reconfigured, refused, "
        "features, assessed, filling, slowed, of");
  return fields.finish<FromWorker>(std::move(m));
}

std::string format(const ToWorker& message) {
  return std::visit(Formatter{}, message) + '\n';
}
std::string format(const FromWorker& message) {
  return std::visit(Formatter{}, message) + '\n';
}

}  // namespace orrery::live
