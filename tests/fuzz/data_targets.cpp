#include "tests/fuzz/data_targets.hpp"

#include <cmath>

#include "backend/data/codecs.hpp"
#include "backend/data/dataset.hpp"
#include "backend/data/maker.hpp"
#include "sim/core/json.hpp"
#include "sim/models/training/multimodal_config.hpp"
#include "tests/fuzz/require.hpp"

namespace orrery::test {

// Every entry lies within the archive; what was read is read again from an archive of ours.
void run_tar(std::string_view bytes) {
  const auto index = data::index_tar("fuzz.tar", bytes);
  require_message(index);
  if (!index) return;
  data::TarWriter writer;
  std::uint64_t last = 0;
  for (const data::TarEntry& e : index->entries) {
    require(e.offset >= last && e.offset <= bytes.size() && e.size <= bytes.size() - e.offset,
            "an entry lies outside");
    last = e.offset;
    writer.add(e.name, bytes.substr(e.offset, e.size));
  }
  const std::string ours = writer.finish();
  const auto again = data::index_tar("again.tar", ours);
  require(again && again->cut_off.empty() && again->entries.size() == index->entries.size(), "entries get lost");
  for (std::size_t i = 0; i < again->entries.size(); ++i) {
    const data::TarEntry &a = index->entries[i], &b = again->entries[i];
    require(a.name == b.name && bytes.substr(a.offset, a.size) == std::string_view(ours).substr(b.offset, b.size),
            "an entry changes");
  }
}

// A file of any kind is decoded or refused with a reason; a picture survives PPM, sound survives WAV.
void run_sample(std::string_view bytes) {
  for (const char* kind : {"ppm", "wav", "txt", "cls", "other"}) {
    data::Sample sample;
    require_message(data::decode_file(kind, bytes, sample));
  }
  if (const auto image = data::decode_image(bytes)) {
    const auto size = static_cast<std::size_t>(image->width) * static_cast<std::size_t>(image->height) *
                      static_cast<std::size_t>(image->channels);
    require(image->pixels.size() == size, "an image of another size");
    require(data::decode_ppm(data::encode_ppm(*image)) == *image, "an image does not survive being written");
  }
  if (const auto wave = data::decode_wav(bytes)) {
    for (const float v : wave->samples) require(std::isfinite(v) && v >= -1 && v <= 1, "sound beyond its range");
    const auto again = data::decode_wav(data::encode_wav(*wave));
    require(again && again->samples.size() == wave->samples.size(), "sound does not survive being written");
  }
}

void run_tokenizer(std::string_view bytes) {
  const auto tokenizer = data::Tokenizer::from_json("tokenizer.json", bytes);
  require_message(tokenizer);
  if (tokenizer) {
    const auto again = data::Tokenizer::from_json("again.json", tokenizer->to_json());
    require(again && again->to_json() == tokenizer->to_json(), "a tokenizer does not survive being written");
    require(tokenizer->decode(tokenizer->encode(bytes)) == bytes, "a text does not come back");
  }
  const data::Tokenizer plain;
  require(plain.decode(plain.encode(bytes)) == bytes, "a text does not come back from bytes");
}

void run_model_config(std::string_view bytes) {
  require_message(data::maker_options_from_json(bytes));
  const nlohmann::json json = nlohmann::json::parse(bytes, nullptr, false);
  if (json.is_discarded()) return;
  const auto model = read_model_config(json);
  require_message(model);
  if (!model) return;
  require(read_model_config(to_json(*model)) == *model, "a model does not survive being written");
  // Costs of sizes that a machine could hold; the largest ones that are read would overflow.
  const auto tame = [](const StackConfig& s) { return s.width <= 4096 && s.layers <= 64 && s.mlp <= 16; };
  const bool small = tame(model->fusion.stack) && model->embedding <= 4096 &&
                     (!model->text || (tame(model->text->stack) && model->text->length <= 4096)) &&
                     (!model->image || (tame(model->image->stack) && model->image->size <= 512)) &&
                     (!model->audio || (tame(model->audio->stack) && model->audio->tokens() <= 4096));
  if (small) require(step_flops(*model, 2).total() >= 0 && step_memory(*model, 2).total() > 0, "a negative cost");
}

std::vector<std::string> tar_seeds() {
  data::TarWriter writer;
  writer.add("a.txt", "hello");
  writer.add(std::string(130, 'n') + ".cls", "3");
  return {writer.finish()};
}

std::vector<std::string> sample_seeds() {
  return {data::encode_ppm({2, 1, 3, {1, 2, 3, 4, 5, 6}}), "P5 # c\n2 2\n255\nabcd",
          data::encode_wav({8000, {0, 0.5F, -1}}), "12\n"};
}

std::vector<std::string> tokenizer_seeds() {
  return {data::Tokenizer::train({"ab ab abc", "abc"}, 262).to_json()};
}

std::vector<std::string> model_config_seeds() {
  return {R"({"preset":"tiny","text":{"vocabulary":300},"image":{"size":16,"patch":4},"fusion":{"kind":"gated"},)"
          R"("objectives":{"contrastive":1,"masked_text":0.5}})",
          R"({"audio":{"mels":16,"frames":8},"head":{"classes":3,"input":"audio"},"transfer":{"method":"lora"}})",
          data::to_json(data::MakerOptions{})};
}

}  // namespace orrery::test
