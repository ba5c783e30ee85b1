#include "backend/models/adapters.hpp"

#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

namespace orrery::models {
namespace {

// Whose rows are how many, in order; `update`: the number of the model's update among those given, or -1.
struct Layout {
  std::vector<std::int64_t> counts{}, update{};
  std::vector<double> scales{};  // of the updates
};

// y = x W' + b, and on each model's rows + scale (x A') B', written where y lies: no value is moved but by a product.
// Backward likewise; W and b are frozen.
struct GroupedLinear : torch::autograd::Function<GroupedLinear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, at::TensorList updates, const Layout& layout) {
    at::Tensor y = at::linear(x, weight, bias);
    const at::Tensor in = x.reshape({-1, x.size(-1)});
    const at::Tensor out = y.view({-1, y.size(-1)});
    const std::int64_t rows_each = in.size(0) / x.size(0);
    std::vector<at::Tensor> saved{in, weight};
    saved.insert(saved.end(), updates.begin(), updates.end());
    std::vector<std::int64_t> firsts, sizes;  // of each update's rows
    std::int64_t first = 0;
    for (std::size_t i = 0; i < layout.counts.size(); ++i) {
      const std::int64_t rows = layout.counts[i] * rows_each;
      if (layout.update[i] >= 0) {
        const auto u = static_cast<std::size_t>(layout.update[i]);
        const at::Tensor hidden = at::mm(in.narrow(0, first, rows), updates[2 * u].t());
        out.narrow(0, first, rows).addmm_(hidden, updates[2 * u + 1].t(), 1, layout.scales[u]);
        saved.push_back(hidden);
        firsts.push_back(first);
        sizes.push_back(rows);
      }
      first += rows;
    }
    context->save_for_backward(saved);
    context->saved_data["firsts"] = firsts;
    context->saved_data["sizes"] = sizes;
    context->saved_data["scales"] = layout.scales;
    context->saved_data["shape"] = x.sizes().vec();
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const std::vector<at::Tensor> saved = context->get_saved_variables();
    const std::vector<std::int64_t> firsts = context->saved_data["firsts"].toIntVector();
    const std::vector<std::int64_t> sizes = context->saved_data["sizes"].toIntVector();
    const std::vector<double> scales = context->saved_data["scales"].toDoubleVector();
    const at::Tensor &in = saved[0], &weight = saved[1];
    const at::Tensor out = gradients[0].reshape({-1, gradients[0].size(-1)});
    const bool before = context->needs_input_grad(0);  // of the first map of a tower nobody asks
    at::Tensor of_in = before ? at::mm(out, weight) : at::Tensor();
    const std::size_t count = firsts.size();
    std::vector<at::Tensor> result(3 + 2 * count + 1);
    for (std::size_t u = 0; u < count; ++u) {
      const at::Tensor &a = saved[2 + 2 * u], &b = saved[3 + 2 * u], &hidden = saved[2 + 2 * count + u];
      const at::Tensor own = out.narrow(0, firsts[u], sizes[u]);
      const at::Tensor of_hidden = at::mm(own, b);
      result[3 + 2 * u] = at::mm(of_hidden.t(), in.narrow(0, firsts[u], sizes[u])).mul_(scales[u]);
      result[4 + 2 * u] = at::mm(own.t(), hidden).mul_(scales[u]);
      if (before) of_in.narrow(0, firsts[u], sizes[u]).addmm_(of_hidden, a, 1, scales[u]);
    }
    if (before) result[0] = of_in.view(context->saved_data["shape"].toIntVector());
    return result;
  }
};

}  // namespace

at::Tensor AdapterGroup::linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const {
  // Under autocast the types of the products are torch's business.
  if (x.scalar_type() != at::kFloat || at::autocast::is_autocast_enabled(x.device().type()))
    return added(at::linear(x, weight, bias), x);
  Layout layout;
  std::vector<at::Tensor> updates;
  for (const Slice& s : *slices_) {
    layout.counts.push_back(s.count);
    const auto at = adapters_.find(s.model);
    layout.update.push_back(at == adapters_.end() ? -1 : static_cast<std::int64_t>(layout.scales.size()));
    if (at == adapters_.end()) continue;
    updates.insert(updates.end(), {at->second.a, at->second.b});
    layout.scales.push_back(at->second.scale);
  }
  if (updates.empty()) return at::linear(x, weight, bias);
  return GroupedLinear::apply(x, weight, bias, at::TensorList(updates), layout);
}

// Put side by side, not added in place, and cut at once, not slice by slice: the backward pass of a sum hands its
// gradient on as it is and that of one cut is one concatenation; a write into a slice, or a slice by itself, would
// cost the whole batch's gradient once per model.
at::Tensor AdapterGroup::added(const at::Tensor& y, const at::Tensor& x) const {
  const auto own = [this](const Slice& s) { return adapters_.find(s.model); };
  if (std::none_of(slices_->begin(), slices_->end(), [&](const Slice& s) { return own(s) != adapters_.end(); }))
    return y;
  std::vector<std::int64_t> counts;
  for (const Slice& s : *slices_) counts.push_back(s.count);
  const std::vector<at::Tensor> parts = x.split_with_sizes(counts, 0);
  std::vector<at::Tensor> updates;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (const auto at = own((*slices_)[i]); at != adapters_.end()) {
      updates.push_back(at::linear(at::linear(parts[i], at->second.a), at->second.b) * at->second.scale);
    } else {
      std::vector<std::int64_t> shape = y.sizes().vec();
      shape.front() = counts[i];
      updates.push_back(at::zeros(shape, y.options().requires_grad(false)));
    }
  }
  return y + (updates.size() == 1 ? updates.front() : at::cat(updates, 0));
}

}  // namespace orrery::models
