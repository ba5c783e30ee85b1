#include "backend/protocol/fence.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>

namespace orrery::live {
namespace {

// 0 where there is none.
std::int64_t token_in(const std::string& path) {
  const auto text = read_file(path);
  std::int64_t token = 0;
  if (text) (void)std::from_chars(text->data(), text->data() + text->size(), token);
  return token;
}

}  // namespace

bool Fence::holds() const {
  return path.empty() || token_in(path) == token;
}

Expected<Fence> claim_fence(const std::string& path) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const std::int64_t ns = static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
  const Fence fence{path, std::max(token_in(path) + 1, ns)};
  if (auto ok = replace_file(path, fmt::format("{}\n", fence.token)); !ok) return tl::make_unexpected(ok.error());
  return fence;
}

}  // namespace orrery::live
