#include "sim/api/allocation_text.hpp"

#include <fmt/format.h>

#include "sim/api/json_values.hpp"
#include "sim/core/json.hpp"
#include "sim/core/json_text.hpp"
#include "sim/core/text.hpp"

namespace orrery {
namespace {

template <class Out>
void write_slices(Out& out, const Allocation& a) {
  bool first_slice = true;
  for (const NodeSlice& s : a.slices()) {
    if (!first_slice) out.push_back(',');
    first_slice = false;
    out.push_back('n');
    append_int(out, s.node.value);
    out.push_back(':');
    if (!s.gpus.any()) out.push_back('-');
    bool first = true;
    for (GpuMask rest = s.gpus; rest.any();) {
      const int low = rest.lowest();
      int run = 0;  // GPUs in a row from `low` on
      for (; rest.has(low + run); ++run) rest.drop_lowest();
      if (!first) out.push_back('+');
      first = false;
      append_int(out, low);
      if (run > 1) {
        out.push_back('-');
        append_int(out, low + run - 1);
      }
    }
    if (s.milli_per_gpu != kMilliPerGpu) {
      out.push_back('@');
      append_int(out, s.milli_per_gpu);
    }
  }
}

template <class Out>
void write_host_shares(Out& out, const Allocation& a) {
  bool cpu = false;
  bool mem = false;
  for (const NodeSlice& s : a.slices()) {
    // `gpus` and its share are append_allocation()'s; a member more is to be written by one of the two.
    const auto& [node, milli_per_gpu, gpus, cpu_milli, mem_bytes] = s;
    cpu = cpu || cpu_milli != 0;
    mem = mem || mem_bytes != 0;
  }
  const auto list = [&](std::string_view key, std::int64_t NodeSlice::*field) {
    out += key;
    for (const NodeSlice& s : a.slices()) {
      if (out.back() != '[') out.push_back(',');
      append_int(out, s.*field);
    }
    out.push_back(']');
  };
  if (cpu) list(R"(,"cpu_milli":[)", &NodeSlice::cpu_milli);
  if (mem) list(R"(,"mem_bytes":[)", &NodeSlice::mem_bytes);
}

}  // namespace

void append_allocation(std::string& out, const Allocation& a) {
  write_slices(out, a);
}
void append_allocation(TextBuffer& out, const Allocation& a) {
  write_slices(out, a);
}

void append_host_shares(std::string& out, const Allocation& a) {
  write_host_shares(out, a);
}
void append_host_shares(TextBuffer& out, const Allocation& a) {
  write_host_shares(out, a);
}

void read_allocation(const std::string& text, const nlohmann::json& beside, Allocation& a) {
  const auto parsed = parse_allocation(text);
  if (!parsed) throw BadLine{fmt::format("`{}` is not an allocation", text)};
  const auto list = [&](const char* key) -> const nlohmann::json* {
    const auto at = beside.find(key);
    if (at == beside.end()) return nullptr;
    if (!at->is_array() || at->size() != parsed->nodes())
      throw BadLine{
          fmt::format("`{}` is {}, which is not one number for each node of `{}`", key, json_text(*at), text)};
    return &*at;
  };
  const nlohmann::json* cpu = list("cpu_milli");
  const nlohmann::json* mem = list("mem_bytes");
  a.clear();
  std::size_t i = 0;
  for (NodeSlice s : parsed->slices()) {
    if (cpu != nullptr) s.cpu_milli = whole<std::int64_t>((*cpu)[i]);
    if (mem != nullptr) s.mem_bytes = whole<std::int64_t>((*mem)[i]);
    a.add(s);
    ++i;
  }
}

}  // namespace orrery
