#include "policies/parts/script.hpp"

#include <fmt/format.h>

#include <charconv>

#include "sim/core/joined.hpp"
#include "sim/core/quantity.hpp"

namespace orrery {
namespace {

using Do = ScriptLine::Do;

struct Action {
  std::string_view name;
  Do what;
};
constexpr Action kActions[] = {{"run", Do::run},
                               {"preempt", Do::preempt},
                               {"suspend", Do::suspend},
                               {"cancel", Do::cancel},
                               {"checkpoint", Do::checkpoint},
                               {"publish", Do::publish},
                               {"reconfigure", Do::reconfigure}};

struct Word {
  std::string_view text;
  int column = 0;
};

std::vector<Word> words_of(std::string_view line) {
  std::vector<Word> words;
  std::size_t at = 0;
  while (true) {
    at = line.find_first_not_of(" \t\r", at);
    if (at == std::string_view::npos || line[at] == '#') return words;
    const std::size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
    words.push_back({line.substr(at, end - at), static_cast<int>(at) + 1});
    at = end;
  }
}

template <class T>
bool read_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

class LineParser {
 public:
  LineParser(const std::string& file, int number, std::string_view line, std::vector<Diagnostic>& errors)
      : file_(&file), number_(number), line_(line), words_(words_of(line)), errors_(&errors) {}

  [[nodiscard]] bool blank() const { return words_.empty(); }

  std::optional<ScriptLine> parse() {
    ScriptLine s;
    s.number = number_;
    if (words_.size() < 3)
      return bad(words_.back(), "a line is WHEN JOB ACTION", "as in `90s a preempt` or `@12 a run n0:0-1`");
    if (!when(words_[0], s)) return std::nullopt;
    s.job = words_[1].text;
    if (!action(words_[2], s)) return std::nullopt;
    std::size_t i = 3;
    if (s.what == Do::run && i < words_.size() && words_[i].text != "group" && words_[i].text != "anew") {
      s.gpus = parse_allocation(words_[i].text);
      if (!s.gpus || s.gpus->empty())
        return bad(words_[i], fmt::format("`{}` is not an allocation", words_[i].text), "write `n0:0-1,n1:3`");
      ++i;
    }
    if (s.what == Do::run && s.gpus && i + 1 < words_.size() && words_[i].text == "group" && !group(i, s))
      return std::nullopt;
    if (s.what == Do::run && s.gpus && !start(i, s)) return std::nullopt;
    if (s.what == Do::reconfigure && !values(i, s)) return std::nullopt;
    if (i < words_.size())
      return bad(words_[i], fmt::format("nothing is known about `{}` here", words_[i].text),
                 "a group is for `run` with an allocation: `run n0:0 group 1`");
    return s;
  }

 private:
  std::nullopt_t bad(const Word& at, std::string message, std::string hint) {
    Diagnostic d{std::move(message), {*file_, number_, at.column}, std::string(line_)};
    d.width = static_cast<int>(at.text.size());
    d.hint = std::move(hint);
    errors_->push_back(std::move(d));
    return std::nullopt;
  }

  // `group N [merged]`, from word `i` on.
  bool group(std::size_t& i, ScriptLine& s) {
    std::uint32_t number = 0;
    if (!read_number(words_[i + 1].text, number) || GroupId(number) == kNoGroup) {
      bad(words_[i + 1], fmt::format("`{}` is not the number of a group", words_[i + 1].text), "");
      return false;
    }
    for (const NodeSlice& slice : s.gpus->slices())
      if (slice.milli_per_gpu != kMilliPerGpu) {
        bad(words_[3], "jobs of a group share whole GPUs", "leave the group away, or the `@` and its number");
        return false;
      }
    s.group = GroupId(number);
    i += 2;
    s.merged = i < words_.size() && words_[i].text == "merged";
    if (s.merged) ++i;
    return true;
  }

  // `[anew] [from base|PARENT|PARENT:VERSION]`, from word `i` on.
  bool start(std::size_t& i, ScriptLine& s) {
    s.anew = i < words_.size() && words_[i].text == "anew";
    if (s.anew) ++i;
    if (i + 1 >= words_.size() || words_[i].text != "from") return true;
    const Word source = words_[i + 1];
    const std::size_t colon = source.text.find(':');
    s.source = source.text.substr(0, colon);
    i += 2;
    if (colon == std::string_view::npos) return true;
    if (read_number(source.text.substr(colon + 1), s.version) && s.version > 0) return true;
    bad(source, fmt::format("`{}` is not a version of a job", source.text), "as in `from p17:2`; they count from 1");
    return false;
  }

  // `BATCH [ACCUMULATION]`, from word `i` on.
  bool values(std::size_t& i, ScriptLine& s) {
    if (i == words_.size()) {
      bad(words_.back(), "to what batch?", "as in `90s a reconfigure 256`, or `256 3` to accumulate three times");
      return false;
    }
    const Word batch = words_[i++];
    if (!read_number(batch.text, s.batch) || s.batch < 0) {
      bad(batch, fmt::format("`{}` is not a global batch", batch.text), "0 = its own");
      return false;
    }
    if (i == words_.size()) return true;
    const Word times = words_[i++];
    if (read_number(times.text, s.accumulation) && s.accumulation >= 0) return true;
    bad(times, fmt::format("`{}` is not a number of times", times.text), "0 = its own");
    return false;
  }

  bool when(const Word& w, ScriptLine& s) {
    if (w.text.starts_with('@')) {
      if (read_number(w.text.substr(1), s.epoch) && s.epoch > 0) return true;
      bad(w, fmt::format("`{}` is not the number of a decision", w.text), "write `@1` for the first");
      return false;
    }
    const auto d = parse_duration(w.text);
    if (d) {
      s.at = Time{d->ns};
      return true;
    }
    bad(w, fmt::format("`{}` {}", w.text, d.error().message), d.error().hint);
    return false;
  }

  bool action(const Word& w, ScriptLine& s) {
    std::vector<std::string_view> names;
    for (const Action& a : kActions) {
      names.push_back(a.name);
      if (a.name != w.text) continue;
      s.what = a.what;
      return true;
    }
    const std::string_view near = closest(w.text, names);
    bad(w, fmt::format("unknown action `{}`", w.text), near.empty() ? "" : fmt::format("did you mean `{}`?", near));
    errors_->back().notes.push_back(fmt::format("actions: {}", joined(names, ", ")));
    return false;
  }

  const std::string* file_;
  int number_;
  std::string_view line_;
  std::vector<Word> words_;
  std::vector<Diagnostic>* errors_;
};

}  // namespace

Expected<std::vector<ScriptLine>> parse_script(const std::string& file, std::string_view text) {
  std::vector<ScriptLine> lines;
  std::vector<Diagnostic> errors;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    LineParser line(file, number, text.substr(0, end), errors);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.blank()) continue;
    if (auto s = line.parse()) lines.push_back(std::move(*s));
  }
  if (!errors.empty()) return tl::make_unexpected(Error(std::move(errors)));
  return lines;
}

}  // namespace orrery
