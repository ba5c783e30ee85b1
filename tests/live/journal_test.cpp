// The journal of a live run on its own: what is written is read, whatever is cut off its end is dropped cleanly,
// damage is found; and the executor that replays one.
#include "backend/live/journal.hpp"

#include <catch2/catch.hpp>

#include "tests/support/event_text.hpp"
#include "tests/support/temp_dir.hpp"

namespace {

using namespace orrery;
using namespace orrery::live;

std::vector<Event> some_events(int n) {
  std::vector<Event> events;
  for (int i = 0; i < n; ++i) {
    Event e;
    e.at = Time{i * 7};
    e.job = JobId(static_cast<std::uint32_t>(i));
    e.gang = GangId(static_cast<std::uint32_t>(i + 2));
    e.incarnation = static_cast<Incarnation>(i + 1);
    std::int64_t number = (std::int64_t{1} << 40) - i;
    const auto kind = static_cast<EventKind>(static_cast<std::size_t>(i) % kEventKinds);
    e.what = test::payload_of(
        kind, [&number] { return number = -number - 1; }, nullptr);
    events.push_back(e);
  }
  return events;
}

void same(const std::vector<Event>& a, const std::vector<Event>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(test::event_text(a[i]) == test::event_text(b[i]));
}

// Identity, two batches, a decision after each.
std::string small_journal(const test::TempFolder& dir) {
  const std::string path = dir.file("journal");
  auto writer = JournalWriter::create(path, "a run");
  REQUIRE(writer);
  REQUIRE(writer->batch(Time{5}, kNever, some_events(3)));
  REQUIRE(writer->plan(77));
  REQUIRE(writer->batch(Time{9}, Time{8}, {}));
  REQUIRE(writer->plan(78));
  return path;
}

}  // namespace

TEST_CASE("a journal is read as it was written and can be gone on with", "[live]") {
  const test::TempFolder dir;
  const std::string path = small_journal(dir);
  auto first = read_journal(path);
  REQUIRE(first);
  CHECK(first->identity == "a run");
  REQUIRE(first->batches.size() == 2);
  CHECK(first->batches[0].now == Time{5});
  CHECK(first->batches[1].deadline == Time{8});
  same(first->batches[0].events, some_events(3));
  CHECK(first->plans == std::vector<std::uint32_t>{77, 78});
  auto writer = JournalWriter::append_to(path, *first);
  REQUIRE(writer);
  REQUIRE(writer->batch(Time{20}, Time{20}, some_events(30)));
  const auto again = read_journal(path);
  REQUIRE(again);
  REQUIRE(again->batches.size() == 3);
  same(again->batches[2].events, some_events(30));
  CHECK_FALSE(JournalWriter::create(path, "another run"));
}

TEST_CASE("a journal has one writer at a time", "[live]") {
  const test::TempFolder dir;
  const std::string path = small_journal(dir);
  const auto contents = read_journal(path);
  REQUIRE(contents);
  {
    const auto writer = JournalWriter::append_to(path, *contents);
    REQUIRE(writer);
    const auto second = JournalWriter::append_to(path, *contents);
    REQUIRE_FALSE(second);
    CHECK(second.error().items.at(0).message == "`" + path + "` is in use: its run is going on");
  }
  CHECK(JournalWriter::append_to(path, *contents));
}

TEST_CASE("a journal cut off anywhere holds its whole records and no more", "[live]") {
  const test::TempFolder dir;
  const std::string path = small_journal(dir);
  const std::string all = *read_file(path);
  std::size_t records = 0;
  for (std::size_t n = 17; n <= all.size(); ++n) {
    INFO("cut to " << n << " of " << all.size() << " bytes");
    const auto cut = parse_journal(path, std::string_view(all).substr(0, n));
    REQUIRE(cut);
    const std::size_t now = cut->batches.size() + cut->plans.size() + (cut->identity.empty() ? 0 : 1);
    CHECK(now >= records);
    CHECK(now <= records + 1);
    CHECK(cut->bytes <= n);
    records = now;
    // What comes after a cut is appended where the whole records end.
    REQUIRE(write_file(path, std::string_view(all).substr(0, n)));
    auto writer = JournalWriter::append_to(path, *cut);
    REQUIRE(writer);
    REQUIRE(writer->plan(99));
    const auto more = read_journal(path);
    REQUIRE(more);
    CHECK(more->plans.back() == 99);
    CHECK(more->batches.size() == cut->batches.size());
  }
  CHECK(records == 5);
  CHECK(parse_journal(path, all + std::string(100, '\0'))->bytes == all.size());
}

TEST_CASE("a damaged byte of a journal is an error, or the end of it is dropped", "[live]") {
  const test::TempFolder dir;
  const std::string path = small_journal(dir);
  const std::string all = *read_file(path);
  const std::size_t last = all.size() - 8 - 5;  // the last record: a decision
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::string bad = all;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    const auto read = parse_journal(path, bad);
    INFO("byte " << i);
    if (read) CHECK(read->bytes <= i);  // nothing damaged is ever taken for whole
    if (i < 17) CHECK_FALSE(read);
    if (i >= last) CHECK(read);
  }
}

TEST_CASE("a journal of another form is refused in words", "[live]") {
  const auto read = parse_journal("j", "orrery-journal 3\nwhatever");
  REQUIRE_FALSE(read);
  CHECK(read.error().items.at(0).message ==
        "`j` begins with `orrery-journal 3`, where this build writes `orrery-journal 5`");
  CHECK(read.error().items.at(0).hint == "only the build that began a run can go on with it");
}

TEST_CASE("an event that is taken for another kind fails an assertion", "[live]") {
  const Event e{.what = event::Stopped{Work{3}}};
  CHECK(e.kind() == EventKind::stopped);
  CHECK(e.get<event::Stopped>().committed == Work{3});
  CHECK(e.get_if<event::Failed>() == nullptr);
  CHECK(failure_of(e) == nullptr);
  CHECK_THROWS_WITH(e.get<event::Failed>(), Catch::Contains("says `stopped` is taken for `fail`"));
  const Event failed{.what = event::LaunchFailed{{.committed = Work{5}}}};
  REQUIRE(failure_of(failed) != nullptr);
  CHECK(failure_of(failed)->committed == Work{5});
}

TEST_CASE("what preprocessing costs is in the journal as it was said", "[live]") {
  const test::TempFolder dir;
  Event e;
  e.job = JobId(2);
  e.incarnation = 3;
  e.what = event::Preprocessing{Duration{31'000}};
  auto writer = JournalWriter::create(dir.file("journal"), "a run");
  REQUIRE(writer);
  REQUIRE(writer->batch(Time{5}, kNever, {&e, 1}));
  const auto read = read_journal(dir.file("journal"));
  REQUIRE(read);
  REQUIRE(read->batches.size() == 1);
  same(read->batches[0].events, {e});
}

TEST_CASE("two decisions have equal digests when they want the same", "[live]") {
  Plan a;
  Target t;
  t.gpus.add({.node = NodeId(1), .gpus = 3});
  a.targets.emplace_back(JobId(4), t);
  Plan b = a;
  CHECK(digest_of(a) == digest_of(b));
  b.targets[0].second.gpus.clear();
  CHECK(digest_of(a) != digest_of(b));
  b = a;
  b.wake_at = Time{5};
  CHECK(digest_of(a) != digest_of(b));
  b = a;
  b.targets[0].second.act = Act::suspend;
  CHECK(digest_of(a) != digest_of(b));
}
