#include "scenarios/run/run_policy.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "policies/placement/placements.hpp"
#include "policies/registry.hpp"
#include "scenarios/run/library_policy.hpp"
#include "scenarios/run/policy_failed.hpp"
#include "scenarios/run/wire_policy.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "sim/api/known_gains.hpp"

namespace orrery::app {
namespace {

Expected<std::unique_ptr<Conversation>> conversation_of(const PolicyConfig& config, const std::string& played_back) {
  auto options = external_options(config);
  if (!options) return tl::make_unexpected(std::move(options.error()));
  const std::string& recording = played_back.empty() ? options->conversation : played_back;
  if (!recording.empty()) {
    auto read = RecordedConversation::read(recording, options->label);
    if (!read) return tl::make_unexpected(std::move(read.error()));
    return std::unique_ptr<Conversation>(std::move(*read));
  }
  auto started = ProgramConversation::start(*options);
  if (!started) return tl::make_unexpected(std::move(started.error()));
  return std::unique_ptr<Conversation>(std::move(*started));
}

// What is true, for a policy that is to be the bound of what can be learned.
std::shared_ptr<const KnownGains> known_gains(const Workload& workload) {
  auto known = std::make_shared<KnownGains>();
  known->of.resize(workload.truths.size());
  for (std::size_t job = 0; job < workload.truths.size(); ++job)
    for (const SourceGain& s : workload.truths[job].sources) known->of[job].push_back({s.parent, s.gain_per_mille});
  return known;
}

}  // namespace

RunPolicy::RunPolicy() = default;
RunPolicy::RunPolicy(RunPolicy&&) noexcept = default;
RunPolicy& RunPolicy::operator=(RunPolicy&&) noexcept = default;
RunPolicy::~RunPolicy() = default;

Expected<RunPolicy> RunPolicy::make(const Prepared& prepared, const PolicyConfig& config, std::uint64_t seed,
                                    const std::string& played_back, const std::string& kept) {
  RunPolicy p;
  p.name_ = policy_label(config);
  if (!is_external(config) && !is_of_library(config)) {
    auto made = make_policy(config, prepared.scenario.emulate, seed,
                            wants_gains(config) ? known_gains(prepared.workload) : nullptr);
    if (!made) return tl::make_unexpected(std::move(made.error()));
    p.policy_ = std::move(*made);
    p.capabilities_ = find_policy(config.name)->capabilities;
    return p;
  }
  if (auto ok = check_policy(config, prepared.scenario.emulate); !ok) return tl::make_unexpected(ok.error());
  if (is_of_library(config)) {
    const auto row = library_row(config);
    if (!row) return tl::make_unexpected(row.error());
    auto made = make_library_policy(config, **row, seed);
    if (!made) return tl::make_unexpected(std::move(made.error()));
    p.policy_ = std::move(*made);
    p.capabilities_ = (*row)->capabilities;
    return p;
  }
  auto talk = conversation_of(config, played_back);
  if (!talk) return tl::make_unexpected(std::move(talk.error()));
  p.capabilities_ = external_policy().capabilities;
  try {
    auto made = std::make_unique<WirePolicy>(std::move(*talk), make_placement(config.placement, seed),
                                             *prepared.topology, seed, kept);
    p.wire_ = made.get();
    p.policy_ = std::move(made);
  } catch (const PolicyFailed& e) {
    p.failure_ = failure_text(e);
  }
  return p;
}

Expected<std::unique_ptr<Policy>> RunPolicy::copy() const {
  if (wire_ != nullptr)
    return fail(
        fmt::format("policy `{}` is another process, which cannot be copied: no run under it can be forked", name_));
  auto copy = policy_->clone();
  if (copy == nullptr)
    return fail(
        fmt::format("policy `{}` cannot be copied, as it has no clone(): no run under it can be forked", name_));
  return copy;
}

void RunPolicy::record(const std::string& path, bool stays) {
  if (wire_ != nullptr) wire_->record(path, stays);
}

void RunPolicy::keep(std::string& failure) {
  if (wire_ == nullptr) return;
  const auto file = wire_->keep();
  if (!file)
    failure += "\n   = the conversation is not kept: " + file.error().items.front().message;
  else if (!file->empty() && failure.find(*file) == std::string::npos)
    failure += "\n   = its conversation: " + *file;
}

std::string conversation_beside(const std::string& run_folder) {
  const std::filesystem::path folder = std::filesystem::path(run_folder).lexically_normal();
  return fmt::format("{}.{}", (folder.has_filename() ? folder : folder.parent_path()).string(), kConversationFile);
}

Expected<void> RunPolicy::finish() {
  return wire_ == nullptr ? Expected<void>() : wire_->finish();
}

}  // namespace orrery::app
