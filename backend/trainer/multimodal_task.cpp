// See multimodal_task.hpp.
#include "backend/trainer/multimodal_task.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <numeric>
#include <optional>
#include <set>
#include <stdexcept>

#include "backend/data/permutation.hpp"
#include "backend/models/multimodal.hpp"
#include "backend/protocol/clock.hpp"
#include "backend/trainer/collate.hpp"
#include "backend/trainer/feature_shelf.hpp"
#include "backend/trainer/open_data.hpp"
#include "backend/trainer/pretrained.hpp"
#include "backend/trainer/shared_forward.hpp"
#include "sim/core/json.hpp"
#include "sim/models/training/multimodal_config.hpp"

namespace orrery::trainer {
namespace {

using Json = nlohmann::json;

class MultimodalTask final : public Task, public SharedForward {
 public:
  MultimodalTask(const ModelConfig& model, const TaskContext& context, OpenData train, OpenData test,
                 std::uint64_t test_samples)
      : context_(context),
        model_(model, context.seed, context.device),
        train_(std::move(train.loader)),
        test_(std::move(test.loader)),
        train_folder_(std::move(train.folder)),
        test_folder_(std::move(test.folder)),
        test_samples_(test_samples) {
    if (model.head && model.transfer && model.transfer->method == TransferMethod::probe)
      shelf_ = std::make_shared<FeatureShelf>(train_->size());
  }
  ~MultimodalTask() override {
    const data::LoaderStatus s = train_->status();
    if (context_.comm->rank() == 0 && s.prepared > 0)
      fmt::print(stderr, "data: {} samples prepared at {:.0f} us of a core each; {} of the data set are corrupt\n",
                 s.prepared, static_cast<double>(s.cpu_ns) / 1e3 / static_cast<double>(s.prepared),
                 data_cost().corrupt);
  }

  [[nodiscard]] models::MultimodalModel& model() override { return model_; }
  [[nodiscard]] SharedForward* shared() override { return this; }

  std::vector<Named> parameters() override {
    std::vector<Named> out;
    for (const models::Parameter& p : model_.parameters().all()) out.push_back({p.name, p.value, p.decay});
    return out;
  }

  StepLoss forward(const Share& share) override {
    refuse_too_few(share);
    return as_shares(share, share.count == 0 ? models::Losses{} : shelf_ ? cached_loss(share) : loss(share));
  }

  std::optional<models::Batch> inputs(const Share& share) override {
    refuse_too_few(share);
    if (share.count == 0) return {};
    if (!shelf_) return batch(*train_, range_of(share));
    look_up();
    if (shares_features()) return {};  // computed as alone: others will train on them
    asked_ = shelf_->cache().missing(samples_of(share));
    if (asked_.empty()) return {};
    return batch_of(asked_);
  }

  StepLoss loss(const Share& share, const models::Batch& batch, const models::CleanPass& pass) override {
    if (share.count == 0) return as_shares(share, {});
    if (!shelf_) return as_shares(share, model_.loss(pass, batch, negatives_of(share)));
    if (!asked_.empty()) {
      const c10::NoGradGuard no_gradients;
      shelf_->cache().put(asked_, model_.head_features(pass), batch.label);
      asked_.clear();
    }
    return as_shares(share, cached_loss(share));
  }

  void prefetch(const Share& share) override {
    if (!shelf_) train_->prefetch(range_of(share));
  }

  void look_up() override {
    if (!shelf_ || std::exchange(looked_up_, true) || context_.features.path.empty()) return;
    const auto found = shelf_of(train_folder_, "train", train_->size());
    if (!found) return;
    shelf_ = found;
    used_.push_back(shelf_->look());
    computes_ = used_.back().use == FeatureUse::miss;
  }
  std::vector<live::FeaturesUsed> features_used() override {
    if (computes_ && shelf_->complete()) {
      computes_ = false;
      for (const std::uint64_t i : train_->corrupt()) shelf_->corrupt().insert(static_cast<std::int64_t>(i));
      const std::vector<live::FeaturesUsed> kept = shelf_->keep();
      used_.insert(used_.end(), kept.begin(), kept.end());
    }
    return std::exchange(used_, {});
  }

  std::uint64_t samples() const override { return train_->size(); }
  std::uint64_t held_out() const override { return test_ ? test_samples_ : 0; }

  std::vector<std::pair<std::string, double>> evaluate() override {
    if (!test_) return {};
    const c10::NoGradGuard no_gradients;
    if (model_.config().head) return {{"accuracy", accuracy()}};
    if (model_.config().objectives.contrastive > 0) return recalls();
    double sum = 0;
    for_test_batches([&](const models::Batch& b) { sum += model_.loss(b).total.item<double>(); });
    return {{"loss", sum / static_cast<double>(test_samples_)}};
  }

  std::string state() override {
    join();
    return Json{{"corrupt", corrupt_}}.dump();
  }
  void load_state(std::string_view text) override {
    const Json state = Json::parse(text, nullptr, false);
    if (state.is_object() && state.contains("corrupt")) corrupt_ = state["corrupt"].get<std::set<std::int64_t>>();
  }

  DataCost data_cost() const override {
    const data::LoaderStatus s = train_->status();
    return {s.prepared, s.cpu_ns, corrupt_.size() + unjoined().size()};
  }

  void join() override {
    Communicator& comm = *context_.comm;
    const std::vector<std::int64_t> own = unjoined();
    const auto whole = at::TensorOptions().dtype(at::kLong);
    const at::Tensor sizes =
        comm.all_gather(at::full({1}, static_cast<std::int64_t>(own.size()), whole).to(context_.device)).to(at::kCPU);
    const std::int64_t* const size = sizes.const_data_ptr<std::int64_t>();
    const std::vector<std::int64_t> counts(size, size + sizes.numel());
    if (std::all_of(counts.begin(), counts.end(), [](std::int64_t n) { return n == 0; })) return;
    const at::Tensor all = gather_rows(comm, at::tensor(own, whole).to(context_.device), counts).to(at::kCPU);
    corrupt_.insert(all.const_data_ptr<std::int64_t>(), all.const_data_ptr<std::int64_t>() + all.numel());
  }

  double flops_per_sample() const override {
    constexpr std::int64_t kBatch = 64;
    return static_cast<double>(step_flops(model_.config(), kBatch, 1, shelf_ != nullptr).total()) / kBatch;
  }
  double bytes_at(std::int64_t local_batch) const override {
    return static_cast<double>(step_memory(model_.config(), local_batch).activations);
  }

 private:
  // Samples that this rank could not read and has not told the others.
  [[nodiscard]] std::vector<std::int64_t> unjoined() const {
    std::set<std::int64_t> met = shelf_ ? shelf_->corrupt() : std::set<std::int64_t>();
    for (const std::uint64_t i : train_->corrupt()) met.insert(static_cast<std::int64_t>(i));
    std::vector<std::int64_t> out;
    std::set_difference(met.begin(), met.end(), corrupt_.begin(), corrupt_.end(), std::back_inserter(out));
    return out;
  }

  [[nodiscard]] bool shares_features() const { return looked_up_ && !context_.features.path.empty(); }
  // The shelf for a data set of this model; null, with a word about it, where the data cannot be read whole.
  [[nodiscard]] std::shared_ptr<FeatureShelf> shelf_of(const std::string& folder, const std::string& how,
                                                       std::uint64_t samples) {
    try {
      const std::string key = feature_key({model_.config(), model_.parameters(), folder, how});
      return FeatureShelf::of(context_.features, key, samples, context_.device);
    } catch (const std::exception& e) {
      fmt::print(stderr, "features: they are not shared: {}\n", e.what());
      return nullptr;
    }
  }

  static data::Range range_of(const Share& share) {
    return {static_cast<std::uint64_t>(share.first), static_cast<std::uint64_t>(share.count)};
  }
  models::Batch batch(data::Loader& loader, data::Range range) const {
    RECORD_USER_SCOPE("data");
    const auto samples = loader.take(range);
    if (!samples) throw std::runtime_error(samples.error().items.front().message);
    return collate(*samples, model_.config(), context_.device);
  }

  void refuse_too_few(const Share& share) const {
    const ModelConfig& m = model_.config();
    if (share.count > 0 || m.head || m.objectives.contrastive == 0 || context_.comm->world() == 1) return;
    throw std::runtime_error(
        fmt::format("rank {} has no samples, and the contrastive objective compares all ranks': a global batch of "
                    "{} is too small for {} ranks with {} micro batches",
                    context_.comm->rank(), share.global_batch, context_.comm->world(), share.micros));
  }

  // Sums over the share's samples as parts of the global batch's means.
  StepLoss as_shares(const Share& share, const models::Losses& sums) const {
    const bool head = model_.config().head.has_value();
    const ObjectiveConfig& o = model_.config().objectives;
    const at::Tensor none = at::zeros({}, at::TensorOptions().dtype(at::kFloat).device(context_.device));
    const auto global = static_cast<double>(share.global_batch);
    StepLoss out{sums.total.defined() ? sums.total / global : none, {}};
    const auto tell = [&](const char* name, bool wanted, const at::Tensor& sum) {
      if (wanted) out.metrics.emplace_back(name, sum.defined() ? sum.detach() / global : none);
    };
    tell("contrastive", !head && o.contrastive > 0, sums.contrastive);
    tell("masked_text", !head && o.masked_text > 0, sums.masked_text);
    tell("masked_image", !head && o.masked_image > 0, sums.masked_image);
    tell("head", head, sums.head);
    return out;
  }

  models::Negatives negatives_of(const Share& share) {
    models::Negatives negatives;
    if (context_.comm->world() == 1) return negatives;
    std::vector<std::int64_t> counts;
    for (int r = 0; r < context_.comm->world(); ++r)
      counts.push_back(
          share_of(share.step, share.global_batch, share.micro, share.micros, r, context_.comm->world()).count);
    negatives.first = std::accumulate(counts.begin(), counts.begin() + context_.comm->rank(), std::int64_t{0});
    negatives.all = [this, counts](const at::Tensor& own) {
      return gather_rows(*context_.comm, own.contiguous(), counts);
    };
    return negatives;
  }

  models::Losses loss(const Share& share) {
    return model_.loss(batch(*train_, range_of(share)), negatives_of(share));
  }

  // Which samples of the data set a share's positions are.
  std::vector<std::int64_t> samples_of(const Share& share) const {
    std::vector<std::int64_t> samples;
    for (std::int64_t i = 0; i < share.count; ++i)
      samples.push_back(static_cast<std::int64_t>(
          data::shuffled(static_cast<std::uint64_t>(share.first + i), train_->size(), context_.seed).sample));
    return samples;
  }
  // A probe's: its loader does not shuffle.
  models::Batch batch_of(const std::vector<std::int64_t>& samples) {
    std::vector<data::Prepared> prepared;
    for (const std::int64_t s : samples) {
      auto one = train_->take({static_cast<std::uint64_t>(s), 1});
      if (!one) throw std::runtime_error(one.error().items.front().message);
      prepared.push_back(std::move(one->front()));
    }
    return collate(prepared, model_.config(), context_.device);
  }

  // Alone, sample by sample: a sample's features hang on no other's.
  models::Losses cached_loss(const Share& share) {
    look_up();
    const std::vector<std::int64_t> samples = samples_of(share);
    for (const std::int64_t s : shelf_->cache().missing(samples)) {
      const c10::NoGradGuard no_gradients;
      const std::int64_t began = live::monotonic_ns();
      const models::Batch one = batch_of({s});
      shelf_->cache().put({s}, model_.head_features(one), one.label);
      shelf_->spent(Duration{live::monotonic_ns() - began});
    }
    const FeatureCache::Rows rows = shelf_->cache().rows(samples);
    return model_.head_loss(rows.features, rows.label);
  }

  template <class Use>
  void for_test_batches(Use use) {
    for (std::uint64_t first = 0; first < test_samples_; first += kTestChunk)
      use(batch(*test_, {first, std::min(kTestChunk, test_samples_ - first)}));
  }

  double accuracy() {
    if (test_features_.empty() || !shelf_) {
      test_features_.clear();
      compute_test_features();
    }
    std::int64_t right = 0;
    for (const auto& [features, label] : test_features_)
      right += (model_.logits(features).argmax(1) == label).sum().item<std::int64_t>();
    return static_cast<double>(right) / static_cast<double>(test_samples_);
  }

  // Chunk by chunk, as a job without a store computes them, too; a shelf keeps the chunks one below the other.
  void compute_test_features() {
    const auto shelf = shares_features()
                           ? shelf_of(test_folder_, fmt::format("evaluate {}", test_samples_), test_samples_)
                           : nullptr;
    if (shelf && shelf->look().use == FeatureUse::hit) {
      const auto chunk = static_cast<std::int64_t>(kTestChunk);
      const auto features = shelf->cache().features().split(chunk), labels = shelf->cache().labels().split(chunk);
      for (std::size_t i = 0; i < features.size(); ++i) test_features_.emplace_back(features[i], labels[i]);
      return;
    }
    const std::int64_t began = live::monotonic_ns();
    std::vector<at::Tensor> features, labels;
    for_test_batches([&](const models::Batch& b) {
      test_features_.emplace_back(model_.head_features(b), b.label);
      features.push_back(test_features_.back().first.to(at::kFloat));
      labels.push_back(b.label);
    });
    if (!shelf) return;
    shelf->cache().put_all(at::cat(features), at::cat(labels));
    shelf->spent(Duration{live::monotonic_ns() - began});
    (void)shelf->keep();
  }

  // How many images find their own caption (without text: sound) first, and among the first five, of those of all
  // test samples. Equal captions count as found.
  std::vector<std::pair<std::string, double>> recalls() {
    std::vector<at::Tensor> texts, images;
    for_test_batches([&](const models::Batch& b) {
      const models::Embeddings e = model_.embeddings(b);
      texts.push_back(e.text.defined() ? e.text : e.audio);
      images.push_back(e.image.defined() ? e.image : e.audio);
    });
    const at::Tensor similar = at::matmul(at::cat(images), at::cat(texts).t());
    const at::Tensor better = (similar > similar.diagonal().unsqueeze(1) + 1e-6).sum(1);
    const auto at_most = [&](std::int64_t k) { return (better < k).to(at::kDouble).mean().item<double>(); };
    return {{"recall_at_1", at_most(1)}, {"recall_at_5", at_most(5)}};
  }

  static constexpr std::uint64_t kTestChunk = 128;

  TaskContext context_;
  models::MultimodalModel model_;
  std::unique_ptr<data::Loader> train_, test_;
  std::string train_folder_, test_folder_;
  std::uint64_t test_samples_;
  std::shared_ptr<FeatureShelf> shelf_{};  // a probe's
  bool looked_up_ = false;
  bool computes_ = false;  // and has not said what became of it
  std::vector<live::FeaturesUsed> used_{};
  std::vector<std::int64_t> asked_;  // samples whose features inputs() has asked for
  std::vector<std::pair<at::Tensor, at::Tensor>> test_features_;
  std::set<std::int64_t> corrupt_;  // samples of the data set that could not be read, of all ranks and launches
};

}  // namespace

Expected<std::unique_ptr<Task>> make_multimodal_task(const Json& config, const TaskContext& context) {
  if (!config.contains("model") || !config.contains("data")) return fail("the job's config needs `model` and `data`");
  auto model = read_model_config(config["model"]);
  if (!model) return tl::make_unexpected(model.error());
  if (config.value("precision", "fp32") == "bf16") model->precision = Precision::bf16;
  const bool probe = model->head && model->transfer && model->transfer->method == TransferMethod::probe;
  auto train = open_data(config, "data", *model, context, !probe, !probe);
  if (!train) return tl::make_unexpected(train.error());
  OpenData test;
  std::uint64_t test_samples = 0;
  if (config.contains("evaluate")) {
    auto opened = open_data(config, "evaluate", *model, context, false, false);
    if (!opened) return tl::make_unexpected(opened.error());
    test = std::move(*opened);
    test_samples = std::min(test.loader->size(), config["evaluate"].value("samples", test.loader->size()));
  }
  auto task = std::make_unique<MultimodalTask>(*model, context, std::move(*train), std::move(test), test_samples);
  if (!context.from.empty())
    if (const auto loaded = load_pretrained(context.from, task->model().parameters()); !loaded)
      return tl::make_unexpected(loaded.error());
  return task;
}

}  // namespace orrery::trainer
