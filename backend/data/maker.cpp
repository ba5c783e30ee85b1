#include "backend/data/maker.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "backend/data/codecs.hpp"
#include "backend/data/permutation.hpp"
#include "backend/data/tar.hpp"
#include "sim/core/joined.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"

namespace orrery::data {
namespace {

namespace fs = std::filesystem;
constexpr std::array<std::string_view, 3> kCombinations{"all", "seen", "held_out"};

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// To the disk: a file or a folder.
Expected<void> sync(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool good = fd >= 0 && ::fsync(fd) == 0;
  const int why = errno;
  if (fd >= 0) ::close(fd);
  if (!good) return fail(fmt::format("cannot sync `{}`: {}", path.string(), std::strerror(why)));
  return {};
}

Expected<void> write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) return fail(fmt::format("cannot write `{}`", path.string()));
  return sync(path);
}

// Another value of one property, below n.
int another(int value, int n, std::uint64_t key) {
  return (value + 1 + static_cast<int>(mix(key, 77) % static_cast<std::uint64_t>(n - 1))) % n;
}

Scene with_one_change(Scene s, std::uint64_t key) {
  switch (mix(key, 78) % 4) {
    case 0: s.shape = another(s.shape, static_cast<int>(kShapes.size()), key); break;
    case 1: s.colour = another(s.colour, static_cast<int>(kColours.size()), key); break;
    case 2: s.quarter = another(s.quarter, static_cast<int>(kQuarters.size()), key); break;
    default: s.count = 1 + another(s.count - 1, kMostObjects, key); break;
  }
  return s;
}

void add_sample(TarWriter& tar, const MakerOptions& o, std::uint64_t index) {
  const Made made = made_sample(o, index);
  const std::uint64_t key = mix(o.seed, index);
  const std::string name = fmt::format("{:08}", index);
  if (o.kind != SetKind::tone) tar.add(name + ".ppm", encode_ppm(render(made.scene, o.size, key)));
  if (!made.text.empty()) tar.add(name + ".txt", made.text);
  if (o.kind == SetKind::tone || (o.kind == SetKind::pairs && o.sound))
    tar.add(name + ".wav", encode_wav(melody(made.scene, key)));
  if (made.label >= 0) tar.add(name + ".cls", fmt::format("{}", made.label));
}

}  // namespace

const std::vector<std::string_view>& set_kind_names() {
  static const std::vector<std::string_view> names{"pairs", "shape", "colour",    "quarter",
                                                   "count", "pair",  "agreement", "tone"};
  return names;
}

std::int64_t classes_of(SetKind kind) {
  constexpr auto shapes = static_cast<std::int64_t>(kShapes.size()),
                 colours = static_cast<std::int64_t>(kColours.size());
  switch (kind) {
    case SetKind::pairs: return 0;
    case SetKind::shape: return shapes;
    case SetKind::colour: return colours;
    case SetKind::quarter: return static_cast<std::int64_t>(kQuarters.size());
    case SetKind::count: return kMostObjects;
    case SetKind::pair: return shapes * colours;
    case SetKind::agreement: return 2;
    case SetKind::tone: return colours;
  }
  return 0;
}

std::string to_json(const MakerOptions& o) {
  return json_text(nlohmann::ordered_json{{"kind", set_kind_names()[static_cast<std::size_t>(o.kind)]},
                                          {"samples", o.samples},
                                          {"size", o.size},
                                          {"sound", o.sound},
                                          {"seed", o.seed},
                                          {"combinations", kCombinations[static_cast<std::size_t>(o.combinations)]},
                                          {"useless_captions", o.useless_captions},
                                          {"vocabulary", o.vocabulary},
                                          {"shard_samples", o.shard_samples}});
}

Expected<MakerOptions> maker_options_from_json(std::string_view text) {
  const nlohmann::json j = read_json(text);
  if (!j.is_object()) return fail("what to make is no JSON object");
  MakerOptions o;
  for (const auto& [key, value] : j.items()) {
    const auto bad = [&key = key](std::string_view wanted) {
      return fail(fmt::format("`{}` is not {}", key, wanted));
    };
    const bool whole = value.is_number_unsigned();
    const std::uint64_t n = whole ? value.get<std::uint64_t>() : 0;
    const std::string word = value.is_string() ? value.get<std::string>() : "";
    if (key == "kind") {
      const auto& names = set_kind_names();
      const auto at = std::find(names.begin(), names.end(), word);
      if (at == names.end()) return bad(fmt::format("one of {}", joined(names, ", ")));
      o.kind = static_cast<SetKind>(at - names.begin());
    } else if (key == "combinations") {
      const auto at = std::find(kCombinations.begin(), kCombinations.end(), word);
      if (at == kCombinations.end()) return bad("one of all, seen, held_out");
      o.combinations = static_cast<Combinations>(at - kCombinations.begin());
    } else if (key == "samples" || key == "shard_samples") {
      if (n < 1 || n > 100'000'000) return bad("a number from 1 to 100000000");
      (key == "samples" ? o.samples : o.shard_samples) = n;
    } else if (key == "size") {
      if (n < 8 || n > 1024) return bad("a number of pixels from 8 to 1024");
      o.size = static_cast<int>(n);
    } else if (key == "seed") {
      if (!whole) return bad("a whole number from 0 on");
      o.seed = n;
    } else if (key == "vocabulary") {
      if (n < kFirstMerge || n > 65536) return bad("a number from 259 to 65536");
      o.vocabulary = static_cast<std::int32_t>(n);
    } else if (key == "sound" || key == "useless_captions") {
      if (!value.is_boolean()) return bad("true or false");
      (key == "sound" ? o.sound : o.useless_captions) = value;
    } else {
      return fail(fmt::format("unknown key `{}` of what to make", key));
    }
  }
  return o;
}

Made made_sample(const MakerOptions& o, std::uint64_t index) {
  const std::uint64_t key = mix(o.seed, index);
  Made m;
  m.scene = draw_scene(key, o.combinations);
  switch (o.kind) {
    case SetKind::pairs:
      m.text = o.useless_captions ? background_caption(m.scene, key) : caption(m.scene, key);
      break;
    case SetKind::shape: m.label = m.scene.shape; break;
    case SetKind::colour: m.label = m.scene.colour; break;
    case SetKind::quarter: m.label = m.scene.quarter; break;
    case SetKind::count: m.label = m.scene.count - 1; break;
    case SetKind::pair: m.label = m.scene.shape * static_cast<int>(kColours.size()) + m.scene.colour; break;
    case SetKind::agreement:
      m.label = static_cast<std::int64_t>(mix(key, 79) % 2);
      m.text = caption(m.label == 1 ? m.scene : with_one_change(m.scene, key), key);
      break;
    case SetKind::tone: m.label = m.scene.colour; break;
  }
  return m;
}

Tokenizer scene_tokenizer(std::int32_t vocabulary) {
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::uint64_t key = mix(0x70c3, i);
    const Scene scene = draw_scene(key, Combinations::all);
    texts.push_back(i % 8 == 7 ? background_caption(scene, key) : caption(scene, key));
  }
  return Tokenizer::train(texts, vocabulary);
}

Expected<void> make_dataset(const std::string& folder, const MakerOptions& options) {
  const std::string wanted = to_json(options) + "\n";
  const auto there = [&]() -> Expected<bool> {
    if (!fs::exists(fs::path(folder) / "dataset.json")) return false;
    const std::string found = read_file(fs::path(folder) / "dataset.json");
    if (found == wanted) return true;
    Diagnostic d{fmt::format("the data set `{}` was made with other options", folder)};
    d.notes = {"there: " + found.substr(0, found.find('\n')), "wanted: " + to_json(options)};
    d.hint = "remove it or name another folder";
    return fail(std::move(d));
  };
  if (const auto already = there(); !already || *already) {
    if (!already) return tl::make_unexpected(already.error());
    return {};
  }
  const fs::path target(folder), parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
  std::error_code error;
  fs::create_directories(parent, error);
  // A name of its own: what a process that was killed has left behind is nobody's.
  std::string unique = folder + ".tmp-XXXXXX";
  if (error || ::mkdtemp(unique.data()) == nullptr)
    return fail(fmt::format("cannot make `{}`: {}", unique, error ? error.message() : std::strerror(errno)));
  const fs::path temporary = unique;
  fs::permissions(temporary,
                  fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec | fs::perms::others_read |
                      fs::perms::others_exec,
                  error);
  Expected<void> written = write_file(temporary / "tokenizer.json", scene_tokenizer(options.vocabulary).to_json());
  for (std::uint64_t first = 0; written && first < options.samples; first += options.shard_samples) {
    TarWriter tar;
    for (std::uint64_t i = first; i < std::min(first + options.shard_samples, options.samples); ++i)
      add_sample(tar, options, i);
    written = write_file(temporary / fmt::format("shard-{:05}.tar", first / options.shard_samples), tar.finish());
  }
  if (written) written = write_file(temporary / "dataset.json", wanted);
  if (written) written = sync(temporary);
  if (written) fs::rename(temporary, target, error);
  if (written && !error) return sync(parent);
  std::error_code ignored;
  fs::remove_all(temporary, ignored);
  if (!written) return written;
  // Another process was first; its bytes are the same if its options are.
  if (const auto now = there(); !now)
    return tl::make_unexpected(now.error());
  else if (*now)
    return {};
  return fail(fmt::format("cannot make `{}`: {}", folder, error.message()));
}

}  // namespace orrery::data
