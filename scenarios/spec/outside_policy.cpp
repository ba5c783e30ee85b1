#include "scenarios/spec/outside_policy.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>

#include "policies/placement/placements.hpp"
#include "scenarios/spec/make_policy.hpp"
#include "sim/core/quantity.hpp"

namespace orrery::app {
namespace {

namespace fs = std::filesystem;

SourcePos place_of(const PolicyConfig& c, const std::string& key) {
  const auto at = c.where.find(key);
  return at == c.where.end() ? SourcePos{} : at->second;
}

const std::string* given(const PolicyConfig& c, const std::string& key) {
  const auto at = c.options.find(key);
  return at == c.options.end() ? nullptr : &at->second;
}

std::string full_path(const std::string& text, const SourcePos& where) {
  std::error_code ignored;
  return fs::absolute(path_from(text, where), ignored).lexically_normal().string();
}

// The words of `[python3, mine.py]`; any other text is one word. Empty when it is no list of words.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  if (!text.empty() && text.front() != '[') return {text};
  try {
    const YAML::Node node = YAML::Load(text);
    for (std::size_t i = 0; node.IsSequence() && i < node.size(); ++i) {
      if (!node[i].IsScalar()) return {};
      words.push_back(node[i].Scalar());
    }
  } catch (const YAML::Exception&) {
    return {};
  }
  if (!words.empty() && words.front().empty()) words.clear();
  return words;
}

// The folder that the words of the command are relative to.
std::string folder_of(const PolicyConfig& c) {
  if (const std::string* text = given(c, "directory")) return full_path(*text, place_of(c, "directory"));
  const SourcePos where = place_of(c, "command");
  if (where.line == 0) return {};
  const std::string folder = fs::path(where.file).parent_path().string();
  return full_path(folder.empty() ? "." : folder, {});
}

Diagnostic wrong_option(const PolicyConfig& c, const std::string& key, std::string message, std::string hint) {
  Diagnostic d{std::move(message), place_of(c, c.where.contains(key) ? key : "name")};
  d.hint = std::move(hint);
  return d;
}

// What is the same for both: the placement, and that nothing emulates them.
std::vector<Diagnostic> check_common(const PolicyConfig& c, const std::string& emulate) {
  std::vector<Diagnostic> errors;
  if (emulate != "none")
    errors.push_back(wrong_option(
        c, "name", fmt::format("`emulate: {}` is for policies of the tree; `{}` is none of them", emulate, c.name),
        "drop `emulate`"));
  if (make_placement(c.placement, 1) == nullptr) errors.push_back(unknown_placement(c));
  return errors;
}

}  // namespace

const PolicyInfo& external_policy() {
  static const PolicyInfo info{
      .name = kExternal,
      .title = "a program in any language, told of views and asked for plans on its standard streams",
      .doc =
          "Runs a program that reads a line of JSON for every decision and writes one (docs/wire.md); "
          "scenarios/policies has two in Python. Whatever else it needs to be told stands in its command.",
      .options =
          {
              {"command", "words", "", "the program and its arguments; paths are relative to the scenario"},
              {"timeout", "time", "30s", "how long it may take over a line, by the wall clock", {}, 1, 86'400},
              {"directory", "file", "", "where it runs; default: the folder of the scenario"},
              {"conversation", "file", "", "a recorded conversation to play back instead of running the program"},
          },
      .conserves = Conserves::nothing,
      .capabilities = {.preempts = true, .shares = true},
  };
  return info;
}

Expected<ExternalOptions> external_options(const PolicyConfig& c) {
  const std::vector<OptionSpec>& specs = external_policy().options;
  OptionReader reader(c.name, c.options, option_places(c, specs), specs);
  ExternalOptions o;
  o.label = policy_label(c);
  o.timeout = reader.time("timeout");
  o.conversation = reader.path("conversation");
  o.directory = folder_of(c);
  std::vector<Diagnostic> errors;
  if (const std::string* text = given(c, "command")) {
    o.command = words_of(*text);
    if (o.command.empty())
      errors.push_back(wrong_option(c, "command", fmt::format("`command` is `{}`, which is no list of words", *text),
                                    "write `command: [python3, mine.py]`"));
  } else if (o.conversation.empty()) {
    errors.push_back(wrong_option(c, "command", "`external` needs a `command`, the program that decides",
                                  "write `policy: { name: external, command: [python3, mine.py] }`"));
  }
  if (auto ok = reader.finish(); !ok) errors.insert(errors.end(), ok.error().items.begin(), ok.error().items.end());
  if (!errors.empty()) return tl::make_unexpected(Error(std::move(errors)));
  return o;
}

std::string library_path(const PolicyConfig& c) {
  return full_path(c.options.at("library"), place_of(c, "library"));
}

Expected<void> check_policy(const PolicyConfig& c, const std::string& emulate) {
  if (!is_external(c) && !is_of_library(c)) {
    auto made = make_policy(c, emulate, 1);
    return made ? Expected<void>() : tl::make_unexpected(std::move(made.error()));
  }
  std::vector<Diagnostic> errors = check_common(c, emulate);
  if (is_external(c)) {
    if (auto ok = external_options(c); !ok)
      errors.insert(errors.end(), ok.error().items.begin(), ok.error().items.end());
  } else if (c.options.at("library").empty()) {
    errors.push_back(wrong_option(c, "library", "`library` names no file", "write `library: ./mine.so`"));
  }
  if (!errors.empty()) return tl::make_unexpected(Error(std::move(errors)));
  return {};
}

PolicyConfig with_full_paths(PolicyConfig c) {
  if (is_external(c) && c.options.contains("command")) {
    if (const std::string folder = folder_of(c); !folder.empty()) {
      c.options["directory"] = folder;
      c.where.erase("directory");
    }
  }
  for (const char* key : {"library", "conversation", "file"}) {
    const auto at = c.options.find(key);
    if (at == c.options.end() || at->second.empty()) continue;
    if (key == std::string_view("file") && (is_external(c) || is_of_library(c))) continue;
    at->second = full_path(at->second, place_of(c, key));
    c.where.erase(key);
  }
  return c;
}

PolicyConfig without_paths(PolicyConfig c) {
  for (const char* key : {"library", "directory", "conversation"}) c.options.erase(key);
  if (is_external(c)) c.options.erase("timeout");
  return c;
}

std::vector<std::string> files_of_policy(const PolicyConfig& c) {
  std::vector<std::string> files;
  if (is_of_library(c)) {
    files.push_back(library_path(c));
  } else if (is_external(c)) {
    const auto options = external_options(c);
    if (!options) return files;
    if (!options->conversation.empty()) files.push_back(options->conversation);
    std::error_code ignored;
    for (const std::string& word : options->command) {
      const fs::path path = fs::path(options->directory) / word;
      if (fs::is_regular_file(path, ignored)) files.push_back(path.string());
    }
  } else if (const std::string* file = given(c, "file")) {
    files.push_back(path_from(*file, place_of(c, "file")));
  }
  return files;
}

}  // namespace orrery::app
