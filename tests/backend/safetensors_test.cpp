// Tensors on disk: our bytes, Python's bytes, damage.
#include "tests/backend/support_catch.hpp"

#include "backend/trainer/safetensors.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "backend/protocol/files.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/traces.hpp"

namespace {

using namespace orrery;
using namespace orrery::trainer;

NamedTensors some() {
  return {
      {"a", at::arange(6, at::kFloat).reshape({2, 3})}, {"b.half", at::tensor({1.5, -2.0}).to(at::kBFloat16)},
      {"scalar", at::tensor(7, at::kLong).reshape({})}, {"none", at::empty({0, 4}, at::kDouble)},
      {"bytes", at::tensor({1, 2, 255}, at::kByte)},    {"turned", at::arange(6, at::kFloat).reshape({2, 3}).t()}};
}

bool same_tensor(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() && (a.numel() == 0 || a.equal(b));
}

// The Python that can import torch and safetensors (scripts/bootstrap --live), or nothing.
std::string python_with_safetensors() {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  const char* const home = std::getenv("HOME");
  const std::string folder =
      (cache != nullptr && *cache != '\0' ? std::string(cache)
                                          : std::string(home == nullptr ? "" : home) + "/.cache") +
      "/orrery/torch-2.11.0";
  const std::string command = fmt::format("PYTHONPATH='{}' python3.11", folder);
  const std::string probe = command + " -c 'import torch, safetensors.torch' >/dev/null 2>&1";
  return std::system(probe.c_str()) == 0 ? command : std::string();
}

TEST_CASE("Tensors come back from safetensors as they went in", "[torch][safetensors]") {
  const std::string bytes = to_safetensors(some(), {{"format", "pt"}});
  const auto back = from_safetensors(bytes, "x");
  REQUIRE(back);
  CHECK(back->size() == some().size());
  for (const auto& [name, t] : some()) CHECK(same_tensor(back->at(name), t));
  // Cut or changed anywhere in its header's length or at its end: an error, never a crash.
  for (const std::size_t cut : {std::size_t{0}, std::size_t{7}, std::size_t{20}, bytes.size() - 1})
    CHECK(!from_safetensors(std::string_view(bytes).substr(0, cut), "x"));
  CHECK(!from_safetensors(bytes + "x", "x"));
}

TEST_CASE("Python's safetensors reads ours, and we read its", "[torch][safetensors]") {
  const std::string py = python_with_safetensors();
  if (py.empty()) {
    test::tally().skipped.emplace_back(test::tally().test,
                                       "python3.11 cannot import torch and safetensors (scripts/bootstrap --live)");
    return;
  }
  const test::TempFolder folder;
  REQUIRE(live::write_file(folder.file("ours.safetensors"), to_safetensors(some(), {{"format", "pt"}})));
  const std::string script = R"(
import sys, torch
from safetensors.torch import load_file, save_file
t = load_file(sys.argv[1])
assert t["a"].tolist() == [[0, 1, 2], [3, 4, 5]] and t["b.half"].dtype == torch.bfloat16
assert t["scalar"].item() == 7 and t["none"].shape == (0, 4) and t["bytes"].tolist() == [1, 2, 255]
assert t["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
save_file({k: v.contiguous() for k, v in t.items()}, sys.argv[2], metadata={"format": "pt"})
)";
  REQUIRE(live::write_file(folder.file("script.py"), script));
  const std::string command = fmt::format("{} {} {} {}", py, folder.file("script.py"),
                                          folder.file("ours.safetensors"), folder.file("its.safetensors"));
  REQUIRE(std::system(command.c_str()) == 0);
  const auto back = read_safetensors(folder.file("its.safetensors"));
  REQUIRE(back);
  for (const auto& [name, t] : some()) CHECK(same_tensor(back->at(name), t));
}

}  // namespace
