// Reading YAML with positions: a walker over one document that turns scalars into typed values and collects every
// error of the file. Sections are tables of keys, so that an unknown key can be told from the known ones. Without a
// document the same readers list their keys: what each means, and what it takes.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "scenarios/spec/scenario_reader.hpp"
#include "scenarios/spec/yaml_node.hpp"
#include "sim/core/error.hpp"
#include "sim/core/quantity.hpp"

namespace orrery::app {

// A node with its path from the root ("cluster.groups.0"), for messages and overrides.
struct Place {
  YamlNode node;
  std::string path;
  YamlNode key{};  // of a value in a map
};

// A key that some reader knows. Items of lists are called N in its path, names that the user chooses NAME.
struct KnownKey {
  std::string path;   // "cluster.groups.N.count"
  std::string about;  // what it means
  std::string takes;  // "time of at least 1s"
};

class YamlWalk {
 public:
  // `wanted`: what a document is that is no map of keys.
  YamlWalk(std::string file, const std::string& text, std::vector<Override> overrides,
           std::string_view wanted = "a scenario is a map of keys (version, cluster, workload, policy, ...)");

  // Lists instead of reading: every reader is called once for each of its keys, on nothing, and says what it takes.
  // Errors are not kept.
  explicit YamlWalk(std::vector<KnownKey>& into) : known_(&into) {}
  [[nodiscard]] bool lists() const { return known_ != nullptr; }
  // For tables of keys that are only written from: there is nothing to read.
  YamlWalk() = default;
  // What the key takes, where reading it does not say so by itself. Does nothing when a document is read.
  void takes(const Place& at, const std::string& what, bool unless_said = false);

  // The document with the overrides applied; null after a syntax error.
  [[nodiscard]] Place root() const { return {root_, ""}; }

  using Handler = std::function<void(const Place&)>;
  // The key's value as YAML (yaml_text.hpp), empty where nothing is said; `digest`: without what does not bear on
  // results.
  using Writer = std::function<std::string(bool digest)>;
  struct Key {
    Key(std::string_view key, std::string_view meaning, Handler handler, Writer writer)
        : name(key), about(meaning), read(std::move(handler)), write(std::move(writer)) {}
    std::string_view name;
    std::string_view about;  // for lists of keys
    Handler read;
    Writer write;
  };
  using Keys = std::vector<Key>;
  // Of documents that are only read, and whose keys are listed nowhere.
  struct ReadKey {
    std::string_view name;
    Handler read;
  };
  using ReadKeys = std::vector<ReadKey>;
  // Calls the handler of every key of a map; `other` takes the keys that are not in the table (else: errors), and
  // `about_other` says what these mean.
  void section(const Place& at, const Keys& keys,
               const std::function<void(const std::string&, const Place&)>& other = {},
               std::string_view about_other = {});
  void section(const Place& at, const ReadKeys& keys);
  void each(const Place& list, const Handler& handler);

  [[nodiscard]] std::string word(const Place& at);
  [[nodiscard]] bool boolean(const Place& at);
  [[nodiscard]] std::int64_t integer(const Place& at, std::int64_t min, std::int64_t max);
  [[nodiscard]] double number(const Place& at);  // a decimal > 0
  // A decimal from `least` to `most`; `least` when it is none.
  [[nodiscard]] double number(const Place& at, double least, double most);
  [[nodiscard]] std::string choice(const Place& at, const std::vector<std::string_view>& choices);
  template <class T>
  [[nodiscard]] T quantity(const Place& at, Quantity<T> (*parse)(std::string_view)) {
    if (lists()) takes(at, kind_of_quantity(parse));
    const std::string text = word(at);
    if (text.empty()) return T{};
    if (auto v = parse(text)) {
      return *v;
    } else {
      complain(at, "`" + at.path + "` is `" + text + "`, which " + v.error().message, v.error().hint);
      return T{};
    }
  }

  // A quantity that is not nothing.
  template <class T>
  [[nodiscard]] T positive(const Place& at, Quantity<T> (*parse)(std::string_view)) {
    const std::size_t before = errors_.size();
    const T value = quantity(at, parse);
    if (lists()) takes(at, kind_of_quantity(parse) + " > 0");
    if (value == T{} && errors_.size() == before) complain(at, "`" + at.path + "` must be > 0");
    return value;
  }
  // A time of at least `least`; where `or_none`, 0 says that there is none.
  [[nodiscard]] Duration at_least(const Place& at, Duration least, bool or_none = false);
  // The key `version`: 1 is the only one there is.
  void version_1(const Place& at);

  void complain(const Place& at, std::string message, std::string hint = {}, std::vector<std::string> notes = {});
  // The same of a key that was read, by its path; of the whole document where that was not written down.
  void complain_of(const std::string& path, std::string message);
  // The key of a value, for what is wrong with that.
  [[nodiscard]] static Place key_of(const Place& value) { return {value.key, value.path}; }
  void missing(const Place& section, std::string_view key, std::string_view what);
  // Adds an error found elsewhere; fills in the line shown when it lies in this file.
  void add(Diagnostic d);
  // Errors of overridden values point at the --set, the others into the file.
  [[nodiscard]] SourcePos where(const Place& at) const;
  [[nodiscard]] std::vector<Diagnostic>& errors() { return errors_; }
  // Where the value of every key that was read stands, by path: for what turns out to be wrong later.
  [[nodiscard]] const std::map<std::string, Diagnostic>& read() const { return read_; }

 private:
  [[nodiscard]] static std::string kind_of_quantity(Quantity<Duration> (*parse)(std::string_view));
  [[nodiscard]] static std::string kind_of_quantity(Quantity<std::int64_t> (*parse)(std::string_view));
  void list(const Place& at, const Keys& keys, const std::function<void(const std::string&, const Place&)>& other,
            std::string_view about_other);
  [[nodiscard]] Diagnostic about(const Place& at, std::string message) const;
  void apply(const Override& o);
  [[nodiscard]] const Override* override_of(const std::string& path) const;
  [[nodiscard]] std::string line_text(int line) const;

  std::string file_;
  std::vector<std::string> lines_;
  std::vector<Override> overrides_;
  YamlNode root_;
  std::vector<Diagnostic> errors_;
  std::map<std::string, Diagnostic> read_;
  std::vector<KnownKey>* known_ = nullptr;
};

// "{ a: 1, b: 2 }" of the keys that say something.
[[nodiscard]] std::string yaml_flow(const YamlWalk::Keys& keys, bool digest);
// The same, one line each, `indent` deep.
[[nodiscard]] std::string yaml_block(const YamlWalk::Keys& keys, bool digest, int indent);

}  // namespace orrery::app
