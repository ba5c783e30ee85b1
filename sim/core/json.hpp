// The JSON library, for those that look into values. Its classes are templates, which every file would compile for
// itself: the largest of what all use is compiled once, in json_text.cpp.
#pragma once

#include <nlohmann/json.hpp>

// `extern template` of what a JSON value is made of, or, where the prefix is empty, the templates themselves.
#define ORRERY_JSON_PARTS(prefix, Json)                                                      \
  prefix template Json::basic_json(Json::initializer_list_t, bool, nlohmann::json::value_t); \
  prefix template Json::basic_json(const Json&);                                             \
  prefix template void Json::json_value::destroy(nlohmann::json::value_t);

ORRERY_JSON_PARTS(extern, nlohmann::basic_json<>)
ORRERY_JSON_PARTS(extern, nlohmann::basic_json<nlohmann::ordered_map>)
