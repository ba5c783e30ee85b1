// Pictures, sound, text and their preparation: each against a value worked out by hand or from its definition.
#include "backend/data/codecs.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>
#include <set>

#include "backend/data/dataset.hpp"
#include "backend/data/log_mel.hpp"
#include "backend/data/permutation.hpp"
#include "backend/data/preprocess.hpp"
#include "backend/data/tokenizer.hpp"

namespace {
using namespace orrery;
using namespace orrery::data;

TEST_CASE("PPM: comments and both kinds are read; what is damaged says why", "[data][codecs]") {
  const auto image = decode_ppm("P6 # a comment\n# another\n2 1\n255\nabcdef");
  REQUIRE(image);
  CHECK(image->width == 2);
  CHECK(image->pixels == std::vector<std::uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'});
  CHECK(decode_ppm(encode_ppm(*image)) == *image);
  const auto grey = decode_image("P5\n3 1\n255\nxyz");
  REQUIRE(grey);
  CHECK(grey->channels == 1);
  const auto why = [](std::string_view bytes) { return decode_image(bytes).error().items.front().message; };
  CHECK(why("P6\n2 2\n255\nabc") == "a PPM with 3 of 12 bytes");
  CHECK(why("P6\n0 2\n255\n") == "a PPM of 0 x 2 pixels");
  CHECK(why("P6\n1 1\n65535\nab") == "a PPM whose values do not go to 255");
  CHECK(why("GIF89a") == "neither PPM nor JPEG nor PNG");
}

TEST_CASE("Raw pixels are as the data set says; another size is an error", "[data][codecs]") {
  const auto shape = raw_shape_from_json("raw.json", R"({"width": 2, "height": 1, "channels": 3})");
  REQUIRE(shape);
  const auto image = decode_raw("abcdef", *shape);
  REQUIRE(image);
  CHECK(*image == *decode_ppm("P6\n2 1\n255\nabcdef"));
  CHECK(decode_raw("abcde", *shape).error().items.front().message == "raw pixels of 5 bytes, where 2 x 1 x 3 are 6");
  Sample sample;
  CHECK_FALSE(decode_file("raw", "abcdef", sample));
  CHECK(decode_file("raw", "abcdef", sample, *shape));
  CHECK(sample.has_image());
  for (const char* bad :
       {"", "[]", R"({"width": 2, "height": 1})", R"({"width": 0, "height": 1, "channels": 3})",
        R"({"width": 2, "height": 1, "channels": 2})", R"({"width": 2, "height": "1", "channels": 1})"})
    CHECK_FALSE(raw_shape_from_json("raw.json", bad));
}

TEST_CASE("WAV: 16 bit survives to its step, stereo is averaged, other chunks are stepped over", "[data][codecs]") {
  const Waveform wave{8000, {0.0F, 0.5F, -1.0F, 1.0F}};
  std::string bytes = encode_wav(wave);
  CHECK(bytes.size() == 44 + 8);
  auto back = decode_wav(bytes);
  REQUIRE(back);
  CHECK(back->rate == 8000);
  for (std::size_t i = 0; i < 4; ++i) CHECK(std::abs(back->samples[i] - wave.samples[i]) < 1.0F / 16384);
  bytes.insert(12, std::string("LIST\x03\0\0\0abc\0", 12));  // an odd chunk and its padding
  CHECK(decode_wav(bytes)->samples == back->samples);
  bytes = encode_wav(wave);
  bytes[22] = 2;  // two channels: frames (0, 0.5) and (-1, 1)
  const auto stereo = decode_wav(bytes);
  REQUIRE(stereo);
  REQUIRE(stereo->samples.size() == 2);
  CHECK(std::abs(stereo->samples[0] - 0.25F) < 1e-4F);
  CHECK(std::abs(stereo->samples[1]) < 1e-4F);
  CHECK_FALSE(decode_wav(encode_wav({8000, {}})));
  CHECK_FALSE(decode_wav("RIFF1234WAVEdata\x04\0\0\0abcd"));
}

TEST_CASE("The FFT is its definition, and a tone lights up the mel bands around its pitch", "[data][audio]") {
  std::vector<float> re, im(16, 0.0F);
  for (int i = 0; i < 16; ++i) re.push_back(static_cast<float>((i * 7) % 5) - 2.0F);
  const std::vector<float> x = re;
  fft(re, im);
  for (std::size_t k = 0; k < 16; ++k) {
    double a = 0, b = 0;
    for (std::size_t j = 0; j < 16; ++j) {
      const double angle = -2 * std::numbers::pi * static_cast<double>(j * k) / 16;
      a += static_cast<double>(x[j]) * std::cos(angle);
      b += static_cast<double>(x[j]) * std::sin(angle);
    }
    CHECK(std::abs(static_cast<double>(re[k]) - a) < 1e-4);
    CHECK(std::abs(static_cast<double>(im[k]) - b) < 1e-4);
  }
  const LogMel mel({256, 128, 16, 4}, 8000);
  std::vector<float> tone;
  for (int i = 0; i < 640; ++i) tone.push_back(static_cast<float>(std::sin(2 * std::numbers::pi * 1000 * i / 8000)));
  const std::vector<float> picture = mel(tone);
  REQUIRE(picture.size() == 16 * 4);
  std::size_t loudest = 0;
  for (std::size_t m = 0; m < 16; ++m)
    if (picture[m * 4 + 1] > picture[loudest * 4 + 1]) loudest = m;
  // 1000 Hz is mel 999.99; 4000 Hz is mel 2146.1; band m peaks at 2146.1 (m + 1) / 17: the nearest peak is m = 7.
  CHECK(loudest == 7);
  CHECK(picture[0] < picture[7 * 4 + 1] - 1);
  CHECK(mel(std::vector<float>{})[5] == Approx((std::log(1e-6) + 6) / 4));
}

TEST_CASE("Byte pairs are merged by frequency, and every text comes back", "[data][tokenizer]") {
  // "ab" occurs 4 times, then "abc" 3 times; "d" stays alone.
  const Tokenizer t = Tokenizer::train({"abc abc", "abc abd"}, 270);
  CHECK(t.vocabulary() == 261);  // after two merges nothing occurs twice
  const auto id = [](char c) { return kFirstByte + static_cast<unsigned char>(c); };
  CHECK(t.encode("ab") == std::vector<std::int32_t>{259});
  CHECK(t.encode("abc") == std::vector<std::int32_t>{260});
  CHECK(t.encode("abd") == std::vector<std::int32_t>{259, id('d')});
  CHECK(t.encode("ba") == std::vector<std::int32_t>{id('b'), id('a')});
  for (const std::string text : {"abc  abd\n", "", " a b!", "\xff\x00z", "12 circles, top-left"}) {
    CHECK(t.decode(t.encode(text)) == text);
    const auto again = Tokenizer::from_json("tokenizer.json", t.to_json());
    REQUIRE(again);
    CHECK(again->encode(text) == t.encode(text));
    CHECK(again->to_json() == t.to_json());
  }
  CHECK(t.encode_padded("abc", 4) == std::vector<std::int32_t>{kBegin, 260, kPad, kPad});
  CHECK(t.encode_padded("abc abc", 2) == std::vector<std::int32_t>{kBegin, 260});
  CHECK_FALSE(Tokenizer::from_json("x", "{}"));
  CHECK_FALSE(Tokenizer::from_json("x", R"({"model":{"vocab":{},"merges":["zz q"]}})"));
}

TEST_CASE("A shuffled stream shows every sample once an epoch, in other orders, whatever asks", "[data][order]") {
  for (const std::uint64_t n : {1U, 2U, 5U, 64U, 1000U}) {
    std::set<std::uint64_t> first, second;
    bool differs = false;
    for (std::uint64_t p = 0; p < n; ++p) {
      const StreamPlace a = shuffled(p, n, 7), b = shuffled(n + p, n, 7);
      CHECK((a.epoch == 0 && b.epoch == 1));
      first.insert(a.sample);
      second.insert(b.sample);
      differs = differs || a.sample != b.sample;
    }
    CHECK(first.size() == n);
    CHECK(second.size() == n);
    CHECK(*first.rbegin() == n - 1);
    CHECK((differs || n < 5));
  }
  CHECK(shuffled(3, 100, 7).sample == shuffled(3, 100, 7).sample);
}

TEST_CASE("Bilinear resizing keeps constants, doubles exactly, shifts by whole pixels", "[data][preprocess]") {
  const Image image{2, 2, 1, {0, 100, 200, 40}};
  CHECK(resized(image, 2, 1) == std::vector<float>{0, 100, 200, 40});
  // Pixel centres of 4 in 2: -0.25, 0.25, 0.75, 1.25, clamped at the edges.
  const std::vector<float> wide = resized({2, 1, 1, {0, 100}}, 4, 1);
  CHECK(std::vector<float>(wide.begin(), wide.begin() + 4) == std::vector<float>{0, 25, 75, 100});
  CHECK(resized(image, 2, 1, 1, 0) == std::vector<float>{0, 0, 200, 200});
  CHECK(resized(image, 1, 1) == std::vector<float>{85});
  CHECK(resized(image, 2, 3).size() == 12);
}

TEST_CASE("What is masked depends on seed and position alone, and has the promised size", "[data][preprocess]") {
  ModelConfig m;
  m.text = TextConfig{300, 12, {}};
  m.image = ImageConfig{8, 4, 3, {}};
  m.objectives = {1, 1, 1, 0.25, 0.5};
  const Tokenizer tokenizer;
  const Preprocessor prepare({m, passes(m), true, false, 5}, tokenizer);
  Sample sample;
  sample.key = "k";
  sample.text = "abcdefgh";  // 8 tokens after <bos>
  sample.image = {8, 8, 3, std::vector<std::uint8_t>(192, 50)};
  const auto a = prepare(sample, 11), again = prepare(sample, 11), other = prepare(sample, 12);
  REQUIRE((a && again && other));
  CHECK(a->image == again->image);
  CHECK(a->text_positions == again->text_positions);
  CHECK((a->image != other->image || a->text_positions != other->text_positions));
  REQUIRE(a->text_positions.size() == 3);                          // a quarter of 12 slots
  CHECK(a->text_weights == std::vector<float>{0.5F, 0.5F, 0.0F});  // a quarter of 8 tokens
  CHECK((a->text_positions[0] >= 1 && a->text_positions[1] <= 8));
  CHECK(a->image_positions.size() == 2);
  sample.text.clear();
  CHECK(prepare(sample, 11).error().items.front().message == "sample `k` has no text");
}

}  // namespace
