#include "backend/live/journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "backend/protocol/crc32c.hpp"
#include "sim/api/event_members.hpp"
#include "sim/api/plan_text.hpp"

namespace orrery::live {
namespace {

constexpr std::string_view kHead = "orrery-journal 5\n";
constexpr std::size_t kFrame = 8;           // length and checksum
constexpr std::size_t kLongest = 1U << 30;  // of a payload
constexpr char kIdentity = 'i', kBatch = 'b', kPlan = 'p';

template <class T>
void put(std::string& out, T value) {
  const auto bits = static_cast<std::make_unsigned_t<T>>(value);
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>(bits >> (8 * i) & 0xFFU);
}

// Takes numbers off the front; remembers when there were too few bytes.
class Taker {
 public:
  explicit Taker(std::string_view bytes) : bytes_(bytes) {}
  template <class T>
  T take() {
    if (bytes_.size() < sizeof(T)) {
      short_ = true;
      bytes_ = {};
      return T{};
    }
    std::make_unsigned_t<T> bits = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
      bits |=
          static_cast<decltype(bits)>(static_cast<decltype(bits)>(static_cast<unsigned char>(bytes_[i])) << (8 * i));
    bytes_.remove_prefix(sizeof(T));
    return static_cast<T>(bits);
  }
  [[nodiscard]] std::string_view rest() const { return bytes_; }
  [[nodiscard]] bool done() const { return !short_ && bytes_.empty(); }
  [[nodiscard]] bool too_short() const { return short_; }

 private:
  std::string_view bytes_;
  bool short_ = false;
};

constexpr std::size_t kLeastEvent = 1 + 8 + 3 * 4;  // bytes

// A value of an event as numbers: every member goes by here. `gpus`, which only the controller's own events have and
// no world's, is not written.
struct EventWriter {
  std::string* out;
  void operator()(const Allocation*) const {}
  void operator()(bool v) const { put(*out, static_cast<std::uint8_t>(v ? 1 : 0)); }
  void operator()(JobId v) const { put(*out, v.value); }
  void operator()(NodeId v) const { put(*out, v.value); }
  void operator()(Work v) const { put(*out, v.ns); }
  void operator()(Duration v) const { put(*out, v.ns); }
  void operator()(Rate v) const { put(*out, v.per_billion); }
  void operator()(std::optional<Duration> v) const {
    (*this)(v.has_value());
    (*this)(v.value_or(Duration{}));
  }
  template <class T>
  void operator()(T v) const {
    if constexpr (std::is_enum_v<T>)
      put(*out, static_cast<std::underlying_type_t<T>>(v));
    else
      put(*out, v);
  }
};

struct EventReader {
  Taker* in;
  void operator()(const Allocation*&) const {}
  void operator()(bool& v) const { v = in->take<std::uint8_t>() != 0; }
  void operator()(JobId& v) const { v.value = in->take<std::uint32_t>(); }
  void operator()(NodeId& v) const { v.value = in->take<std::uint32_t>(); }
  void operator()(Work& v) const { v.ns = in->take<std::int64_t>(); }
  void operator()(Duration& v) const { v.ns = in->take<std::int64_t>(); }
  void operator()(Rate& v) const { v.per_billion = in->take<std::int64_t>(); }
  void operator()(std::optional<Duration>& v) const {
    bool given = false;
    Duration d{};
    (*this)(given);
    (*this)(d);
    if (given) v = d;
  }
  template <class T>
  void operator()(T& v) const {
    if constexpr (std::is_enum_v<T>)
      v = static_cast<T>(in->take<std::underlying_type_t<T>>());
    else
      v = in->take<T>();
  }
};

// A member more of an event, or of what its kind says, does not compile before it is written.
void put_event(std::string& out, const Event& e) {
  const auto& [at, job, gang, incarnation, what] = e;
  put(out, static_cast<std::uint8_t>(e.kind()));
  put(out, at.ns);
  put(out, job.value);
  put(out, gang.value);
  put(out, static_cast<std::uint32_t>(incarnation));
  const auto members = [write = EventWriter{&out}](const auto& says) {
    each(says, [&write](auto, std::string_view, const auto& member) { write(member); });
  };
  std::visit(members, what);
}

bool take_event(Taker& in, Event& e) {
  const auto kind = in.take<std::uint8_t>();
  if (kind >= kEventKinds) return false;
  e.at.ns = in.take<std::int64_t>();
  e.job = JobId(in.take<std::uint32_t>());
  e.gang = GangId(in.take<std::uint32_t>());
  e.incarnation = in.take<std::uint32_t>();
  for_each_payload([&]<class Says>() {
    if (static_cast<std::uint8_t>(Says::kKind) != kind) return;
    Says says{};
    each(says, [read = EventReader{&in}](auto, std::string_view, auto& member) { read(member); });
    e.what = says;
  });
  return !in.too_short();
}

// False when the payload is none, whatever its checksum says.
bool take_record(std::string_view payload, JournalContents& to) {
  Taker in(payload.substr(1));
  switch (payload[0]) {
    case kIdentity: to.identity = payload.substr(1); return to.batches.empty() && to.plans.empty();
    case kPlan: to.plans.push_back(in.take<std::uint32_t>()); return in.done();
    case kBatch: {
      JournalBatch b;
      b.now.ns = in.take<std::int64_t>();
      b.deadline.ns = in.take<std::int64_t>();
      const auto count = in.take<std::uint32_t>();
      if (in.rest().size() < std::size_t{count} * kLeastEvent) return false;
      b.events.resize(count);
      for (Event& e : b.events)
        if (!take_event(in, e)) return false;
      to.batches.push_back(std::move(b));
      return in.done();
    }
    default: return false;
  }
}

}  // namespace

std::uint32_t digest_of(const Plan& plan) {
  return crc32c(plan_text(plan));
}

Expected<JournalContents> parse_journal(const std::string& path, std::string_view bytes) {
  JournalContents contents;
  if (bytes.substr(0, kHead.size()) != kHead) {
    if (!bytes.starts_with("orrery-journal ")) return fail(fmt::format("`{}` is not a journal", path));
    Diagnostic d{fmt::format("`{}` begins with `{}`, where this build writes `{}`", path,
                             bytes.substr(0, std::min(bytes.find('\n'), std::size_t{32})),
                             kHead.substr(0, kHead.size() - 1))};
    d.hint = "only the build that began a run can go on with it";
    return fail(std::move(d));
  }
  std::size_t at = kHead.size();
  while (at < bytes.size()) {
    const std::string_view left = bytes.substr(at);
    Taker frame(left.substr(0, kFrame));
    const auto length = frame.take<std::uint32_t>();
    const auto sum = frame.take<std::uint32_t>();
    const bool whole = left.size() >= kFrame && left.size() - kFrame >= length && length > 0 && length <= kLongest;
    const std::string_view payload = whole ? left.substr(kFrame, length) : std::string_view();
    if (whole && crc32c(payload) == sum && take_record(payload, contents)) {
      at += kFrame + length;
      continue;
    }
    // The end of what was being written when the machine or the controller went down.
    const bool zeros = left.find_first_not_of('\0') == std::string_view::npos;
    if (zeros || !whole || left.size() == kFrame + length) break;
    return fail(fmt::format("`{}` is damaged at byte {} of {}", path, at, bytes.size()));
  }
  contents.bytes = at;
  return contents;
}

Expected<JournalContents> read_journal(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) return tl::make_unexpected(std::move(bytes.error()));
  return parse_journal(path, *bytes);
}

namespace {

// One controller at a time; the lock ends with its holder, however that ends.
Expected<Ok> lock_file(const Fd& file, const std::string& path) {
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return Ok{};
  if (errno != EWOULDBLOCK) return fail_errno("lock", path);
  return fail(fmt::format("`{}` is in use: its run is going on", path));
}

}  // namespace

Expected<JournalWriter> JournalWriter::create(const std::string& path, std::string_view identity) {
  // Under another name until it says whose it is: a journal is never only begun.
  const std::string aside = path + ".new";
  Fd file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644));
  if (!file) return fail_errno("create", aside);
  if (auto ok = lock_file(file, path); !ok) return tl::make_unexpected(std::move(ok.error()));
  JournalWriter writer(path, std::move(file));
  writer.buffer_ = kHead;
  if (auto ok = writer.append(std::string(1, kIdentity) + std::string(identity)); !ok)
    return tl::make_unexpected(ok.error());
  if (::fdatasync(writer.file_.get()) != 0) return fail_errno("sync", aside);
  if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0)
    return fail_errno("create", path);
  return writer;
}

Expected<JournalWriter> JournalWriter::append_to(const std::string& path, const JournalContents& contents) {
  Fd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!file) return fail_errno("open", path);
  if (auto ok = lock_file(file, path); !ok) return tl::make_unexpected(std::move(ok.error()));
  if (::ftruncate(file.get(), static_cast<off_t>(contents.bytes)) != 0) return fail_errno("cut", path);
  return JournalWriter(path, std::move(file));
}

Expected<Ok> JournalWriter::append(std::string_view payload) {
  if (!fence_.holds()) return fail(fmt::format("`{}` is not written any more: {}", path_, kFencedOff));
  put(buffer_, static_cast<std::uint32_t>(payload.size()));
  put(buffer_, crc32c(payload));
  buffer_ += payload;
  while (!buffer_.empty()) {
    const ssize_t n = ::write(file_.get(), buffer_.data(), buffer_.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write", path_);
    buffer_.erase(0, static_cast<std::size_t>(n));
  }
  return Ok{};
}

Expected<Ok> JournalWriter::batch(Time now, Time deadline, std::span<const Event> events) {
  std::string payload(1, kBatch);
  put(payload, now.ns);
  put(payload, deadline.ns);
  put(payload, static_cast<std::uint32_t>(events.size()));
  for (const Event& e : events) put_event(payload, e);
  if (auto ok = append(payload); !ok) return ok;
  if (::fdatasync(file_.get()) != 0) return fail_errno("sync", path_);
  return Ok{};
}

Expected<Ok> JournalWriter::plan(std::uint32_t digest) {
  std::string payload(1, kPlan);
  put(payload, digest);
  return append(payload);
}

}  // namespace orrery::live
