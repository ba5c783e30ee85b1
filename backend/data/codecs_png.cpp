// PNG through libpng's simplified interface; compiled to nothing without it.
#ifdef ORRERY_PNG
#include <png.h>

#include <fmt/format.h>

#include "backend/data/codecs.hpp"

namespace orrery::data {

Expected<Image> decode_png(std::string_view bytes) {
  png_image info{};
  info.version = PNG_IMAGE_VERSION;
  const auto failed = [&info] {
    const std::string why = info.message;
    png_image_free(&info);
    return fail("a PNG that cannot be read: " + why);
  };
  if (!png_image_begin_read_from_memory(&info, bytes.data(), bytes.size())) return failed();
  if (info.width > kMaxImageSide || info.height > kMaxImageSide) {
    png_image_free(&info);
    return fail(fmt::format("a PNG of {} x {} pixels", info.width, info.height));
  }
  const bool colour = (info.format & PNG_FORMAT_FLAG_COLOR) != 0;
  info.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  Image image{static_cast<int>(info.width), static_cast<int>(info.height), colour ? 3 : 1, {}};
  image.pixels.resize(PNG_IMAGE_SIZE(info));
  const png_color black{0, 0, 0};
  if (!png_image_finish_read(&info, &black, image.pixels.data(), 0, nullptr)) return failed();
  return image;
}

}  // namespace orrery::data
#endif
