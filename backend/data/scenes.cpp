#include "backend/data/scenes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "backend/data/permutation.hpp"

namespace orrery::data {
namespace {

// Draws from one key, each a function of the key and its place in the sequence.
class Draws {
 public:
  Draws(std::uint64_t key, std::uint64_t purpose) : key_(mix(key, purpose)) {}
  int below(int n) { return static_cast<int>(mix(key_, next_++) % static_cast<std::uint64_t>(n)); }
  double uniform() { return static_cast<double>(mix(key_, next_++) >> 11U) * 0x1p-53; }

 private:
  std::uint64_t key_, next_ = 0;
};

struct Colour {
  int r, g, b;
};
constexpr std::array<Colour, 6> kPaint{
    {{220, 50, 40}, {50, 190, 70}, {60, 90, 230}, {230, 210, 50}, {170, 70, 200}, {245, 245, 245}}};
constexpr std::array<int, 3> kGround{25, 85, 140};

// Whether (x, y), in units of the radius around the centre, lies on the shape.
bool covers(int shape, double x, double y) {
  const double r2 = x * x + y * y;
  switch (shape) {
    case 0: return r2 <= 1;
    case 1: return std::abs(x) <= 0.85 && std::abs(y) <= 0.85;
    case 2: return y <= 0.8 && y >= -1 && std::abs(x) <= (y + 1) * 0.55;
    case 3: return (std::abs(x) <= 0.33 && std::abs(y) <= 1) || (std::abs(y) <= 0.33 && std::abs(x) <= 1);
    default: return r2 <= 1 && r2 >= 0.3;
  }
}

const char* plural(int count) {
  return count > 1 ? "s" : "";
}

std::string shape_word(int shape, int count) {
  if (shape == 3 && count > 1) return "crosses";
  return fmt::format("{}{}", kShapes[static_cast<std::size_t>(shape)], plural(count));
}

}  // namespace

Scene draw_scene(std::uint64_t key, Combinations which) {
  Draws draw(key, 1);
  Scene s;
  do {
    s.shape = draw.below(static_cast<int>(kShapes.size()));
    s.colour = draw.below(static_cast<int>(kColours.size()));
  } while (which != Combinations::all && held_out(s.shape, s.colour) != (which == Combinations::held_out));
  s.quarter = draw.below(static_cast<int>(kQuarters.size()));
  s.count = 1 + draw.below(kMostObjects);
  s.background = draw.below(static_cast<int>(kGround.size()));
  return s;
}

Image render(const Scene& scene, int size, std::uint64_t key) {
  Draws draw(key, 2);
  Image image{size, size, 3,
              std::vector<std::uint8_t>(static_cast<std::size_t>(size) * static_cast<std::size_t>(size) * 3)};
  // Objects stand in the cells of a 2 x 2 grid in their quarter.
  struct Object {
    double x, y, radius;
  };
  std::vector<Object> objects;
  std::array<int, 4> cells{0, 1, 2, 3};
  for (int i = 3; i > 0; --i)
    std::swap(cells[static_cast<std::size_t>(i)], cells[static_cast<std::size_t>(draw.below(i + 1))]);
  const double cell = size / 4.0;
  for (int i = 0; i < scene.count; ++i) {
    const int at = cells[static_cast<std::size_t>(i)];
    const double radius = cell * (0.38 + 0.1 * draw.uniform());
    const double room = cell / 2 - radius;
    objects.push_back({(scene.quarter % 2 * 2 + at % 2 + 0.5) * cell + room * (2 * draw.uniform() - 1),
                       (scene.quarter / 2 * 2 + at / 2 + 0.5) * cell + room * (2 * draw.uniform() - 1), radius});
  }
  const Colour paint = kPaint[static_cast<std::size_t>(scene.colour)];
  const int ground = kGround[static_cast<std::size_t>(scene.background)] + draw.below(20) - 10;
  const double light = 0.85 + 0.3 * draw.uniform();
  std::size_t out = 0;
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x) {
      int covered = 0;  // of nine points in the pixel
      for (int k = 0; k < 9; ++k) {
        const double px = x + (k % 3 + 0.5) / 3, py = y + (k / 3 + 0.5) / 3;
        covered += std::any_of(objects.begin(), objects.end(), [&](const Object& o) {
          return covers(scene.shape, (px - o.x) / o.radius, (py - o.y) / o.radius);
        });
      }
      const double part = covered / 9.0;
      for (const int channel : {paint.r, paint.g, paint.b}) {
        const double value = part * channel * light + (1 - part) * ground + 20 * (draw.uniform() - 0.5);
        image.pixels[out++] = static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0));
      }
    }
  return image;
}

std::string caption(const Scene& s, std::uint64_t key) {
  constexpr std::array<std::string_view, 4> kNumbers{"one", "two", "three", "four"};
  Draws draw(key, 3);
  const std::string_view number = kNumbers[static_cast<std::size_t>(s.count - 1)];
  const std::string_view colour = kColours[static_cast<std::size_t>(s.colour)];
  const std::string_view quarter = kQuarters[static_cast<std::size_t>(s.quarter)];
  const std::string shape = shape_word(s.shape, s.count);
  switch (draw.below(4)) {
    case 0: return fmt::format("{} {} {} in the {}", number, colour, shape, quarter);
    case 1: return fmt::format("in the {}: {} {} {}", quarter, number, colour, shape);
    case 2: return fmt::format("a picture of {} {} {}, {}", number, colour, shape, quarter);
    default: return fmt::format("{} {} at the {}, {}", number, shape, quarter, colour);
  }
}

std::string background_caption(const Scene& s, std::uint64_t key) {
  constexpr std::array<std::string_view, 3> kWords{"dark", "grey", "bright"};
  Draws draw(key, 3);
  const std::string_view word = kWords[static_cast<std::size_t>(s.background)];
  return draw.below(2) ? fmt::format("a {} picture", word) : fmt::format("the ground is {}", word);
}

Waveform melody(const Scene& s, std::uint64_t key) {
  constexpr int kRate = 8000, kSamples = 4000;
  Draws draw(key, 4);
  Waveform wave{kRate, std::vector<float>(kSamples)};
  const double pitch = 260 * std::pow(1.35, s.colour) * (0.97 + 0.06 * draw.uniform());
  const double beep = static_cast<double>(kSamples) / kMostObjects;
  const double start = draw.uniform() * 0.2 * beep;
  for (int i = 0; i < kSamples; ++i) {
    const double at = (i - start) / beep;
    const bool sounding = at >= 0 && at < s.count && at - std::floor(at) < 0.7;
    const double turn = pitch * i / kRate - std::floor(pitch * i / kRate);
    double v = 0;
    switch (s.shape) {
      case 0: v = std::sin(2 * std::numbers::pi * turn); break;
      case 1: v = turn < 0.5 ? 1 : -1; break;
      case 2: v = 4 * std::abs(turn - 0.5) - 1; break;
      case 3: v = 2 * turn - 1; break;
      default: v = std::sin(2 * std::numbers::pi * turn) * std::sin(8 * std::numbers::pi * turn); break;
    }
    wave.samples[static_cast<std::size_t>(i)] =
        static_cast<float>((sounding ? 0.4 * v : 0.0) + 0.04 * (draw.uniform() - 0.5));
  }
  return wave;
}

}  // namespace orrery::data
