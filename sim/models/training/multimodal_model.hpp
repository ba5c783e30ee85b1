// A multimodal model as a configuration, and what training it costs: parameters, FLOPs and bytes. Pure arithmetic
// without LibTorch, because the simulator predicts with it what the trainer then runs; the trainer builds its layers
// from the same struct, and tests compare these numbers with counted operators and allocations. One spelling for
// scenario files, for the worker's configuration and for messages (read_model_config in multimodal_config.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace orrery {

// A stack of pre-norm Transformer encoder blocks.
struct StackConfig {
  std::int64_t width = 64;  // d: features of a token
  std::int64_t layers = 2;
  std::int64_t heads = 4;  // divides width
  std::int64_t mlp = 4;    // hidden features of the feed-forward part / width
  friend bool operator==(const StackConfig&, const StackConfig&) = default;
};

struct TextConfig {
  std::int64_t vocabulary = 512;  // token ids, the special ones included
  std::int64_t length = 24;       // tokens of a sequence, padding included
  StackConfig stack;
  friend bool operator==(const TextConfig&, const TextConfig&) = default;
};

struct ImageConfig {
  std::int64_t size = 32;  // pixels of a side
  std::int64_t patch = 8;  // pixels of a patch's side; divides size
  std::int64_t channels = 3;
  StackConfig stack;
  [[nodiscard]] std::int64_t tokens() const { return (size / patch) * (size / patch); }
  [[nodiscard]] std::int64_t patch_values() const { return channels * patch * patch; }
  friend bool operator==(const ImageConfig&, const ImageConfig&) = default;
};

struct AudioConfig {
  std::int64_t mels = 32;         // rows of the log-mel picture
  std::int64_t frames = 32;       // columns
  std::int64_t patch_mels = 8;    // divides mels
  std::int64_t patch_frames = 8;  // divides frames
  StackConfig stack;
  [[nodiscard]] std::int64_t tokens() const { return (mels / patch_mels) * (frames / patch_frames); }
  [[nodiscard]] std::int64_t patch_values() const { return patch_mels * patch_frames; }
  friend bool operator==(const AudioConfig&, const AudioConfig&) = default;
};

enum class FusionKind : std::uint8_t {
  none,             // the modalities meet in the contrastive objective only
  concatenation,    // one token sequence of all modalities through joint blocks
  gated,            // pooled features weighted by learnt gates, added back to every token
  cross_attention,  // every modality attends to the others
};

struct FusionConfig {
  FusionKind kind = FusionKind::none;
  StackConfig stack{64, 1, 4, 4};  // gated uses the width only
  friend bool operator==(const FusionConfig&, const FusionConfig&) = default;
};

// Weights of the pretraining objectives in the loss; 0 = off.
struct ObjectiveConfig {
  double contrastive = 0, masked_text = 0, masked_image = 0;
  double text_ratio = 0.15;  // of a text's tokens are masked, at least one
  double image_ratio = 0.5;  // of an image's patches are masked, at least one
  friend bool operator==(const ObjectiveConfig&, const ObjectiveConfig&) = default;
};

enum class HeadInput : std::uint8_t { text, image, audio, fused };

// A labelled task: a linear head on pooled features.
struct HeadConfig {
  std::int64_t classes = 2;
  HeadInput input = HeadInput::image;  // whose pooled features it reads
  friend bool operator==(const HeadConfig&, const HeadConfig&) = default;
};

// What of a pretrained model a transfer job trains. Heads (of the task, of the objectives) always train.
enum class TransferMethod : std::uint8_t {
  full,   // everything
  lora,   // low-rank updates of the linear maps inside blocks (Hu et al. 2021): W x + alpha / rank * B (A x)
  probe,  // nothing but the heads
};
struct TransferConfig {
  TransferMethod method = TransferMethod::full;
  std::int64_t rank = 4;  // lora
  double alpha = 8;       // lora
  friend bool operator==(const TransferConfig&, const TransferConfig&) = default;
};

enum class Precision : std::uint8_t { fp32, bf16 };

struct ModelConfig {
  std::optional<TextConfig> text;
  std::optional<ImageConfig> image;
  std::optional<AudioConfig> audio;
  FusionConfig fusion;
  std::int64_t embedding = 64;  // features of the contrastive space
  ObjectiveConfig objectives;
  std::optional<HeadConfig> head;          // set: the loss is the head's cross entropy alone
  std::optional<TransferConfig> transfer;  // set: starts from a checkpoint
  Precision precision = Precision::fp32;
  friend bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

// Why the configuration makes no model, in one sentence; empty when it does.
[[nodiscard]] std::string why_invalid(const ModelConfig& model);

// How many tokens of a text (patches of an image) are masked: ratio of them, rounded down, at least one.
[[nodiscard]] std::int64_t masked_count(std::int64_t of, double ratio);

struct ParameterCount {
  std::int64_t total = 0;
  std::int64_t trainable = 0;  // these have gradients, optimiser state and gradient traffic
};
// Scalars of the model as built: the towers and heads that its objectives use, fusion, LoRA.
[[nodiscard]] ParameterCount parameter_count(const ModelConfig& model);

// How often one step runs each part. Masked passes see inputs with holes, for the objective that fills them; with
// fusion the other modalities are its context. What no objective uses is not built.
struct Passes {
  std::int64_t text = 0, image = 0, audio = 0, fusion = 0;
  [[nodiscard]] std::int64_t modalities() const { return (text > 0) + (image > 0) + (audio > 0); }
};
[[nodiscard]] Passes passes(const ModelConfig& model);

// Floating-point operations of matrix products (a multiply-add is two) of one step on one rank. `batch` samples a
// micro-batch, `world` ranks share contrastive negatives. A probe on cached features runs its head only.
struct StepFlops {
  std::int64_t forward = 0;
  std::int64_t backward = 0;
  [[nodiscard]] std::int64_t total() const { return forward + backward; }
};
[[nodiscard]] StepFlops step_flops(const ModelConfig& model, std::int64_t batch, std::int64_t world = 1,
                                   bool cached_features = false);

// Bytes that one rank needs: what stays (parameters in fp32, gradients and two optimiser moments of what trains) and
// what a micro-batch's graph keeps between forward and backward. Temporaries, allocator rounding and library
// workspaces are not in it.
struct MemoryBytes {
  std::int64_t parameters = 0, gradients = 0, optimiser = 0, activations = 0;
  [[nodiscard]] std::int64_t total() const { return parameters + gradients + optimiser + activations; }
};
[[nodiscard]] MemoryBytes step_memory(const ModelConfig& model, std::int64_t batch, std::int64_t world = 1);

// Bytes that a rank all-reduces a step: the gradients of the trainable parameters.
[[nodiscard]] std::int64_t gradient_bytes(const ModelConfig& model);

}  // namespace orrery
