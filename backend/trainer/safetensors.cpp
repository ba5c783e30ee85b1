// See safetensors.hpp.
#include "backend/trainer/safetensors.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstring>

#include "backend/protocol/checkpoint_dir.hpp"
#include "backend/protocol/files.hpp"
#include "backend/protocol/safetensors_header.hpp"
#include "sim/core/assert.hpp"

namespace orrery::trainer {
namespace {

struct Type {
  at::ScalarType type;
  const char* name;
};
constexpr Type kTypes[] = {{at::kFloat, "F32"}, {at::kDouble, "F64"}, {at::kHalf, "F16"},  {at::kBFloat16, "BF16"},
                           {at::kLong, "I64"},  {at::kInt, "I32"},    {at::kShort, "I16"}, {at::kChar, "I8"},
                           {at::kByte, "U8"},   {at::kBool, "BOOL"}};
constexpr std::string_view kModel = "model.";

const char* name_of(at::ScalarType type) {
  for (const Type& t : kTypes)
    if (t.type == type) return t.name;
  ORRERY_ASSERT(false, "tensors of type {} cannot be saved", c10::toString(type));
  return "";
}

at::ScalarType type_of(const std::string& name) {
  for (const Type& t : kTypes)
    if (name == t.name) return t.type;
  return at::kByte;  // the header was checked
}

}  // namespace

std::string to_safetensors(const NamedTensors& tensors, const std::map<std::string, std::string>& metadata) {
  worker::TensorHeader header;
  header.metadata = metadata;
  std::uint64_t at = 0;
  for (const auto& [name, t] : tensors) {
    const auto bytes = static_cast<std::uint64_t>(t.numel()) * t.element_size();
    header.tensors.push_back({name, name_of(t.scalar_type()), t.sizes().vec(), at, at + bytes});
    at += bytes;
  }
  std::string out = worker::tensor_header_text(header);
  out.reserve(out.size() + at);
  for (const auto& [name, t] : tensors) {
    const at::Tensor plain = t.detach().to(at::kCPU).contiguous();
    out.append(static_cast<const char*>(plain.const_data_ptr()), static_cast<std::size_t>(plain.nbytes()));
  }
  return out;
}

Expected<std::map<std::string, at::Tensor>> from_safetensors(std::string_view bytes, const std::string& what) {
  const auto header = worker::parse_tensor_header(bytes);
  if (!header) return fail(fmt::format("`{}` is no safetensors file: {}", what, header.error()));
  std::map<std::string, at::Tensor> tensors;
  for (const worker::TensorEntry& e : header->tensors) {
    at::Tensor t = at::empty(e.shape, type_of(e.dtype));
    if (t.numel() > 0) std::memcpy(t.mutable_data_ptr(), bytes.data() + header->data_at + e.begin, e.end - e.begin);
    tensors.emplace(e.name, std::move(t));
  }
  return tensors;
}

Expected<std::map<std::string, at::Tensor>> read_safetensors(const std::string& path) {
  const auto bytes = live::read_file(path);
  if (!bytes) return tl::make_unexpected(bytes.error());
  return from_safetensors(*bytes, path);
}

Expected<std::map<std::string, at::Tensor>> load_model(const std::string& dir) {
  live::CheckpointSearch found = live::load_checkpoint(dir);
  if (!found.newest) {
    if (auto whole = live::load_checkpoint_at(dir)) found.newest = live::LoadedCheckpoint{*std::move(whole), dir};
  }
  if (!found.newest) {
    Diagnostic d{fmt::format("`{}` holds no whole checkpoint to start from", dir)};
    for (const std::string& bad : found.passed_over) d.notes.push_back("passed over " + bad);
    return fail(std::move(d));
  }
  std::map<std::string, at::Tensor> model;
  for (const live::CheckpointFile& file : found.newest->checkpoint.files) {
    if (!file.name.ends_with(".safetensors")) continue;
    auto tensors = from_safetensors(file.bytes, found.newest->path + "/" + file.name);
    if (!tensors) return tl::make_unexpected(tensors.error());
    for (auto& [name, t] : *tensors)
      if (name.starts_with(kModel)) model.emplace(name.substr(kModel.size()), std::move(t));
  }
  return model;
}

}  // namespace orrery::trainer
