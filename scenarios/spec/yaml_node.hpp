// A node of a YAML document: nothing, a plain value, a list or a map, and where it stands. What reads scenarios sees
// documents through it, so that only the files that parse YAML read yaml-cpp's headers.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace YAML {
class Node;
}

namespace orrery::app {

class YamlNode {
 public:
  YamlNode() = default;  // nothing
  explicit YamlNode(const YAML::Node& node);

  [[nodiscard]] bool is_map() const;
  [[nodiscard]] bool is_list() const;
  [[nodiscard]] bool is_value() const;
  // It is in the document, if only as a key without a value.
  [[nodiscard]] bool given() const;
  // Of a plain value, as it is written; empty of all others.
  [[nodiscard]] const std::string& text() const;
  // Of a list its items, of a map its values.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::vector<YamlNode> items() const;
  // Of a map its keys and values, in the order of the document; a key may be there twice.
  [[nodiscard]] std::vector<std::pair<YamlNode, YamlNode>> entries() const;
  // Of a map the value of a key; nothing where it is not there.
  [[nodiscard]] YamlNode at(std::string_view key) const;
  // Where it begins, from 1; 0 where it is in no file.
  [[nodiscard]] int line() const;
  [[nodiscard]] int column() const;
  // For what takes parts of documents on; of nothing a null node.
  [[nodiscard]] const YAML::Node& parsed() const;

 private:
  std::shared_ptr<const YAML::Node> node_;
};

}  // namespace orrery::app
