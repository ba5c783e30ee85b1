// JPEG through libjpeg; compiled to nothing without it.
#ifdef ORRERY_JPEG
#include <csetjmp>
#include <cstddef>
#include <cstdio>

#include <jpeglib.h>

#include <jerror.h>

#include "backend/data/codecs.hpp"

namespace orrery::data {
namespace {

// libjpeg's way of failing is a jump.
struct Failure {
  jpeg_error_mgr base;
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
};

void leave(j_common_ptr info) {
  auto* failure = reinterpret_cast<Failure*>(info->err);
  info->err->format_message(info, failure->text);
  std::longjmp(failure->jump, 1);
}

// libjpeg fills up with grey what a file that was cut off or damaged no longer says, and only warns of it; to us that
// is a corrupt sample. Its other warnings (extra bytes between segments) lose nothing.
void hear(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE)) leave(info);
}

// Fills image, or returns false with the reason in failure.text. No object with a destructor lives here.
bool decompress(std::string_view bytes, Image& image, Failure& failure) {
  jpeg_decompress_struct info{};
  info.err = jpeg_std_error(&failure.base);
  failure.base.error_exit = leave;
  failure.base.emit_message = hear;
  failure.base.output_message = [](j_common_ptr) {};
  if (setjmp(failure.jump)) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = info.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  const bool fits = info.image_width <= kMaxImageSide && info.image_height <= kMaxImageSide;
  if (!fits) {
    std::snprintf(failure.text, sizeof failure.text, "an image of %u x %u pixels", info.image_width,
                  info.image_height);
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_start_decompress(&info);
  image.width = static_cast<int>(info.output_width);
  image.height = static_cast<int>(info.output_height);
  image.channels = info.output_components;
  const std::size_t row =
      static_cast<std::size_t>(info.output_width) * static_cast<std::size_t>(info.output_components);
  image.pixels.resize(row * info.output_height);
  while (info.output_scanline < info.output_height) {
    JSAMPROW to = image.pixels.data() + row * info.output_scanline;
    jpeg_read_scanlines(&info, &to, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return true;
}

}  // namespace

Expected<Image> decode_jpeg(std::string_view bytes) {
  Image image;
  Failure failure{};
  if (!decompress(bytes, image, failure)) return fail(std::string("a JPEG that cannot be read: ") + failure.text);
  return image;
}

}  // namespace orrery::data
#endif
