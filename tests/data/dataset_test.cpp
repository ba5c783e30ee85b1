// Data sets from the maker to prepared samples: the same bytes each time, corrupt samples counted and stepped over.
#include "backend/data/dataset.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "backend/data/loader.hpp"
#include "backend/data/maker.hpp"
#include "backend/data/permutation.hpp"
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

}  // namespace
