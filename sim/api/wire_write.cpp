#include <fmt/format.h>

#include <iterator>

#include "sim/api/event_text.hpp"
#include "sim/api/plan_text.hpp"
#include "sim/api/wire_members.hpp"
#include "sim/core/text.hpp"

namespace orrery::wire {
namespace {

// Numbers of jobs.
struct JobNumber {
  static constexpr bool kBinds = false;
  std::string* out;
  void operator()(JobId job) const { append_int(*out, job.value); }
};

struct WireWriter {
  std::string* out;

  // `"name":value` for every member that is always written or is not its default, a comma between them.
  template <class T>
  void members(const T& x) const {
    static const T kDefault{};
    each(x, [&](auto i, std::string_view name, const auto& m) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(m)>, Plan>) {
        append_plan(*out, m, {});
      } else {
        if (i.value >= kWritten<T> && is_default(m, std::get<i.value>(tie(kDefault)))) return;
        *out += out->back() == '{' ? "\"" : ",\"";
        *out += name;
        *out += "\":";
        value(m);
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(m)>, Allocation>) append_host_shares(*out, m);
      }
    });
  }

  template <class T>
  static bool is_default(const T& m, const T& otherwise) {
    if constexpr (requires { m.has_value(); })
      return !m.has_value();
    else if constexpr (requires { m.empty(); })
      return m.empty();
    else
      return m == otherwise;
  }

  void value(bool v) const { *out += v ? "true" : "false"; }
  void value(double v) const { fmt::format_to(std::back_inserter(*out), "{}", v); }
  void value(const std::string& v) const { append_json(*out, v); }
  void value(const Allocation& a) const {
    out->push_back('"');
    append_allocation(*out, a);
    out->push_back('"');
  }
  void value(const Target& t) const { append_target(*out, t); }
  // More than 64 bits, which JSON readers need not have for a number.
  void value(GpuTime t) const {
    out->push_back('"');
    append_decimal(*out, t.milli_gpu_ns, 0);
    out->push_back('"');
  }
  void value(const Event& e) const {
    const auto begin = [this](const Event& of) {
      *out += R"({"t_ns":)";
      append_int(*out, of.at.ns);
      *out += R"(,"e":")";
      *out += to_string(of.kind());
      *out += of.job.valid() ? R"(","job":)" : "\"";
    };
    append_event(*out, e, begin, JobNumber{out});
    out->push_back('}');
  }
  template <class T>
  void value(const std::optional<T>& v) const {
    value(*v);
  }
  template <class T>
  void value(const std::vector<T>& all) const {
    out->push_back('[');
    for (const T& v : all) {
      if (&v != all.data()) out->push_back(',');
      value(v);
    }
    out->push_back(']');
  }
  template <class T>
  void value(const T& v) const {
    if constexpr (kHasNames<T>) {
      out->push_back('{');
      members(v);
      out->push_back('}');
    } else if constexpr (std::is_enum_v<T>) {
      out->push_back('"');
      *out += to_string(v);
      out->push_back('"');
    } else if constexpr (requires { v.ns; }) {
      append_int(*out, v.ns);
    } else if constexpr (requires { v.per_billion; }) {
      append_int(*out, v.per_billion);
    } else if constexpr (requires { v.value; }) {
      append_int(*out, v.value);
    } else if constexpr (std::is_same_v<T, std::uint64_t>) {
      fmt::format_to(std::back_inserter(*out), "{}", v);
    } else {
      append_int(*out, v);
    }
  }
};

// Kinds of events as a list of their names.
void append_kinds(std::string& out, EventMask mask) {
  out += "[";
  for_each_payload([&]<class Says>() {
    if ((mask & mask_of(Says::kKind)) == 0) return;
    if (out.back() != '[') out.push_back(',');
    append_json(out, to_string(Says::kKind));
  });
  out += "]";
}

}  // namespace

Job job_of(const ClusterView& view, JobId id, bool with_spec) {
  const JobView v = view.job(id);
  // A member more of a view does not compile before it is sent.
  const auto& [spec, state, ready, incarnation, restarts, waited, ran, attained, done, rate, committed, estimate,
               held, target, measured, cpu_per_sample, phase] = v;
  Job job;
  job.id = id;
  job.state = state;
  if (with_spec) job.spec = *spec;
  job.ready = ready;
  job.incarnation = incarnation;
  job.restarts = restarts;
  job.waited = waited;
  job.ran = ran;
  job.attained = attained;
  const auto types = static_cast<std::uint32_t>(view.topology->gpu_types().size());
  for (std::uint32_t type = 0; type < types && types > 1; ++type) job.attained_on.push_back(view.attained(id, type));
  job.done = done;
  job.rate = rate;
  job.committed = committed;
  job.estimate = estimate;
  if (held != nullptr) job.held = *held;
  if (target != nullptr) job.target = *target;
  if (measured != nullptr) job.measured = *measured;
  job.cpu_per_sample = cpu_per_sample;
  job.phase = phase;
  const auto versions = view.versions(id);
  job.versions.assign(versions.begin(), versions.end());
  return job;
}

void append(std::string& out, const Hello& hello) {
  out += R"({"hello":)";
  append_int(out, kVersion);
  WireWriter{&out}.members(hello);
  out.push_back('}');
}

void append(std::string& out, const Ready& ready) {
  const auto& [wakes_on] = ready;
  out += R"({"ready":)";
  append_int(out, kVersion);
  out += R"(,"wakes_on":)";
  append_kinds(out, wakes_on);
  out.push_back('}');
}

void append(std::string& out, const View& view) {
  const auto& [full, epoch, now, free, jobs, events] = view;
  const WireWriter w{&out};
  out += full ? R"({"view":"full","epoch":)" : R"({"view":"changes","epoch":)";
  w.value(epoch);
  out += R"(,"now":)";
  w.value(now);
  out += R"(,"free":)";
  w.value(free);
  out += R"(,"jobs":)";
  w.value(jobs);
  out += R"(,"events":)";
  w.value(events);
  out.push_back('}');
}

void append(std::string& out, const Answer& answer) {
  out += "{";
  WireWriter{&out}.members(answer);
  out.push_back('}');
}

}  // namespace orrery::wire
