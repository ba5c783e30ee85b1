#include "backend/data/loader.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>

#include "backend/data/permutation.hpp"

namespace orrery::data {
namespace {

constexpr std::size_t kAhead = 4;  // ranges

std::int64_t thread_cpu_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

Loader::Loader(Dataset dataset, Preprocessor preprocess, std::uint64_t seed, bool shuffle,
               std::function<void(const std::string&)> report)
    : dataset_(std::move(dataset)),
      preprocess_(std::move(preprocess)),
      seed_(seed),
      shuffle_(shuffle),
      report_(std::move(report)),
      thread_([this] { work(); }) {}

Loader::~Loader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Expected<Prepared> Loader::prepare_one(std::uint64_t position, std::set<std::uint64_t>& corrupt) {
  const std::uint64_t n = dataset_.size();
  const std::uint64_t first = shuffle_ ? shuffled(position, n, seed_).sample : position % n;
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::uint64_t index = (first + i) % n;
    Expected<Sample> sample = dataset_.read(index);
    Expected<Prepared> prepared = sample ? preprocess_(*sample, position) : tl::make_unexpected(sample.error());
    if (prepared) return prepared;
    corrupt.insert(index);
    bool fresh = false;
    {
      const std::lock_guard lock(mutex_);
      fresh = reported_.insert(index).second;
    }
    if (fresh && report_) report_("skipped: " + prepared.error().items.front().message);
  }
  return fail(fmt::format("not one of {} samples can be used", n));
}

Loader::Batch Loader::prepare(Range range) {
  const std::lock_guard one(preparing_);
  const std::int64_t before = thread_cpu_ns();
  Batch out;
  out.samples->reserve(range.count);
  for (std::uint64_t i = 0; i < range.count; ++i) {
    auto sample = prepare_one(range.first + i, out.corrupt);
    if (!sample) return {tl::make_unexpected(sample.error()), std::move(out.corrupt)};
    out.samples->push_back(std::move(*sample));
  }
  const std::lock_guard lock(mutex_);
  cpu_ns_ += thread_cpu_ns() - before;
  prepared_ += range.count;
  return out;
}

void Loader::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto next = [this] {
      return std::find_if(queue_.begin(), queue_.end(), [](const auto& slot) { return !slot->done; });
    };
    changed_.wait(lock, [&] { return stop_ || next() != queue_.end(); });
    if (stop_) return;
    const std::shared_ptr<Slot> slot = *next();
    lock.unlock();
    Batch batch = prepare(slot->range);
    lock.lock();
    slot->batch = std::move(batch);
    slot->done = true;
    changed_.notify_all();
  }
}

void Loader::prefetch(Range range) {
  const std::lock_guard lock(mutex_);
  const bool known = std::any_of(queue_.begin(), queue_.end(), [&](const auto& s) { return s->range == range; });
  if (known || range.count == 0 || queue_.size() >= kAhead) return;
  auto slot = std::make_shared<Slot>();
  slot->range = range;
  queue_.push_back(std::move(slot));
  changed_.notify_all();
}

Expected<std::vector<Prepared>> Loader::take(Range range) {
  std::unique_lock lock(mutex_);
  const auto at = std::find_if(queue_.begin(), queue_.end(), [&](const auto& s) { return s->range == range; });
  if (at == queue_.end()) {
    // What was prefetched before a jump will not be asked for any more.
    std::erase_if(queue_, [](const auto& slot) { return slot->done; });
    lock.unlock();
    return hand_out(prepare(range));
  }
  const std::shared_ptr<Slot> slot = *at;
  changed_.wait(lock, [&] { return slot->done; });
  queue_.erase(std::find(queue_.begin(), queue_.end(), slot));
  lock.unlock();
  return hand_out(std::move(slot->batch));
}

Expected<std::vector<Prepared>> Loader::hand_out(Batch batch) {
  const std::lock_guard lock(mutex_);
  corrupt_.merge(batch.corrupt);
  return std::move(batch.samples);
}

std::vector<std::uint64_t> Loader::corrupt() const {
  const std::lock_guard lock(mutex_);
  return {corrupt_.begin(), corrupt_.end()};
}

LoaderStatus Loader::status() const {
  const std::lock_guard lock(mutex_);
  return {prepared_, corrupt_.size(), cpu_ns_};
}

}  // namespace orrery::data
