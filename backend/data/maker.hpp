// Makes data sets of scenes (scenes.hpp): folders of shards with a tokenizer.json and a dataset.json that says how
// they were made. The same options give the same bytes. Pretraining sets pair pictures, captions and melodies;
// labelled sets ask one question of a scene.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backend/data/scenes.hpp"
#include "backend/data/tokenizer.hpp"
#include "sim/core/error.hpp"

namespace orrery::data {

enum class SetKind : std::uint8_t {
  pairs,      // picture, caption, melody; no label
  shape,      // picture; label = shape
  colour,     // picture; label = colour
  quarter,    // picture; label = quarter
  count,      // picture; label = count - 1
  pair,       // picture; label = shape and colour together
  agreement,  // picture and caption; label 1 = they agree, 0 = one property of the caption is wrong
  tone,       // melody; label = colour (its pitch)
};
[[nodiscard]] const std::vector<std::string_view>& set_kind_names();  // in the order of SetKind
[[nodiscard]] std::int64_t classes_of(SetKind kind);                  // 0 for pairs

struct MakerOptions {
  SetKind kind = SetKind::pairs;
  std::uint64_t samples = 1024;
  int size = 32;       // pixels of a side
  bool sound = false;  // pairs: with melodies
  std::uint64_t seed = 1;
  Combinations combinations = Combinations::all;
  bool useless_captions = false;  // pairs: captions speak of the background only
  std::int32_t vocabulary = 400;
  std::uint64_t shard_samples = 1024;
  friend bool operator==(const MakerOptions&, const MakerOptions&) = default;
};

// Options as one line of JSON, with every key: what dataset.json holds.
[[nodiscard]] std::string to_json(const MakerOptions& options);
// Missing keys keep their default; unknown ones are errors.
[[nodiscard]] Expected<MakerOptions> maker_options_from_json(std::string_view text);

// The scene of a sample, its caption and label; what the shards hold, without drawing.
struct Made {
  Scene scene;
  std::string text;
  std::int64_t label = -1;
};
[[nodiscard]] Made made_sample(const MakerOptions& options, std::uint64_t index);

// The tokenizer of all sets of this world: trained on captions of scenes drawn with a seed of its own, so that models
// and sets fit each other whatever their seeds.
[[nodiscard]] Tokenizer scene_tokenizer(std::int32_t vocabulary);

// Writes the set into `folder`, which appears by one rename when it is whole. Does nothing when it is there already,
// made with the same options; fails when it was made with others. Safe for several processes at once.
[[nodiscard]] Expected<void> make_dataset(const std::string& folder, const MakerOptions& options);

}  // namespace orrery::data
