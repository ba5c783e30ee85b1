// JPEG and PNG, where the build has their libraries (ORRERY_JPEG, ORRERY_PNG): files that the libraries themselves
// write are read, damaged ones are an error of one sample.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#ifdef ORRERY_JPEG
#include <jpeglib.h>
#endif
#ifdef ORRERY_PNG
#include <png.h>
#endif

#include "backend/data/codecs.hpp"
#include "backend/data/dataset.hpp"

namespace {
using namespace orrery;
using namespace orrery::data;

[[maybe_unused]] std::string why(std::string_view bytes) {
  Sample sample;
  const auto done = decode_file("jpg", bytes, sample);
  return done ? std::string() : done.error().items.front().message;
}

#ifdef ORRERY_JPEG

// One colour all over, so that compression loses next to nothing.
std::string jpeg(unsigned side, const std::vector<std::uint8_t>& pixel) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &out, &size);
  info.image_width = info.image_height = side;
  info.input_components = static_cast<int>(pixel.size());
  info.in_color_space = pixel.size() == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_start_compress(&info, TRUE);
  std::vector<std::uint8_t> row;
  for (unsigned x = 0; x < side; ++x) row.insert(row.end(), pixel.begin(), pixel.end());
  JSAMPROW rows[] = {row.data()};
  while (info.next_scanline < side) jpeg_write_scanlines(&info, rows, 1);
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string bytes(reinterpret_cast<const char*>(out), size);
  std::free(out);
  return bytes;
}

TEST_CASE("JPEG: grey and RGB are read, damaged files say why", "[data][codecs][jpeg]") {
  for (const std::vector<std::uint8_t>& pixel : {std::vector<std::uint8_t>{90}, {200, 40, 120}}) {
    const auto image = decode_image(jpeg(16, pixel));
    REQUIRE(image);
    CHECK(image->width == 16);
    CHECK(image->height == 16);
    REQUIRE(image->channels == static_cast<int>(pixel.size()));
    REQUIRE(image->pixels.size() == 256 * pixel.size());
    for (std::size_t i = 0; i < image->pixels.size(); ++i)
      CHECK(std::abs(int{image->pixels[i]} - int{pixel[i % pixel.size()]}) <= 4);
  }
  const std::string good = jpeg(16, {200, 40, 120});
  CHECK(why(good).empty());
  CHECK(why(good.substr(0, 20)).starts_with("a JPEG that cannot be read: "));
  CHECK(why(good.substr(0, good.size() - 8)).starts_with("a JPEG that cannot be read: "));  // in the pixels
  CHECK(why(good.substr(0, good.size() / 2)).starts_with("a JPEG that cannot be read: "));
  CHECK(why("\xff\xd8 and nothing of the kind").starts_with("a JPEG that cannot be read: "));
}

#else

TEST_CASE("JPEG: a build without its library says so", "[data][codecs][jpeg]") {
  CHECK(why("\xff\xd8\xff") == "a JPEG, which this build cannot read (-DORRERY_CODECS=ON)");
}

#endif

#ifdef ORRERY_PNG

std::string png(unsigned side, png_uint_32 format, const std::vector<std::uint8_t>& pixels) {
  png_image info{};
  info.version = PNG_IMAGE_VERSION;
  info.width = info.height = side;
  info.format = format;
  png_alloc_size_t size = 0;
  REQUIRE(png_image_write_to_memory(&info, nullptr, &size, 0, pixels.data(), 0, nullptr));
  std::string bytes(size, '\0');
  REQUIRE(png_image_write_to_memory(&info, bytes.data(), &size, 0, pixels.data(), 0, nullptr));
  bytes.resize(size);
  return bytes;
}

TEST_CASE("PNG: grey and RGB to the bit, RGBA over black; damaged files say why", "[data][codecs][png]") {
  const std::vector<std::uint8_t> grey{0, 80, 160, 255};
  const auto a = decode_image(png(2, PNG_FORMAT_GRAY, grey));
  REQUIRE(a);
  CHECK(*a == Image{2, 2, 1, grey});
  const std::vector<std::uint8_t> rgb{1, 2, 3, 40, 50, 60, 255, 0, 255, 7, 8, 9};
  const auto b = decode_image(png(2, PNG_FORMAT_RGB, rgb));
  REQUIRE(b);
  CHECK(*b == Image{2, 2, 3, rgb});
  // Opaque, gone, opaque, gone.
  const std::vector<std::uint8_t> rgba{1, 2, 3, 255, 40, 50, 60, 0, 255, 0, 255, 255, 7, 8, 9, 0};
  const auto c = decode_image(png(2, PNG_FORMAT_RGBA, rgba));
  REQUIRE(c);
  CHECK(*c == Image{2, 2, 3, {1, 2, 3, 0, 0, 0, 255, 0, 255, 0, 0, 0}});
  std::string good = png(2, PNG_FORMAT_RGB, rgb);
  CHECK(why(good).empty());
  CHECK(why(good.substr(0, 30)).starts_with("a PNG that cannot be read: "));
  CHECK(why(good.substr(0, good.size() - 20)).starts_with("a PNG that cannot be read: "));
  const std::size_t pixels = good.find("IDAT") + 4;
  good[pixels + 6] = static_cast<char>(good[pixels + 6] ^ 0x55);
  CHECK(why(good).starts_with("a PNG that cannot be read: "));
}

#else

TEST_CASE("PNG: a build without its library says so", "[data][codecs][png]") {
  CHECK(why("\x89PNG") == "a PNG, which this build cannot read (-DORRERY_CODECS=ON)");
}

#endif

}  // namespace
