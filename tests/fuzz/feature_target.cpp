#include "tests/fuzz/feature_target.hpp"

#include "backend/protocol/crc32c.hpp"
#include "backend/protocol/feature_entry.hpp"
#include "tests/fuzz/require.hpp"

namespace orrery::test {
namespace {

void put(std::string& out, std::uint64_t v) {
  for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<char>(v >> (8 * i) & 0xff));
}

// An error, or an entry that is read again as it is written.
void check(std::string_view bytes) {
  const auto entry = worker::parse_feature_entry(bytes);
  if (!entry) return require(!entry.error().empty(), "an error without a word");
  require(entry->features.size() == static_cast<std::size_t>(4 * entry->samples * entry->width),
          "features are missing");
  require(entry->label.size() == static_cast<std::size_t>(8 * entry->samples), "labels are missing");
  const std::string once = worker::feature_entry_text(*entry);
  const auto again = worker::parse_feature_entry(once);
  require(again.has_value(), "an entry that was written cannot be read");
  require(worker::feature_entry_text(*again) == once, "an entry does not survive being written");
}

}  // namespace

// As it is, and what follows the head under a head that fits it: no checksum keeps a fuzzer out.
void run_features(std::string_view bytes) {
  check(bytes);
  if (bytes.size() < 24) return;
  std::string rest;
  put(rest, bytes.size() - 24);
  rest += bytes.substr(24);
  std::string sealed = "ORRFEAT1";
  put(sealed, live::crc32c(rest));
  check(sealed + rest);
}

std::vector<std::string> feature_seeds() {
  const std::string features(2 * 3 * 4, 'f'), label(2 * 8, 'l');
  return {worker::feature_entry_text({std::string(64, 'a'), Duration{7}, 2, 3, features, label, {0, 1}}),
          worker::feature_entry_text({std::string(64, '0'), {}, 2, 3, features, label, {}}), "ORRFEAT1"};
}

}  // namespace orrery::test
