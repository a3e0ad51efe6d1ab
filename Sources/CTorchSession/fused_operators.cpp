// Our kernels as TorchScript operators. No archive holds them; fuse_operators.cpp puts them into a
// network when it is loaded, with weights that it packed.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/attention.h"
#include "kernels/bottleneck.h"
#include "kernels/channel_weights.h"
#include "kernels/convolution.h"
#include "kernels/map_sum.h"
#include "kernels/matrix_pair.h"
#include "kernels/max_pool.h"
#include "kernels/normalisation.h"
#include "kernels/parallel.h"
#include "kernels/vector.h"
#include "profile.h"

namespace {

using m2fp::Activation;
using m2fp::Convolution;
using m2fp::Epilogue;
using m2fp::Layer;

// Null for none. The lifetime is the argument's.
const float* values(const c10::optional<at::Tensor>& tensor) {
  return tensor && tensor->defined() ? tensor->data_ptr<float>() : nullptr;
}

// A layer with its weights as fuse_operators.cpp packed them.
Layer checked_layer(
    const Convolution& c, const at::Tensor& input, const at::Tensor& weights,
    const c10::optional<at::Tensor>& scales, const c10::optional<at::Tensor>& bias,
    Activation activation = Activation::none) {
  constexpr int64_t kMost = 1 << 16;
  TORCH_CHECK(
      c.inputs > 0 && c.inputs <= kMost && c.outputs > 0 && c.outputs <= kMost && c.kernel > 0 &&
          c.kernel <= 64 && c.stride > 0 && c.dilation > 0 && c.dilation <= kMost && c.padding >= 0 &&
          c.padding < c.extent(),
      "no such convolution");
  TORCH_CHECK(input.scalar_type() == at::kFloat, "the input is not float32");
  const bool has_scales = scales && scales->defined();
  const m2fp::Method method =
      m2fp::method(c, has_scales ? m2fp::Precision::int16 : m2fp::Precision::float32);
  const bool in_integers = method == m2fp::Method::int16_product;
  const auto is_column_vector = [&](const at::Tensor& tensor) {
    return tensor.is_contiguous() && tensor.scalar_type() == at::kFloat &&
           tensor.numel() == m2fp::panels(c.outputs) * m2fp::kColumns;
  };
  TORCH_CHECK(
      weights.scalar_type() == (in_integers ? at::kShort : at::kFloat) && weights.is_contiguous() &&
          method != m2fp::Method::none && weights.numel() == packed_size(c, method) &&
          in_integers == has_scales && (!has_scales || is_column_vector(*scales)),
      "the weights are not packed for this convolution");
  TORCH_CHECK(!values(bias) || is_column_vector(*bias), "the bias is not packed");
  return {
      c,
      method,
      {weights.data_ptr(), has_scales ? scales->data_ptr<float>() : nullptr},
      {values(bias), nullptr, activation}};
}

// Whether the kernel can add `residual` to an output of `sizes` value by value: the shapes agree but
// for leading axes of one.
bool is_alike(const at::Tensor& residual, at::IntArrayRef sizes, at::MemoryFormat format) {
  if (residual.scalar_type() != at::kFloat || residual.dim() > static_cast<int64_t>(sizes.size())) {
    return false;
  }
  const size_t missing = sizes.size() - residual.dim();
  for (size_t i = 0; i < missing; ++i) {
    if (sizes[i] != 1) return false;
  }
  return residual.sizes() == sizes.slice(missing) &&
         (format == at::MemoryFormat::Contiguous || residual.dim() == 4);
}

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::relu: return at::relu(x);
    case Activation::relu6: return at::clamp(x, 0, 6);
    case Activation::leaky_relu: return at::leaky_relu(x, m2fp::kLeakySlope);
    case Activation::gelu: return at::gelu(x);
    case Activation::sigmoid: return at::sigmoid(x);
    case Activation::none: return x;
  }
}

// A tensor, if an output of these sizes can be put where it is: nobody else has it any more. Its memory is about to
// be read, while a new one's would be fetched only to be written. Else none.
at::Tensor spare(const at::Tensor& tensor, at::IntArrayRef sizes, at::MemoryFormat format) {
  const bool is_spare = tensor.use_count() == 1 && tensor.storage().use_count() == 1 &&
                        tensor.scalar_type() == at::kFloat && tensor.sizes() == sizes &&
                        tensor.is_contiguous(format);
  return is_spare ? tensor : at::Tensor();
}

// The same of a residual, behind a layer.
at::Tensor spare_residual(
    const Layer& layer, const c10::optional<at::Tensor>& residual, at::IntArrayRef sizes,
    at::MemoryFormat format) {
  const bool can_be = values(residual) && can_be_in_place(layer.convolution, layer.method);
  return can_be ? spare(*residual, sizes, format) : at::Tensor();
}

// What operators with something to add share. `run` computes the output with an epilogue, in `place` if it is
// defined.
template <typename Run>
at::Tensor fused(
    at::IntArrayRef sizes, at::MemoryFormat format, const at::Tensor& like, const at::Tensor& place,
    const c10::optional<at::Tensor>& bias, const c10::optional<at::Tensor>& residual,
    Activation activation, Run run) {
  const bool has_residual = residual && residual->defined();
  at::Tensor output = place.defined() ? place : at::empty(sizes, like.options(), format);
  if (has_residual && !is_alike(*residual, sizes, format)) {
    // Something that broadcasts.
    run(Epilogue{values(bias), nullptr, Activation::none}, output);
    return activate(output + *residual, activation);
  }
  const at::Tensor added = has_residual ? residual->contiguous(format) : at::Tensor();
  run(Epilogue{values(bias), has_residual ? added.data_ptr<float>() : nullptr, activation}, output);
  return output;
}

Convolution convolution_of(at::IntArrayRef shape) {
  TORCH_CHECK(shape.size() == 7, "a convolution of images has seven sizes");
  return {shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], shape[6]};
}

at::Tensor convolution(
    const at::Tensor& input, const at::Tensor& weights, const c10::optional<at::Tensor>& scales,
    const c10::optional<at::Tensor>& bias, const c10::optional<at::Tensor>& residual,
    at::IntArrayRef shape, int64_t activation) {
  TORCH_CHECK(input.dim() == 4, "the input is no image");
  const Convolution c = convolution_of(shape);
  const Layer layer = checked_layer(c, input, weights, scales, bias);
  const int64_t batch = input.size(0), height = input.size(2), width = input.size(3);
  TORCH_CHECK(
      input.size(1) == c.inputs && height + 2 * c.padding >= c.extent() &&
          width + 2 * c.padding >= c.extent(),
      "the input does not fit the convolution");
  const auto format = at::MemoryFormat::ChannelsLast;
  const at::Tensor x = input.contiguous(format);
  const int64_t out_height = c.output_size(height), out_width = c.output_size(width);
  m2fp::note_product(c, layer.method, batch * out_height * out_width);
  const std::vector<int64_t> sizes{batch, c.outputs, out_height, out_width};
  return fused(
      sizes, format, x, spare_residual(layer, residual, sizes, format), bias, residual,
      static_cast<Activation>(activation), [&](Epilogue epilogue, at::Tensor& output) {
        const int64_t in_step = height * width * c.inputs;
        const int64_t out_step = out_height * out_width * c.outputs;
        for (int64_t b = 0; b < batch; ++b) {
          convolve(
              c, layer.method, x.data_ptr<float>() + b * in_step, height, width, layer.packed,
              epilogue, output.data_ptr<float>() + b * out_step);
          if (epilogue.residual) epilogue.residual += out_step;
        }
      });
}

// One image whose channels lie last, and the tensor that holds its values: `x`, or a copy if its pixels lie
// otherwise.
struct Image {
  explicit Image(const at::Tensor& x)
      : kept(is_in_rows(x) ? x : x.contiguous(at::MemoryFormat::ChannelsLast)),
        pixels{
            kept.data_ptr<float>(), kept.size(2), kept.size(3), kept.size(1),
            // What torch says of an axis of one may be anything.
            kept.size(3) > 1   ? kept.stride(3)
            : kept.size(2) > 1 ? kept.stride(2)
                               : kept.size(1)} {}

  static bool is_one(const at::Tensor& x) {
    return x.dim() == 4 && x.size(0) == 1 && x.scalar_type() == at::kFloat && x.numel() > 0;
  }

  static bool is_in_rows(const at::Tensor& x) {
    return (x.stride(1) == 1 || x.size(1) == 1) &&
           (x.size(2) == 1 || x.size(3) == 1 || x.stride(2) == x.size(3) * x.stride(3));
  }

  at::Tensor kept;
  m2fp::Pixels pixels;
};

at::Tensor empty_image(int64_t channels, int64_t height, int64_t width, const at::Tensor& like) {
  return at::empty({1, channels, height, width}, like.options(), at::MemoryFormat::ChannelsLast);
}

at::Tensor resized(const at::Tensor& x, at::IntArrayRef size, m2fp::Resizing resizing) {
  switch (resizing) {
    case m2fp::Resizing::none: return x;
    case m2fp::Resizing::nearest: return at::upsample_nearest2d(x, size);
    case m2fp::Resizing::bilinear: return at::upsample_bilinear2d(x, size, false);
    case m2fp::Resizing::bilinear_aligned: return at::upsample_bilinear2d(x, size, true);
  }
}

// Maps to be added up, each at its size, two numbers of `sizes`; those of maps that are not resized do not
// count.
class Summands {
 public:
  Summands(at::TensorList maps, at::IntArrayRef sizes, at::IntArrayRef resizings)
      : maps_(maps), sizes_(sizes), resizings_(resizings) {
    TORCH_CHECK(
        sizes.size() == 2 * maps.size() && resizings.size() == maps.size(),
        "each map has a size and a way to it");
    for (const int64_t resizing : resizings) {
      TORCH_CHECK(resizing >= 0 && resizing <= 3, "no such resizing");
    }
  }

  // Whether our kernel adds them up.
  bool are_ours() const {
    for (size_t i = 0; i < maps_.size(); ++i) {
      if (!Image::is_one(maps_[i]) || maps_[i].size(1) != maps_[0].size(1) || size(i) != size(0) ||
          size(i)[0] < 1 || size(i)[1] < 1) {
        return false;
      }
    }
    return true;
  }

  // If they are.
  at::IntArrayRef size() const { return size(0); }

  // If they are, for as long as this lives.
  m2fp::MapSum sum() const {
    std::vector<m2fp::ResizedMap> maps;
    for (size_t i = 0; i < maps_.size(); ++i) {
      kept_.push_back(maps_[i].contiguous(at::MemoryFormat::ChannelsLast));
      maps.push_back(
          {kept_.back().data_ptr<float>(), maps_[i].size(2), maps_[i].size(3), resizing(i)});
    }
    return {std::move(maps), size()[0], size()[1], maps_[0].size(1)};
  }

  at::Tensor plain_sum() const {
    at::Tensor sum;
    for (size_t i = 0; i < maps_.size(); ++i) {
      const at::Tensor map = resized(maps_[i], sizes_.slice(2 * i, 2), resizing(i));
      sum = sum.defined() ? sum + map : map;
    }
    return sum;
  }

 private:
  at::TensorList maps_;
  at::IntArrayRef sizes_;
  at::IntArrayRef resizings_;
  mutable std::vector<at::Tensor> kept_;

  m2fp::Resizing resizing(size_t i) const { return static_cast<m2fp::Resizing>(resizings_[i]); }

  at::IntArrayRef size(size_t i) const {
    return resizing(i) == m2fp::Resizing::none ? maps_[i].sizes().slice(2) : sizes_.slice(2 * i, 2);
  }
};

// Convolutions, as `convolution` has them, whose outputs between them are never whole. The first may be added
// to a sum of maps, as `map_sum` has it, and the second left out.
at::Tensor bottleneck(
    const at::Tensor& input, const at::Tensor& wide_weights,
    const c10::optional<at::Tensor>& wide_scales, const c10::optional<at::Tensor>& wide_bias,
    at::TensorList maps, at::IntArrayRef sizes, at::IntArrayRef resizings,
    at::IntArrayRef wide_shape, int64_t wide_activation,
    const c10::optional<at::Tensor>& depthwise_weights,
    const c10::optional<at::Tensor>& depthwise_bias, at::IntArrayRef depthwise_shape,
    int64_t depthwise_activation, const at::Tensor& weights,
    const c10::optional<at::Tensor>& scales, const c10::optional<at::Tensor>& bias,
    const c10::optional<at::Tensor>& residual, at::IntArrayRef shape, int64_t activation) {
  TORCH_CHECK(input.dim() == 4, "the input is no image");
  const int64_t hidden = convolution_of(wide_shape).outputs;
  m2fp::Bottleneck b{
      checked_layer(
          convolution_of(wide_shape), input, wide_weights, wide_scales, wide_bias,
          static_cast<Activation>(wide_activation)),
      {},
      {},
      checked_layer(convolution_of(shape), input, weights, scales, bias)};
  // Without a filter, as if it had one tap.
  Convolution c{hidden, hidden, 1, 1, 0, hidden};
  if (depthwise_weights) {
    c = convolution_of(depthwise_shape);
    b.depthwise = checked_layer(
        c, input, *depthwise_weights, {}, depthwise_bias,
        static_cast<Activation>(depthwise_activation));
  }
  // Below this, in values of the first output, the last-level cache keeps what lies between, and products take
  // longer for being divided into strips.
  constexpr int64_t kLeastHidden = 1 << 21;
  if (depthwise_weights && maps.empty() && input.size(2) * input.size(3) * hidden < kLeastHidden) {
    const at::Tensor wide = convolution(
        input, wide_weights, wide_scales, wide_bias, {}, wide_shape, wide_activation);
    const at::Tensor filtered = convolution(
        wide, *depthwise_weights, {}, depthwise_bias, {}, depthwise_shape, depthwise_activation);
    return convolution(filtered, weights, scales, bias, residual, shape, activation);
  }
  const Summands summands(maps, sizes, resizings);
  if (!maps.empty()) {
    const at::IntArrayRef whole = input.sizes().slice(2);
    if (input.size(0) != 1 || !summands.are_ours() || summands.size() != whole ||
        maps[0].size(1) != hidden) {
      // Something that broadcasts.
      TORCH_CHECK(!depthwise_weights, "maps are added up before no filter");
      const at::Tensor wide = convolution(
          input, wide_weights, wide_scales, wide_bias, summands.plain_sum(), wide_shape,
          wide_activation);
      return convolution(wide, weights, scales, bias, residual, shape, activation);
    }
    b.residual = summands.sum();
  }
  TORCH_CHECK(b.is_sound(), "the layers do not fit each other");
  TORCH_CHECK(
      input.size(1) == b.widen.convolution.inputs &&
          input.size(2) + 2 * c.padding >= c.extent() && input.size(3) + 2 * c.padding >= c.extent(),
      "the input does not fit the convolution");
  const int64_t batch = input.size(0), height = input.size(2), width = input.size(3);
  const int64_t out_height = c.output_size(height), out_width = c.output_size(width);
  const int64_t outputs = b.narrow.convolution.outputs;
  const auto format = at::MemoryFormat::ChannelsLast;
  const at::Tensor x = input.contiguous(format);
  m2fp::note_product(b.widen.convolution, b.widen.method, batch * height * width);
  if (b.depthwise) m2fp::note_product(c, b.depthwise->method, batch * out_height * out_width);
  m2fp::note_product(b.narrow.convolution, b.narrow.method, batch * out_height * out_width);
  const std::vector<int64_t> output_sizes{batch, outputs, out_height, out_width};
  return fused(
      output_sizes, format, x, spare_residual(b.narrow, residual, output_sizes, format), bias, residual,
      static_cast<Activation>(activation), [&](Epilogue epilogue, at::Tensor& output) {
        b.narrow.epilogue = epilogue;
        const int64_t in_step = height * width * b.widen.convolution.inputs;
        const int64_t out_step = out_height * out_width * outputs;
        for (int64_t i = 0; i < batch; ++i) {
          run_bottleneck(
              b, x.data_ptr<float>() + i * in_step, height, width,
              output.data_ptr<float>() + i * out_step);
          if (b.narrow.epilogue.residual) b.narrow.epilogue.residual += out_step;
        }
      });
}

// A linear layer. A residual that broadcasts goes without a norm.
at::Tensor run_linear(
    const at::Tensor& input, const at::Tensor& weights, const c10::optional<at::Tensor>& scales,
    const c10::optional<at::Tensor>& bias, const c10::optional<at::Tensor>& residual,
    int64_t outputs, Activation activation, const m2fp::Affine* norm = nullptr) {
  TORCH_CHECK(input.dim() >= 1, "a linear layer needs an axis");
  // A row of pixels.
  const Convolution c{input.size(-1), outputs, 1, 1, 0, 1};
  const Layer layer = checked_layer(c, input, weights, scales, bias);
  const at::Tensor x = input.contiguous();
  m2fp::note_product(c, layer.method, x.numel() / c.inputs);
  std::vector<int64_t> sizes = input.sizes().vec();
  sizes.back() = outputs;
  const auto format = at::MemoryFormat::Contiguous;
  return fused(
      sizes, format, x, spare_residual(layer, residual, sizes, format), bias, residual, activation,
      [&](Epilogue epilogue, at::Tensor& output) {
        epilogue.norm = norm;
        convolve(
            c, layer.method, x.data_ptr<float>(), 1, x.numel() / c.inputs, layer.packed, epilogue,
            output.data_ptr<float>());
      });
}

at::Tensor linear(
    const at::Tensor& input, const at::Tensor& weights, const c10::optional<at::Tensor>& scales,
    const c10::optional<at::Tensor>& bias, const c10::optional<at::Tensor>& residual,
    int64_t outputs, int64_t activation) {
  return run_linear(
      input, weights, scales, bias, residual, outputs, static_cast<Activation>(activation));
}

// scores < 0, but nothing of a row where it would be all of it: what attention may not look at, (…, N) of
// (…, N).
at::Tensor blocked(const at::Tensor& scores) {
  if (scores.scalar_type() != at::kFloat || scores.dim() < 1 || scores.numel() == 0) {
    const at::Tensor below = scores < 0;
    return below & at::bitwise_not(below.all(-1, true));
  }
  const at::Tensor x = scores.contiguous();
  at::Tensor output = at::empty(x.sizes(), x.options().dtype(at::kBool));
  const int64_t count = x.size(-1);
  const float* from = x.data_ptr<float>();
  bool* to = output.data_ptr<bool>();
  for (int64_t row = 0; row < x.numel() / count; ++row, from += count, to += count) {
    bool is_all = true;
    for (int64_t i = 0; i < count; ++i) {
      to[i] = from[i] < 0;
      is_all &= to[i];
    }
    if (is_all) std::fill_n(to, count, false);
  }
  return output;
}

// Plain operators, for what our kernel does not compute.
at::Tensor plain_attention(
    const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
    const c10::optional<at::Tensor>& blocked, Activation activation) {
  at::Tensor scores = at::matmul(query, key.transpose(-2, -1));
  if (blocked) scores = scores.masked_fill(blocked->unsqueeze(1), -INFINITY);
  return activate(at::matmul(scores.softmax(-1), value), activation);
}

// activation(softmax(query keyᵀ) value) for each head: (B, heads, N, dim) of (B, heads, M, dim), values of
// any dim, with -inf in place of the scores where `blocked` (B, N, M) is true.
at::Tensor attention(
    const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
    const c10::optional<at::Tensor>& blocked, int64_t activation_number) {
  const auto activation = static_cast<Activation>(activation_number);
  const auto is_fit = [&](const at::Tensor& tensor, int64_t rows) {
    return tensor.scalar_type() == at::kFloat && tensor.dim() == 4 && tensor.numel() > 0 &&
           tensor.size(0) == query.size(0) && tensor.size(1) == query.size(1) &&
           tensor.size(2) == rows;
  };
  if (query.dim() != 4 || key.dim() != 4 || !is_fit(query, query.size(2)) ||
      !is_fit(key, key.size(2)) || !is_fit(value, key.size(2)) || key.size(3) != query.size(3)) {
    return plain_attention(query, key, value, blocked, activation);
  }
  const int64_t batch = query.size(0), heads = query.size(1), queries = query.size(2);
  const int64_t keys = key.size(2), dim = query.size(3), value_dim = value.size(3);
  at::Tensor mask;
  if (blocked) {
    if (blocked->scalar_type() != at::kBool ||
        blocked->sizes() != at::IntArrayRef({batch, queries, keys})) {
      return plain_attention(query, key, value, blocked, activation);
    }
    mask = blocked->contiguous();
  }
  const auto in_rows = [](const at::Tensor& tensor) {
    return tensor.stride(3) == 1 ? tensor : tensor.contiguous();
  };
  const at::Tensor q = in_rows(query), k = in_rows(key), v = in_rows(value);
  const auto rows = [&](const at::Tensor& tensor, int64_t b, int64_t head) {
    return m2fp::Rows{
        tensor.data_ptr<float>() + b * tensor.stride(0) + head * tensor.stride(1),
        tensor.stride(2)};
  };
  // The heads of a query side by side, as the next layer wants them.
  at::Tensor output = at::empty({batch, queries, heads, value_dim}, query.options());
  // Threads share the heads and, where there are fewer of them, their queries.
  const int64_t parts =
      std::clamp<int64_t>(m2fp::intra_op_threads() / (batch * heads), 1, queries);
  m2fp::parallel_for(batch * heads * parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / parts / heads, head = i / parts % heads;
      const int64_t first = queries * (i % parts) / parts;
      const int64_t count = queries * (i % parts + 1) / parts - first;
      m2fp::Rows asking = rows(q, b, head);
      asking.values += first * asking.stride;
      m2fp::attend(
          {asking, rows(k, b, head), rows(v, b, head), count, keys, dim, value_dim,
           mask.defined() ? mask.data_ptr<bool>() + (b * queries + first) * keys : nullptr,
           output.data_ptr<float>() + ((b * queries + first) * heads + head) * value_dim,
           heads * value_dim, activation});
    }
  });
  return output.transpose(1, 2);
}

// adaptive_avg_pool2d
at::Tensor average(const at::Tensor& input, at::IntArrayRef size) {
  if (!Image::is_one(input) || size.size() != 2 || size[0] < 1 || size[1] < 1) {
    return at::adaptive_avg_pool2d(input, size);
  }
  const Image image(input);
  at::Tensor output = empty_image(input.size(1), size[0], size[1], input);
  m2fp::average(image.pixels, size[0], size[1], output.data_ptr<float>());
  return output;
}

at::Tensor max_pool(
    const at::Tensor& input, at::IntArrayRef kernel, at::IntArrayRef stride, at::IntArrayRef padding,
    at::IntArrayRef dilation, bool is_ceiled) {
  // Of two sides that are alike.
  const auto is_one_number = [](at::IntArrayRef sides) {
    return sides.size() >= 1 && sides.size() <= 2 && sides.front() == sides.back();
  };
  const auto all = {kernel, stride, padding, dilation};
  if (Image::is_one(input) && std::all_of(all.begin(), all.end(), is_one_number) &&
      dilation[0] == 1 && !is_ceiled) {
    const m2fp::MaxPool pool{kernel[0], stride[0], padding[0]};
    const int64_t height = input.size(2), width = input.size(3);
    const int64_t least = std::min(height, width) + 2 * pool.padding;
    if (pool.kernel > 0 && pool.kernel <= least && pool.stride > 0 && pool.padding >= 0 &&
        pool.padding <= pool.kernel / 2) {
      const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
      at::Tensor output = empty_image(
          input.size(1), pool.output_size(height), pool.output_size(width), input);
      m2fp::max_pool(
          pool, x.data_ptr<float>(), height, width, input.size(1), output.data_ptr<float>());
      return output;
    }
  }
  return at::max_pool2d(input, kernel, stride, padding, dilation, is_ceiled);
}

// The steps of a matrix at `index` of (B, rows, columns), where multiply_pair can read it.
m2fp::Matrix matrix(const at::Tensor& tensor, int64_t index) {
  return {
      tensor.data_ptr<float>() + index * tensor.stride(0), tensor.size(1), tensor.size(2),
      tensor.stride(1), tensor.stride(2)};
}

// What torch's own BLAS would compute, which may not know this CPU: (B, M, N) of (B, M, K) and (B, K, N).
at::Tensor multiply_batch(
    const at::Tensor& a, const at::Tensor& b, const c10::optional<at::Tensor>& bias) {
  const at::Tensor left = a.stride(2) == 1 ? a : a.contiguous();
  const at::Tensor right = b.stride(1) == 1 || b.stride(2) == 1 ? b : b.contiguous();
  const int64_t rows = a.size(1), columns = b.size(2);
  m2fp::note_product({a.size(2), columns, 1, 1, 0, 1}, m2fp::Method::product, a.size(0) * rows);
  at::Tensor output = at::empty({a.size(0), rows, columns}, a.options());
  for (int64_t i = 0; i < a.size(0); ++i) {
    multiply_pair(
        matrix(left, i), matrix(right, i), values(bias),
        output.data_ptr<float>() + i * rows * columns);
  }
  return output;
}

at::Tensor matmul(const at::Tensor& a, const at::Tensor& b) {
  const bool fits = a.dim() == 3 && b.dim() == 3 && a.size(0) == b.size(0) &&
                    a.size(2) == b.size(1) && a.numel() > 0 && b.numel() > 0 &&
                    a.scalar_type() == at::kFloat && b.scalar_type() == at::kFloat;
  return fits ? multiply_batch(a, b, {}) : at::matmul(a, b);
}

// A linear layer whose weights are made while the network runs.
at::Tensor linear_of(
    const at::Tensor& input, const at::Tensor& weights, const c10::optional<at::Tensor>& bias) {
  const bool fits = input.dim() == 2 && weights.dim() == 2 && input.size(1) == weights.size(1) &&
                    input.numel() > 0 && weights.numel() > 0 &&
                    input.scalar_type() == at::kFloat && weights.scalar_type() == at::kFloat &&
                    (!values(bias) || (bias->scalar_type() == at::kFloat && bias->is_contiguous() &&
                                       bias->numel() == weights.size(0)));
  if (!fits) return at::linear(input, weights, bias);
  return multiply_batch(input.unsqueeze(0), weights.t().unsqueeze(0), bias).squeeze(0);
}

// A weight and a bias of a norm, one value a channel.
void check_affine(const at::Tensor& weight, const at::Tensor& bias, int64_t channels) {
  for (const at::Tensor& each : {weight, bias}) {
    TORCH_CHECK(
        each.scalar_type() == at::kFloat && each.is_contiguous() &&
            each.sizes() == at::IntArrayRef({channels}),
        "no such normalisation");
  }
}

at::Tensor layer_norm(
    const at::Tensor& input, int64_t channels, const c10::optional<at::Tensor>& weight,
    const c10::optional<at::Tensor>& bias, double epsilon) {
  const bool is_ours = channels > 0 && input.dim() >= 1 && input.size(-1) == channels &&
                       input.scalar_type() == at::kFloat;
  if (!is_ours) return at::layer_norm(input, {channels}, weight, bias, epsilon);
  TORCH_CHECK(!values(weight) == !values(bias), "no such normalisation");
  if (values(weight)) check_affine(*weight, *bias, channels);
  const at::Tensor x = input.contiguous();
  at::Tensor output = at::empty(x.sizes(), x.options());
  m2fp::normalise_rows(
      x.data_ptr<float>(), x.numel() / channels,
      {values(weight), values(bias), channels, epsilon}, output.data_ptr<float>());
  return output;
}

// layer_norm(linear(…))
at::Tensor normalised_linear(
    const at::Tensor& input, const at::Tensor& weights, const c10::optional<at::Tensor>& scales,
    const c10::optional<at::Tensor>& bias, const c10::optional<at::Tensor>& residual,
    int64_t outputs, const c10::optional<at::Tensor>& norm_weight,
    const c10::optional<at::Tensor>& norm_bias, double epsilon) {
  TORCH_CHECK(input.dim() >= 1, "a linear layer needs an axis");
  TORCH_CHECK(!values(norm_weight) == !values(norm_bias), "no such normalisation");
  if (values(norm_weight)) check_affine(*norm_weight, *norm_bias, outputs);
  std::vector<int64_t> sizes = input.sizes().vec();
  sizes.back() = outputs;
  if (values(residual) && !is_alike(*residual, sizes, at::MemoryFormat::Contiguous)) {
    const at::Tensor sum =
        run_linear(input, weights, scales, bias, residual, outputs, Activation::none);
    return layer_norm(sum, outputs, norm_weight, norm_bias, epsilon);
  }
  const m2fp::Affine norm{values(norm_weight), values(norm_bias), outputs, epsilon};
  return run_linear(input, weights, scales, bias, residual, outputs, Activation::none, &norm);
}

at::Tensor group_norm(
    const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
    double epsilon, const c10::optional<at::Tensor>& residual, int64_t activation) {
  TORCH_CHECK(input.scalar_type() == at::kFloat, "the input is not float32");
  const int64_t channels = weight.numel();
  check_affine(weight, bias, channels);
  const bool fits = input.dim() == 4 && input.size(1) == channels && input.numel() > 0 &&
                    groups > 0 && channels % groups == 0 && channels % m2fp::kChannelGroup == 0;
  if (!fits) {
    const at::Tensor x = at::group_norm(input, groups, weight, bias, epsilon, false);
    const bool has_residual = residual && residual->defined();
    return activate(has_residual ? x + *residual : x, static_cast<Activation>(activation));
  }
  const auto format = at::MemoryFormat::ChannelsLast;
  const at::Tensor place = spare(values(residual) ? *residual : input, input.sizes(), format);
  const at::Tensor x = input.contiguous(format);
  const int64_t pixels = x.size(2) * x.size(3);
  return fused(
      x.sizes(), format, x, place, {}, residual, static_cast<Activation>(activation),
      [&](const Epilogue& epilogue, at::Tensor& output) {
        for (int64_t b = 0; b < x.size(0); ++b) {
          const int64_t at = b * pixels * channels;
          m2fp::normalise_groups(
              x.data_ptr<float>() + at, pixels, groups,
              {weight.data_ptr<float>(), bias.data_ptr<float>(), channels, epsilon},
              epilogue.residual ? epilogue.residual + at : nullptr, epilogue.activation,
              output.data_ptr<float>() + at);
        }
      });
}

// input * upsample_nearest2d(weights, size)
at::Tensor weigh(const at::Tensor& input, const at::Tensor& weights, at::IntArrayRef size) {
  const bool is_ours = Image::is_one(input) && Image::is_one(weights) &&
                       input.size(1) == weights.size(1) && input.sizes().slice(2) == size &&
                       size[0] % weights.size(2) == 0 && size[1] % weights.size(3) == 0;
  if (!is_ours) return input * at::upsample_nearest2d(weights, size);
  const Image image(input), factors(weights);
  at::Tensor output = empty_image(input.size(1), size[0], size[1], input);
  m2fp::weigh(image.pixels, factors.pixels, output.data_ptr<float>());
  return output;
}

// cat((first, second * weights), 1), channels of its halves in turn.
at::Tensor shuffle(
    const at::Tensor& first, const at::Tensor& second, const c10::optional<at::Tensor>& weights) {
  const bool is_ours =
      Image::is_one(first) && Image::is_one(second) && first.sizes() == second.sizes() &&
      (!weights || (weights->scalar_type() == at::kFloat &&
                    weights->sizes() == at::IntArrayRef({1, first.size(1), 1, 1})));
  if (!is_ours) {
    const at::Tensor both = at::cat({first, weights ? second * *weights : second}, 1);
    return both.reshape({both.size(0), 2, -1, both.size(2), both.size(3)}).transpose(1, 2).flatten(1, 2);
  }
  const Image a(first), b(second);
  const at::Tensor factors = weights ? weights->contiguous() : at::Tensor();
  at::Tensor output = empty_image(2 * first.size(1), first.size(2), first.size(3), first);
  m2fp::shuffle(
      a.pixels, b.pixels, weights ? factors.data_ptr<float>() : nullptr, output.data_ptr<float>());
  return output;
}

// activation(sum of maps)
at::Tensor map_sum(
    at::TensorList maps, at::IntArrayRef sizes, at::IntArrayRef resizings, int64_t activation) {
  const Summands summands(maps, sizes, resizings);
  const auto wanted = static_cast<Activation>(activation);
  if (!summands.are_ours()) return activate(summands.plain_sum(), wanted);
  at::Tensor output = empty_image(maps[0].size(1), summands.size()[0], summands.size()[1], maps[0]);
  summands.sum().run(wanted, output.data_ptr<float>());
  return output;
}

// One image whose channels lie last, as torch tells such an image: the stride of an axis of one may be
// anything, but torch takes it for what it says, finds the layout ambiguous and goes over to the other.
at::Tensor channels_last(const at::Tensor& x) {
  if (x.dim() != 4 || x.size(0) != 1 || !x.is_contiguous(at::MemoryFormat::ChannelsLast)) return x;
  return x.as_strided(x.sizes(), {x.numel(), 1, x.size(3) * x.size(1), x.size(1)});
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(m2fp, library) {
  library.def(
      "convolution(Tensor input, Tensor weights, Tensor? scales, Tensor? bias, Tensor? residual, "
      "int[] shape, int activation) -> Tensor");
  library.def(
      "linear(Tensor input, Tensor weights, Tensor? scales, Tensor? bias, Tensor? residual, "
      "int outputs, int activation) -> Tensor");
  library.def(
      "normalised_linear(Tensor input, Tensor weights, Tensor? scales, Tensor? bias, "
      "Tensor? residual, int outputs, Tensor? norm_weight, Tensor? norm_bias, float epsilon) -> Tensor");
  library.def(
      "bottleneck(Tensor input, Tensor wide_weights, Tensor? wide_scales, Tensor? wide_bias, "
      "Tensor[] maps, int[] sizes, int[] resizings, int[] wide_shape, int wide_activation, "
      "Tensor? depthwise_weights, Tensor? depthwise_bias, "
      "int[] depthwise_shape, int depthwise_activation, Tensor weights, Tensor? scales, Tensor? bias, "
      "Tensor? residual, int[] shape, int activation) -> Tensor");
  library.def("blocked(Tensor scores) -> Tensor");
  library.def(
      "attention(Tensor query, Tensor key, Tensor value, Tensor? blocked, int activation) -> Tensor");
  library.def("matmul(Tensor a, Tensor b) -> Tensor");
  library.def("linear_of(Tensor input, Tensor weights, Tensor? bias) -> Tensor");
  library.def(
      "layer_norm(Tensor input, int channels, Tensor? weight, Tensor? bias, float epsilon) -> Tensor");
  library.def(
      "group_norm(Tensor input, Tensor weight, Tensor bias, int groups, float epsilon, "
      "Tensor? residual, int activation) -> Tensor");
  library.def("average(Tensor input, int[2] size) -> Tensor");
  library.def(
      "max_pool(Tensor input, int[2] kernel, int[2] stride, int[2] padding, int[2] dilation, "
      "bool is_ceiled) -> Tensor");
  library.def("shuffle(Tensor first, Tensor second, Tensor? weights) -> Tensor");
  library.def("weigh(Tensor input, Tensor weights, int[] size) -> Tensor");
  library.def("map_sum(Tensor[] maps, int[] sizes, int[] resizings, int activation) -> Tensor");
  library.def("channels_last(Tensor(a) x) -> Tensor(a)");
}

TORCH_LIBRARY_IMPL(m2fp, CPU, library) {
  library.impl("convolution", convolution);
  library.impl("linear", linear);
  library.impl("normalised_linear", normalised_linear);
  library.impl("bottleneck", bottleneck);
  library.impl("blocked", blocked);
  library.impl("attention", attention);
  library.impl("matmul", matmul);
  library.impl("linear_of", linear_of);
  library.impl("layer_norm", layer_norm);
  library.impl("group_norm", group_norm);
  library.impl("average", average);
  library.impl("max_pool", max_pool);
  library.impl("shuffle", shuffle);
  library.impl("weigh", weigh);
  library.impl("map_sum", map_sum);
  library.impl("channels_last", channels_last);
}
