// Data sets from the maker to prepared samples: the same bytes each time, corrupt samples counted and stepped over.
#include "backend/data/dataset.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <thread>

#include "backend/data/codecs.hpp"
#include "backend/data/loader.hpp"
#include "backend/data/maker.hpp"
#include "backend/data/permutation.hpp"
#include "backend/data/tar.hpp"
#include "tests/support/temp_dir.hpp"

namespace {
using namespace orrery;
using namespace orrery::data;

std::string read_all(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

ModelConfig pair_model() {
  ModelConfig m;
  m.text = TextConfig{400, 24, {}};
  m.image = ImageConfig{16, 8, 3, {}};
  m.objectives.contrastive = 1;
  return m;
}

MakerOptions small(SetKind kind, std::uint64_t samples) {
  MakerOptions o;
  o.kind = kind;
  o.samples = samples;
  o.size = 16;
  o.shard_samples = 16;
  return o;
}

TEST_CASE("A made data set has the same bytes each time, and samples say what their scene is", "[data][maker]") {
  const test::TempFolder dir;
  MakerOptions o = small(SetKind::pairs, 40);
  o.sound = true;
  const std::string a = (std::filesystem::path(dir.path()) / "a").string(),
                    b = (std::filesystem::path(dir.path()) / "b").string();
  REQUIRE(make_dataset(a, o));
  REQUIRE(make_dataset(b, o));
  for (const char* file : {"shard-00000.tar", "shard-00002.tar", "tokenizer.json", "dataset.json"})
    CHECK(read_all(std::filesystem::path(dir.path()) / "a" / file) ==
          read_all(std::filesystem::path(dir.path()) / "b" / file));
  CHECK(maker_options_from_json(read_all(std::filesystem::path(dir.path()) / "a" / "dataset.json")) == o);

  const auto set = Dataset::open(a);
  REQUIRE(set);
  CHECK(set->size() == 40);
  for (const std::uint64_t i : {0U, 17U, 39U}) {
    const auto sample = set->read(i);
    REQUIRE(sample);
    const Made made = made_sample(o, i);
    CHECK(sample->text == made.text);
    CHECK(sample->text.find(kColours[static_cast<std::size_t>(made.scene.colour)]) != std::string::npos);
    CHECK(sample->image.width == 16);
    CHECK(sample->audio.rate == 8000);
    CHECK(sample->label == -1);
  }
  CHECK(make_dataset(a, o));  // there already
  o.seed = 2;
  const auto other = make_dataset(a, o);
  REQUIRE_FALSE(other);
  CHECK(other.error().items.front().message.find("was made with other options") != std::string::npos);
}

TEST_CASE("Held-out combinations never occur in pretraining; labels are balanced questions", "[data][maker]") {
  MakerOptions o = small(SetKind::pair, 3000);
  o.combinations = Combinations::seen;
  std::map<std::int64_t, int> seen;
  for (std::uint64_t i = 0; i < 3000; ++i) ++seen[made_sample(o, i).label];
  CHECK(seen.size() == 25);  // of 30 pairs, one in six is held out
  for (const auto& [label, count] : seen)
    CHECK_FALSE(held_out(static_cast<int>(label / 6), static_cast<int>(label % 6)));
  o.kind = SetKind::agreement;
  int agree = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) agree += made_sample(o, i).label == 1;
  CHECK((agree > 440 && agree < 560));
}

TEST_CASE("Prefetched or not, in any order, a position is the same sample", "[data][loader]") {
  const test::TempFolder dir;
  REQUIRE(make_dataset((std::filesystem::path(dir.path()) / "d").string(), small(SetKind::pairs, 50)));
  const auto open = [&] {
    auto set = Dataset::open((std::filesystem::path(dir.path()) / "d").string());
    REQUIRE(set);
    Tokenizer tokenizer = set->tokenizer();
    return std::make_unique<Loader>(std::move(*set),
                                    Preprocessor({pair_model(), passes(pair_model()), true, false, 3}, tokenizer), 3,
                                    true, [](const std::string&) {});
  };
  const auto a = open(), b = open();
  a->prefetch({0, 8});
  a->prefetch({8, 8});
  const auto first = a->take({0, 8}), second = a->take({8, 8}), whole = b->take({0, 16});
  REQUIRE((first && second && whole));
  for (std::size_t i = 0; i < 16; ++i) {
    const Prepared& x = i < 8 ? (*first)[i] : (*second)[i - 8];
    CHECK(x.image == (*whole)[i].image);
    CHECK(x.tokens == (*whole)[i].tokens);
  }
  CHECK(b->take({5, 1})->front().tokens == (*whole)[5].tokens);
  CHECK(a->status().prepared == 16);
  CHECK(a->status().cpu_ns > 0);
}

TEST_CASE("Corrupt samples are counted, reported once and stepped over; a shard that is no tar is an error",
          "[data][loader]") {
  const test::TempFolder dir;
  const auto folder = std::filesystem::path(dir.path()) / "d";
  REQUIRE(make_dataset(folder.string(), small(SetKind::pairs, 32)));
  std::string bytes = read_all(folder / "shard-00000.tar");
  const auto index = index_tar("s", bytes);
  REQUIRE(index);
  int broken = 0;
  for (const TarEntry& e : index->entries)
    if ((e.name == "00000003.ppm" || e.name == "00000004.ppm") && ++broken) bytes[e.offset] = 'X';
  REQUIRE(broken == 2);
  std::ofstream(folder / "shard-00000.tar", std::ios::binary) << bytes;
  auto set = Dataset::open(folder.string());
  REQUIRE(set);
  Tokenizer tokenizer = set->tokenizer();
  std::vector<std::string> reports;
  Loader loader(std::move(*set), Preprocessor({pair_model(), passes(pair_model()), false, false, 3}, tokenizer), 3,
                false, [&](const std::string& text) { reports.push_back(text); });
  const auto twice = loader.take({0, 64});
  REQUIRE(twice);
  CHECK(twice->size() == 64);
  CHECK((*twice)[3].tokens == (*twice)[5].tokens);
  CHECK(loader.status().corrupt == 2);
  REQUIRE(reports.size() == 2);
  CHECK(reports[0].find("00000003.ppm: neither PPM nor JPEG nor PNG") != std::string::npos);

  std::ofstream(folder / "shard-00009.tar") << std::string(4000, 'q');
  const auto not_a_tar = Dataset::open(folder.string());
  REQUIRE_FALSE(not_a_tar);
  CHECK(not_a_tar.error().items.size() == 1);
  CHECK(not_a_tar.error().items.front().message.find("shard-00009.tar` is not a tar archive") != std::string::npos);
}

TEST_CASE("A set of raw pictures with its raw.json; a wrong one is an error of the set", "[data][loader]") {
  const test::TempFolder dir;
  TarWriter tar;
  tar.add("0.raw", std::string("abcdefghijkl"));
  tar.add("0.cls", "1");
  tar.add("1.raw", std::string("abc"));
  std::ofstream(dir.file("shard.tar"), std::ios::binary) << tar.finish();
  CHECK_FALSE(Dataset::open(dir.path())->read(0));  // nobody says what the bytes are
  std::ofstream(dir.file("raw.json")) << R"({"width": 2, "height": 2, "channels": 3})";
  const auto set = Dataset::open(dir.path());
  REQUIRE(set);
  const auto sample = set->read(0);
  REQUIRE(sample);
  CHECK(sample->image.height == 2);
  CHECK(sample->image.pixels[11] == 'l');
  CHECK_FALSE(set->read(1));
  std::ofstream(dir.file("raw.json")) << "{}";
  CHECK_FALSE(Dataset::open(dir.path()));
}

TEST_CASE("What a killed maker left behind is in nobody's way, and a set has nothing beside it", "[data][maker]") {
  const test::TempFolder dir;
  const std::string left = fmt::format("{}.tmp-{}", dir.file("d"), ::getpid());
  std::filesystem::create_directories(left);
  std::ofstream(left + "/shard-00007.tar") << "half";
  REQUIRE(make_dataset(dir.file("d"), small(SetKind::pairs, 16)));
  CHECK(Dataset::open(dir.file("d"))->size() == 16);
  CHECK_FALSE(std::filesystem::exists(dir.file("d") + "/shard-00007.tar"));
  std::filesystem::remove_all(left);
  std::vector<std::thread> makers;  // of one process, at once
  std::atomic<int> good = 0;
  for (int i = 0; i < 4; ++i)
    makers.emplace_back([&] { good += make_dataset(dir.file("e"), small(SetKind::shape, 16)).has_value(); });
  for (std::thread& t : makers) t.join();
  CHECK(good == 4);
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path()))
    names.insert(entry.path().filename().string());
  CHECK(names == std::set<std::string>{"d", "e"});
}

TEST_CASE("Corrupt samples are counted when they are taken, not when they are prepared ahead", "[data][loader]") {
  const test::TempFolder dir;
  TarWriter tar;
  for (int i = 0; i < 8; ++i) {
    const std::string picture = encode_ppm({8, 8, 1, std::vector<std::uint8_t>(64)});
    tar.add(fmt::format("{}.ppm", i), i % 4 == 3 ? std::string("damaged") : picture);
    tar.add(fmt::format("{}.cls", i), "0");
  }
  std::ofstream(dir.file("shard.tar"), std::ios::binary) << tar.finish();
  auto set = Dataset::open(dir.path());
  REQUIRE(set);
  ModelConfig model;
  model.image = ImageConfig{8, 8, 1, {}};
  model.head = HeadConfig{2, HeadInput::image};
  Loader loader(std::move(*set), Preprocessor({model, passes(model), false, true, 1}, Tokenizer()), 1, false, {});
  loader.prefetch({0, 4});
  loader.prefetch({4, 4});
  REQUIRE(loader.take({0, 4}));
  CHECK(loader.corrupt() == std::vector<std::uint64_t>{3});
  REQUIRE(loader.take({4, 4}));
  CHECK(loader.corrupt() == std::vector<std::uint64_t>{3, 7});
  REQUIRE(loader.take({8, 8}));
  CHECK(loader.status().corrupt == 2);
}

}  // namespace
