// A run as a page that a person can read: a line an event, in seconds, with what it says in words, and who has which
// GPU afterwards. For golden logs (tests/golden/logs), which are reviewed like code; machines compare fingerprints.
#pragma once

#include <fmt/format.h>

#include <cctype>
#include <map>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "sim/api/event_members.hpp"
#include "sim/control/observer.hpp"
#include "sim/core/job.hpp"

namespace orrery::test {

class ReadableLog final : public Observer {
 public:
  // Jobs are named by one letter each in the picture of the GPUs.
  ReadableLog(const std::vector<JobSpec>& specs, const std::vector<NodeGroup>& groups) {
    for (const JobSpec& s : specs) names_.push_back(s.name);
    for (const NodeGroup& g : groups)
      for (int i = 0; i < g.count; ++i) nodes_.emplace_back(static_cast<std::size_t>(g.gpus_per_node), '.');
  }

  void on_event(const Event& e) override {
    const bool decides = e.kind() == EventKind::decide || e.kind() == EventKind::timer;
    if (decides) return;  // what was decided shows in what is launched and stopped
    note(e);
    std::string line = fmt::format("{:>8}  {:<13}{:<3}", seconds_of(e.at.ns), to_string(e.kind()), name_of(e.job));
    const auto members = [&](const auto& says) {
      each(says, [&](auto, std::string_view name, const auto& m) { line += text_of(name, m); });
    };
    std::visit(members, e.what);
    text_ += fmt::format("{:<66}{}", line, picture());
    text_.erase(text_.find_last_not_of(' ') + 1);
    text_ += '\n';
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  // A job holds its GPUs from its launch until it ends or was stopped; a suspended one is a small letter.
  void note(const Event& e) {
    if (const auto* launch = e.get_if<event::Launch>()) held_[e.job] = *launch->gpus;
    if (const auto* node = e.get_if<event::Capacity>()) down_[node->node] = node->usable == 0;
    switch (e.kind()) {
      case EventKind::suspended: suspended_[e.job] = true; break;
      case EventKind::resumed: suspended_[e.job] = false; break;
      case EventKind::finished:
      case EventKind::stopped:
      case EventKind::failed:
      case EventKind::launch_failed:
        held_.erase(e.job);
        suspended_.erase(e.job);
        break;
      default: break;
    }
  }
  [[nodiscard]] std::string picture() const {
    auto nodes = nodes_;
    for (const bool running : {false, true})  // who runs is seen before who stands still on the same GPUs
      for (const auto& [job, gpus] : held_)
        for (const NodeSlice& s : gpus.slices())
          for (std::size_t g = 0; g < nodes[s.node.value].size(); ++g) {
            const bool stands = suspended_.contains(job) && suspended_.at(job);
            if (s.gpus.has(static_cast<int>(g)) && stands != running)
              nodes[s.node.value][g] =
                  static_cast<char>(stands ? std::tolower(letter(job)) : std::toupper(letter(job)));
          }
    for (const auto& [node, down] : down_)
      if (down) nodes[node.value].assign(nodes[node.value].size(), 'x');
    std::string out;
    for (const std::string& n : nodes) out += "|" + n;
    return out + "|";
  }
  [[nodiscard]] int letter(JobId job) const { return static_cast<unsigned char>(names_[job.index()].front()); }
  [[nodiscard]] std::string name_of(JobId job) const {
    return job.valid() && job.index() < names_.size() ? names_[job.index()] : "";
  }
  static std::string seconds_of(std::int64_t ns) {
    std::string text = fmt::format("{:.3f}", static_cast<double>(ns) / 1e9);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text + " s";
  }
  // What is as always (no time, no node, false) is not said.
  template <class T>
  [[nodiscard]] std::string text_of(std::string_view name, const T& m) const {
    if constexpr (std::is_same_v<T, JobId>)
      return !m.valid() && name == "host" ? "" : fmt::format("  {} {}", name, name_of(m));
    else if constexpr (std::is_same_v<T, NodeId>)
      return m.valid() ? fmt::format("  {} {}", name, m.value) : "";
    else if constexpr (std::is_same_v<T, Work> || std::is_same_v<T, Duration>)
      return m.ns == 0 && name == "broken_off" ? "" : fmt::format("  {} {}", name, seconds_of(m.ns));
    else if constexpr (std::is_same_v<T, std::optional<Duration>>)
      return m ? fmt::format("  {} {}", name, seconds_of(m->ns)) : "";
    else if constexpr (std::is_same_v<T, const Allocation*>)
      return m == nullptr ? "" : fmt::format("  {} {}", name, m->to_string());
    else if constexpr (std::is_same_v<T, bool>)
      return m ? fmt::format("  {}", name) : "";
    else if constexpr (std::is_same_v<T, Rate>)
      return m == Rate{} ? "" : fmt::format("  {} {}", name, m.per_billion);
    else if constexpr (std::is_enum_v<T>)
      return fmt::format("  {}", to_string(m));
    else
      return m == T{} && (name == "phase" || name == "fill_per_mille") ? "" : fmt::format("  {} {}", name, m);
  }

  std::vector<std::string> names_, nodes_{};
  std::map<JobId, Allocation> held_{};
  std::map<JobId, bool> suspended_{};
  std::map<NodeId, bool> down_{};
  std::string text_{};
};

}  // namespace orrery::test
