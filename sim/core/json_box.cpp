#include "sim/core/json_box.hpp"

#include <utility>

#include "sim/core/json.hpp"

namespace orrery {

JsonBox::JsonBox() : value_(std::make_unique<nlohmann::json>()) {}
JsonBox::JsonBox(nlohmann::json value) : value_(std::make_unique<nlohmann::json>(std::move(value))) {}
JsonBox::JsonBox(const JsonBox& other) : JsonBox(*other) {}
JsonBox::JsonBox(JsonBox&& other) noexcept : JsonBox() {
  std::swap(value_, other.value_);
}
JsonBox& JsonBox::operator=(JsonBox other) noexcept {
  std::swap(value_, other.value_);
  return *this;
}
JsonBox::~JsonBox() = default;

}  // namespace orrery
