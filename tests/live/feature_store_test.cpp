// The store of features on disk: entries whole or not at all, whatever dies or is damaged; bounded; shared.
#include "backend/protocol/feature_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "backend/protocol/feature_entry.hpp"
#include "backend/protocol/files.hpp"
#include "backend/protocol/sha256.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using namespace orrery;
using namespace orrery::worker;
namespace fs = std::filesystem;

std::string key_of(char c) {
  return std::string(64, c);
}

// 2 samples of 3 features.
std::string entry_of(const std::string& key, char fill = 'f') {
  const std::string features(24, fill), label(16, 'l');
  return feature_entry_text({key, Duration{7}, 2, 3, features, label, {1}});
}

// Used so long ago.
void age(const FeatureStore& store, char key, int seconds_ago) {
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const struct timespec then { now.tv_sec - seconds_ago, 0 };
  const struct timespec both[2] = {then, then};
  REQUIRE(::utimensat(AT_FDCWD, store.path_of(key_of(key)).c_str(), both, 0) == 0);
}

std::size_t files_in(const std::string& folder) {
  std::error_code error;
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder, error), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("a content hash is SHA-256", "[feature_store]") {
  const auto hash = [](const std::string& text) {
    ContentHash h;
    h.update(text);
    return h.finish();
  };
  // FIPS 180-2, appendix B, and the empty text.
  CHECK(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hash(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  ContentHash parts;
  for (int i = 0; i < 1000; ++i) parts.update(std::string(static_cast<std::size_t>(i) % 130, 'x'));
  std::string whole;
  for (int i = 0; i < 1000; ++i) whole += std::string(static_cast<std::size_t>(i) % 130, 'x');
  CHECK(parts.finish() == hash(whole));
  ContentHash one, other;
  one.add("ab");
  one.add("c");
  other.add("a");
  other.add("bc");
  CHECK(one.finish() != other.finish());
}

TEST_CASE("an entry is read as it was written; a single wrong bit is found", "[feature_store]") {
  const std::string bytes = entry_of(key_of('a'));
  const auto entry = parse_feature_entry(bytes);
  REQUIRE(entry);
  CHECK(entry->key == key_of('a'));
  CHECK(entry->compute == Duration{7});
  CHECK((entry->samples == 2 && entry->width == 3));
  CHECK(entry->features == std::string(24, 'f'));
  CHECK(entry->label == std::string(16, 'l'));
  CHECK(entry->corrupt == std::vector<std::int64_t>{1});
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string damaged = bytes;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
    CHECK_FALSE(parse_feature_entry(damaged));
  }
  for (std::size_t n = 0; n < bytes.size(); ++n) CHECK_FALSE(parse_feature_entry(bytes.substr(0, n)));
  CHECK_FALSE(parse_feature_entry(bytes + "x"));
}

TEST_CASE("entries that say what cannot be are refused in words", "[feature_store]") {
  const std::string features(24, 'f'), label(16, 'l');
  const auto refused = [](const FeatureEntry& entry) {
    const auto read = parse_feature_entry(feature_entry_text(entry));
    return read ? std::string() : read.error();
  };
  CHECK(refused({"short", {}, 2, 3, features, label, {}}).find("64 digits") != std::string::npos);
  CHECK(refused({key_of('a'), Duration{-1}, 2, 3, features, label, {}}).find("compute_ns") != std::string::npos);
  CHECK(refused({key_of('a'), {}, 2, 3, features, label, {2}}).find("corrupt") != std::string::npos);
  CHECK(refused({key_of('a'), {}, 2, 3, features, label, {1, 0}}).find("corrupt") != std::string::npos);
  CHECK_FALSE(refused({key_of('a'), {}, 3, 3, features, label, {}}).empty());
  CHECK_FALSE(refused({key_of('a'), {}, 0, 3, {}, {}, {}}).empty());
}

TEST_CASE("the store gives back what was kept; a damaged entry is said once and then absent", "[feature_store]") {
  const test::TempFolder dir;
  const FeatureStore store(dir.file("features"), 1'000'000);
  CHECK(store.read(key_of('a')).bytes.empty());
  const auto written = store.write(key_of('a'), entry_of(key_of('a')));
  REQUIRE(written);
  CHECK(written->kept);
  CHECK(store.read(key_of('a')).bytes == entry_of(key_of('a')));
  // Cut off, of another key, and no entry at all.
  const std::string whole = entry_of(key_of('a'));
  for (const std::string& bad : {whole.substr(0, whole.size() - 1), entry_of(key_of('b')), std::string("x")}) {
    std::ofstream(store.path_of(key_of('a')), std::ios::binary | std::ios::trunc) << bad;
    const FeatureStore::Read read = store.read(key_of('a'));
    CHECK(read.bytes.empty());
    CHECK(read.damage.find("is damaged") != std::string::npos);
    const FeatureStore::Read again = store.read(key_of('a'));
    CHECK((again.bytes.empty() && again.damage.empty()));
  }
}

TEST_CASE("the store on disk is bounded: least recently used first, nothing that is being read", "[feature_store]") {
  const test::TempFolder dir;
  const auto size = static_cast<std::int64_t>(entry_of(key_of('a')).size());
  const FeatureStore store(dir.file("features"), 2 * size + 1);
  for (const char key : {'a', 'b'}) REQUIRE(store.write(key_of(key), entry_of(key_of(key)))->kept);
  age(store, 'a', 20);
  age(store, 'b', 10);
  CHECK(store.read(key_of('a')).bytes.size() == static_cast<std::size_t>(size));  // used now
  auto written = store.write(key_of('c'), entry_of(key_of('c')));
  CHECK(written->dropped == std::vector{key_of('b')});
  age(store, 'a', 20);
  age(store, 'c', 10);
  {
    const live::Fd reads(::open(store.path_of(key_of('a')).c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(::flock(reads.get(), LOCK_SH) == 0);
    written = store.write(key_of('d'), entry_of(key_of('d')));
    CHECK(written->dropped == std::vector{key_of('c')});
    const live::Fd reads_too(::open(store.path_of(key_of('d')).c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(::flock(reads_too.get(), LOCK_SH) == 0);
    written = store.write(key_of('e'), entry_of(key_of('e')));
    CHECK_FALSE(written->kept);
    CHECK(written->dropped.empty());
  }
  CHECK(store.read(key_of('a')).bytes == entry_of(key_of('a')));
  CHECK_FALSE(FeatureStore(dir.file("features"), size - 1).write(key_of('f'), entry_of(key_of('f')))->kept);
  CHECK(files_in(dir.file("features")) == 2);
}

TEST_CASE("a writer that is killed at any moment loses nothing but its entry", "[feature_store]") {
  int crashes = 0;
  for (int at = 0;; ++at) {
    INFO("killed before call " << at);
    const test::TempFolder dir;
    const FeatureStore store(dir.file("features"), 1'000'000);
    REQUIRE(store.write(key_of('a'), entry_of(key_of('a'), 'o'))->kept);
    const pid_t child = ::fork();
    if (child == 0) {
      int calls = 0;
      (void)store.write(key_of('a'), entry_of(key_of('a'), 'n'), [&](std::string_view) {
        if (calls++ == at) ::raise(SIGKILL);
      });
      ::_exit(0);
    }
    REQUIRE(child > 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    const FeatureStore::Read read = store.read(key_of('a'));
    CHECK(read.damage.empty());
    CHECK((read.bytes == entry_of(key_of('a'), 'o') || read.bytes == entry_of(key_of('a'), 'n')));
    // The next writer goes on at once, and removes what was left.
    REQUIRE(store.write(key_of('b'), entry_of(key_of('b')))->kept);
    CHECK(files_in(dir.file("features")) == 2);
    if (WIFEXITED(status)) break;
    ++crashes;
  }
  CHECK(crashes >= 5);
}

TEST_CASE("processes that write and read one store at once see whole entries only", "[feature_store]") {
  const test::TempFolder dir;
  const auto size = static_cast<std::int64_t>(entry_of(key_of('a')).size());
  const FeatureStore store(dir.file("features"), 3 * size);
  std::vector<pid_t> children;
  for (int c = 0; c < 4; ++c) {
    const pid_t child = ::fork();
    if (child == 0) {
      bool well = true;
      for (int i = 0; i < 25; ++i) {
        const char key = "abcdef"[(i * 7 + c) % 6];
        const FeatureStore::Read read = store.read(key_of(key));
        well = well && read.damage.empty() && (read.bytes.empty() || read.bytes == entry_of(key_of(key)));
        const auto written = store.write(key_of(key), entry_of(key_of(key)));
        well = well && written.has_value();
      }
      ::_exit(well ? 0 : 1);
    }
    REQUIRE(child > 0);
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  }
  REQUIRE(store.write(key_of('a'), entry_of(key_of('a'))));
  std::int64_t bytes = 0;
  for (const fs::directory_entry& e : fs::directory_iterator(dir.file("features")))
    bytes += static_cast<std::int64_t>(e.file_size());
  CHECK(bytes <= 3 * size);
}
