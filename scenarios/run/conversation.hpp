// What an external policy is told and what it answers, a line for a line: with its program, and from a recording. A
// recording is all lines in their order, the first Orrery's; line 2 is the policy's first answer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/engine/local/process.hpp"
#include "scenarios/spec/outside_policy.hpp"
#include "sim/core/error.hpp"

namespace orrery::app {

// What messages call a conversation that lies in no file.
inline constexpr std::string_view kConversation = "its conversation";

class Conversation {
 public:
  virtual ~Conversation() = default;
  // Says the line and returns the answer. Throws PolicyFailed when there is none.
  [[nodiscard]] virtual std::string ask(const std::string& line) = 0;
  // Who answers, for messages: "policy `external`, `python3 mine.py`".
  [[nodiscard]] virtual std::string who() const = 0;
  // What has been said beyond the last answer: a part of a line, or what was not asked for.
  [[nodiscard]] virtual std::string_view unasked() const = 0;
  // The file that the conversation is read from; empty: it is new.
  [[nodiscard]] virtual std::string file() const = 0;
};

// With a program, one process. It hears the end of its input when this goes, and is killed when it does not leave
// then; it does not outlive the thread that started it.
class ProgramConversation final : public Conversation {
 public:
  [[nodiscard]] static Expected<std::unique_ptr<ProgramConversation>> start(const ExternalOptions& options);
  ~ProgramConversation() override;
  ProgramConversation(const ProgramConversation&) = delete;
  ProgramConversation& operator=(const ProgramConversation&) = delete;

  [[nodiscard]] std::string ask(const std::string& line) override;
  [[nodiscard]] std::string who() const override;
  [[nodiscard]] std::string_view unasked() const override { return heard_; }
  [[nodiscard]] std::string file() const override { return {}; }

 private:
  explicit ProgramConversation(ExternalOptions options);
  [[nodiscard]] std::string log_path() const;
  void write_some(std::string_view& rest);
  // False at the end of what it will ever say.
  bool read_some();
  // `part`: of the answer, which has no end.
  [[noreturn]] void fail_at(std::string message, const std::string& asked, std::string_view part = {}) const;
  [[noreturn]] void fail_ended(const std::string& asked);

  ExternalOptions options_;
  live::Fd log_;  // what it says on stderr, a file without a name; none where there can be no such
  live::Process process_{};
  std::string heard_;        // beyond the last answer
  std::uint64_t lines_ = 0;  // of the conversation
};

// From a recording: every line must be the one that was said then.
class RecordedConversation final : public Conversation {
 public:
  // `label`: what the policy is called.
  [[nodiscard]] static Expected<std::unique_ptr<RecordedConversation>> read(const std::string& path,
                                                                            const std::string& label);
  [[nodiscard]] std::string ask(const std::string& line) override;
  [[nodiscard]] std::string who() const override;
  [[nodiscard]] std::string_view unasked() const override { return {}; }
  [[nodiscard]] std::string file() const override { return path_; }

 private:
  RecordedConversation(std::string path, std::string label, std::string text)
      : path_(std::move(path)), label_(std::move(label)), text_(std::move(text)) {}
  [[nodiscard]] std::string_view next();

  std::string path_, label_, text_;
  std::size_t at_ = 0;
  std::uint64_t lines_ = 0;
};

}  // namespace orrery::app
