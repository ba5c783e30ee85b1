// A JSON value that a header can hold without including the library, which takes a second to read.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

namespace orrery {

// A value: a copy is one of what is in it.
class JsonBox {
 public:
  JsonBox();  // null
  JsonBox(nlohmann::json value);
  JsonBox(const JsonBox& other);
  JsonBox(JsonBox&& other) noexcept;  // leaves null
  JsonBox& operator=(JsonBox other) noexcept;
  ~JsonBox();

  [[nodiscard]] nlohmann::json& operator*() { return *value_; }
  [[nodiscard]] const nlohmann::json& operator*() const { return *value_; }
  [[nodiscard]] nlohmann::json* operator->() { return value_.get(); }
  [[nodiscard]] const nlohmann::json* operator->() const { return value_.get(); }

 private:
  std::unique_ptr<nlohmann::json> value_;  // never null
};

}  // namespace orrery
