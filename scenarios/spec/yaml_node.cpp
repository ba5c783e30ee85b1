// See yaml_node.hpp.
#include "scenarios/spec/yaml_node.hpp"

#include <yaml-cpp/yaml.h>

namespace orrery::app {

YamlNode::YamlNode(const YAML::Node& node) : node_(std::make_shared<const YAML::Node>(node)) {}

bool YamlNode::is_map() const {
  return node_ != nullptr && node_->IsMap();
}

bool YamlNode::is_list() const {
  return node_ != nullptr && node_->IsSequence();
}

bool YamlNode::is_value() const {
  return node_ != nullptr && node_->IsScalar();
}

bool YamlNode::given() const {
  return node_ != nullptr && node_->IsDefined();
}

const std::string& YamlNode::text() const {
  static const std::string kNone;
  return is_value() ? node_->Scalar() : kNone;
}

std::size_t YamlNode::size() const {
  return node_ == nullptr ? 0 : node_->size();
}

std::vector<YamlNode> YamlNode::items() const {
  std::vector<YamlNode> out;
  if (is_list())
    for (const auto& item : *node_) out.emplace_back(item);
  return out;
}

std::vector<std::pair<YamlNode, YamlNode>> YamlNode::entries() const {
  std::vector<std::pair<YamlNode, YamlNode>> out;
  if (is_map())
    for (const auto& entry : *node_) out.emplace_back(YamlNode(entry.first), YamlNode(entry.second));
  return out;
}

YamlNode YamlNode::at(std::string_view key) const {
  for (auto& [name, value] : entries())
    if (name.text() == key) return std::move(value);
  return {};
}

int YamlNode::line() const {
  return node_ == nullptr ? 0 : node_->Mark().line + 1;
}

int YamlNode::column() const {
  return node_ == nullptr ? 0 : node_->Mark().column + 1;
}

const YAML::Node& YamlNode::parsed() const {
  static const YAML::Node kNone;
  return node_ == nullptr ? kNone : *node_;
}

}  // namespace orrery::app
