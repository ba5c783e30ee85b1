// The made-up world of our data sets: a few equal shapes of one colour in one quarter of a small noisy picture, told
// in a sentence and as a melody (pitch = colour, beeps = count, timbre = shape). A scene is a value; drawing it
// depends on the scene and a key only. Some pairs of shape and colour never occur in pretraining, so that what is
// learnt can be asked of combinations never seen.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "backend/data/sample.hpp"

namespace orrery::data {

inline constexpr std::array<std::string_view, 5> kShapes{"circle", "square", "triangle", "cross", "ring"};
inline constexpr std::array<std::string_view, 6> kColours{"red", "green", "blue", "yellow", "purple", "white"};
inline constexpr std::array<std::string_view, 4> kQuarters{"top left", "top right", "bottom left", "bottom right"};
inline constexpr int kMostObjects = 4;

struct Scene {
  int shape = 0, colour = 0, quarter = 0;
  int count = 1;       // 1 to kMostObjects
  int background = 0;  // 0 dark, 1 grey, 2 bright
  friend bool operator==(const Scene&, const Scene&) = default;
};

// Pairs that pretraining leaves out: one in six.
[[nodiscard]] constexpr bool held_out(int shape, int colour) {
  return (shape + colour) % 6 == 4;
}

// Uniform over all scenes, or over those of seen (held-out) pairs only.
enum class Combinations : std::uint8_t { all, seen, held_out };
[[nodiscard]] Scene draw_scene(std::uint64_t key, Combinations which);

// size x size pixels, RGB; objects jittered, pixels noisy.
[[nodiscard]] Image render(const Scene& scene, int size, std::uint64_t key);
// "two red circles in the top left", in one of several wordings.
[[nodiscard]] std::string caption(const Scene& scene, std::uint64_t key);
// "a bright picture": says nothing of the objects. What a deliberately useless source is told.
[[nodiscard]] std::string background_caption(const Scene& scene, std::uint64_t key);
// Half a second at 8 kHz.
[[nodiscard]] Waveform melody(const Scene& scene, std::uint64_t key);

}  // namespace orrery::data
