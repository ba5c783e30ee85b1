#include "backend/models/parameters.hpp"

#include <ATen/CPUGeneratorImpl.h>

#include "sim/core/assert.hpp"
#include "sim/core/random.hpp"

namespace orrery::models {

at::Tensor ParameterSet::add(std::string name, at::IntArrayRef shape, Init init) {
  ORRERY_ASSERT(!find(name), "parameter `{}` is made twice", name);
  at::Tensor value = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
  if (init.kind == Init::Kind::constant) {
    value.fill_(init.value);
  } else {
    auto generator = at::detail::createCPUGenerator(hash64(name, hash64("parameters") ^ seed_));
    value.normal_(0, init.value, generator);
  }
  value = value.to(device_);
  value.set_requires_grad(true);
  all_.push_back({std::move(name), value, true, shape.size() >= 2});
  return value;
}

std::vector<Parameter> ParameterSet::trainable() const {
  std::vector<Parameter> out;
  for (const Parameter& p : all_)
    if (p.trainable) out.push_back(p);
  return out;
}

const Parameter* ParameterSet::find(std::string_view name) const {
  for (const Parameter& p : all_)
    if (p.name == name) return &p;
  return nullptr;
}

}  // namespace orrery::models
