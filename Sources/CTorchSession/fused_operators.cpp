// Our kernels as TorchScript operators. No archive holds them; fuse_operators.cpp puts them into a
// network when it is loaded, with weights that it packed.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/attention.h"
#include "kernels/convolution.h"
#include "kernels/matrix_pair.h"
#include "kernels/normalisation.h"
#include "kernels/parallel.h"
#include "kernels/vector.h"
#include "profile.h"

namespace {

using m2fp::Activation;
using m2fp::Convolution;
using m2fp::Epilogue;

// Null for none. The lifetime is the argument's.
const float* values(const c10::optional<at::Tensor>& tensor) {
  return tensor && tensor->defined() ? tensor->data_ptr<float>() : nullptr;
}

// A layer's weights as fuse_operators.cpp packed them, and the method that they were packed for.
struct Layer {
  m2fp::Method method;
  m2fp::PackedWeights packed;
};

Layer checked_layer(
    const Convolution& c, const at::Tensor& input, const at::Tensor& weights,
    const c10::optional<at::Tensor>& scales, const c10::optional<at::Tensor>& bias) {
  constexpr int64_t kMost = 1 << 16;
  TORCH_CHECK(
      c.inputs > 0 && c.inputs <= kMost && c.outputs > 0 && c.outputs <= kMost && c.kernel > 0 &&
          c.kernel <= 64 && c.stride > 0 && c.padding >= 0 && c.padding < c.kernel,
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
  return {method, {weights.data_ptr(), has_scales ? scales->data_ptr<float>() : nullptr}};
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
    default: return x;
  }
}

// What both operators share. `run` computes the output with an epilogue.
template <typename Run>
at::Tensor fused(
    at::IntArrayRef sizes, at::MemoryFormat format, const at::Tensor& like,
    const c10::optional<at::Tensor>& bias, const c10::optional<at::Tensor>& residual,
    Activation activation, Run run) {
  at::Tensor output = at::empty(sizes, like.options(), format);
  const bool has_residual = residual && residual->defined();
  if (has_residual && !is_alike(*residual, sizes, format)) {
    // Something that broadcasts.
    run(Epilogue{values(bias), nullptr, Activation::none}, output);
    return activate(output + *residual, activation);
  }
  const at::Tensor added = has_residual ? residual->contiguous(format) : at::Tensor();
  run(Epilogue{values(bias), has_residual ? added.data_ptr<float>() : nullptr, activation}, output);
  return output;
}

at::Tensor convolution(
    const at::Tensor& input, const at::Tensor& weights, const c10::optional<at::Tensor>& scales,
    const c10::optional<at::Tensor>& bias, const c10::optional<at::Tensor>& residual,
    at::IntArrayRef shape, int64_t activation) {
  TORCH_CHECK(shape.size() == 6 && input.dim() == 4, "a convolution of images has six sizes");
  const Convolution c{shape[0], shape[1], shape[2], shape[3], shape[4], shape[5]};
  const Layer layer = checked_layer(c, input, weights, scales, bias);
  const int64_t batch = input.size(0), height = input.size(2), width = input.size(3);
  TORCH_CHECK(
      input.size(1) == c.inputs && height + 2 * c.padding >= c.kernel &&
          width + 2 * c.padding >= c.kernel,
      "the input does not fit the convolution");
  const auto format = at::MemoryFormat::ChannelsLast;
  const at::Tensor x = input.contiguous(format);
  const int64_t out_height = c.output_size(height), out_width = c.output_size(width);
  m2fp::note_product(c, layer.method, batch * out_height * out_width);
  return fused(
      {batch, c.outputs, out_height, out_width}, format, x, bias, residual,
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

at::Tensor linear(
    const at::Tensor& input, const at::Tensor& weights, const c10::optional<at::Tensor>& scales,
    const c10::optional<at::Tensor>& bias, const c10::optional<at::Tensor>& residual,
    int64_t outputs, int64_t activation) {
  TORCH_CHECK(input.dim() >= 1, "a linear layer needs an axis");
  // A row of pixels.
  const Convolution c{input.size(-1), outputs, 1, 1, 0, 1};
  const Layer layer = checked_layer(c, input, weights, scales, bias);
  const at::Tensor x = input.contiguous();
  m2fp::note_product(c, layer.method, x.numel() / c.inputs);
  std::vector<int64_t> sizes = input.sizes().vec();
  sizes.back() = outputs;
  return fused(
      sizes, at::MemoryFormat::Contiguous, x, bias, residual, static_cast<Activation>(activation),
      [&](const Epilogue& epilogue, at::Tensor& output) {
        convolve(
            c, layer.method, x.data_ptr<float>(), 1, x.numel() / c.inputs, layer.packed, epilogue,
            output.data_ptr<float>());
      });
}

// Plain operators, for what our kernel does not compute.
at::Tensor plain_attention(
    const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
    const c10::optional<at::Tensor>& blocked) {
  at::Tensor scores = at::matmul(query, key.transpose(-2, -1));
  if (blocked) scores = scores.masked_fill(blocked->unsqueeze(1), -INFINITY);
  return at::matmul(scores.softmax(-1), value);
}

// softmax(query keyᵀ) value for each head: (B, heads, N, dim) of (B, heads, M, dim), with -inf in place
// of the scores where `blocked` (B, N, M) is true.
at::Tensor attention(
    const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
    const c10::optional<at::Tensor>& blocked) {
  const auto is_fit = [&](const at::Tensor& tensor, int64_t rows) {
    return tensor.scalar_type() == at::kFloat && tensor.dim() == 4 &&
           tensor.size(0) == query.size(0) && tensor.size(1) == query.size(1) &&
           tensor.size(2) == rows && tensor.size(3) == query.size(3);
  };
  if (query.dim() != 4 || key.dim() != 4 || query.numel() == 0 || key.numel() == 0 ||
      !is_fit(query, query.size(2)) || !is_fit(key, key.size(2)) || !is_fit(value, key.size(2))) {
    return plain_attention(query, key, value, blocked);
  }
  const int64_t batch = query.size(0), heads = query.size(1);
  const int64_t queries = query.size(2), keys = key.size(2), dim = query.size(3);
  at::Tensor mask;
  if (blocked) {
    if (blocked->scalar_type() != at::kBool ||
        blocked->sizes() != at::IntArrayRef({batch, queries, keys})) {
      return plain_attention(query, key, value, blocked);
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
  at::Tensor output = at::empty({batch, queries, heads, dim}, query.options());
  m2fp::parallel_for(batch * heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / heads, head = i % heads;
      m2fp::attend(
          {rows(q, b, head), rows(k, b, head), rows(v, b, head), queries, keys, dim,
           mask.defined() ? mask.data_ptr<bool>() + b * queries * keys : nullptr,
           output.data_ptr<float>() + (b * queries * heads + head) * dim, heads * dim});
    }
  });
  return output.transpose(1, 2);
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

void check_affine(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
  for (const at::Tensor& each : {weight, bias}) {
    TORCH_CHECK(
        each.dim() == 1 && each.scalar_type() == at::kFloat && each.is_contiguous() &&
            each.sizes() == weight.sizes(),
        "no such normalisation");
  }
  TORCH_CHECK(input.scalar_type() == at::kFloat, "the input is not float32");
}

at::Tensor layer_norm(
    const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias, double epsilon) {
  check_affine(input, weight, bias);
  const int64_t channels = weight.numel();
  TORCH_CHECK(
      channels > 0 && input.dim() >= 1 && input.size(-1) == channels,
      "the input does not fit the normalisation");
  const at::Tensor x = input.contiguous();
  at::Tensor output = at::empty(x.sizes(), x.options());
  m2fp::normalise_rows(
      x.data_ptr<float>(), x.numel() / channels,
      {weight.data_ptr<float>(), bias.data_ptr<float>(), channels, epsilon},
      output.data_ptr<float>());
  return output;
}

at::Tensor group_norm(
    const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
    double epsilon, const c10::optional<at::Tensor>& residual, int64_t activation) {
  check_affine(input, weight, bias);
  const int64_t channels = weight.numel();
  const bool fits = input.dim() == 4 && input.size(1) == channels && input.numel() > 0 &&
                    groups > 0 && channels % groups == 0 && channels % m2fp::kChannelGroup == 0;
  if (!fits) {
    const at::Tensor x = at::group_norm(input, groups, weight, bias, epsilon, false);
    const bool has_residual = residual && residual->defined();
    return activate(has_residual ? x + *residual : x, static_cast<Activation>(activation));
  }
  const auto format = at::MemoryFormat::ChannelsLast;
  const at::Tensor x = input.contiguous(format);
  const int64_t pixels = x.size(2) * x.size(3);
  return fused(
      x.sizes(), format, x, {}, residual, static_cast<Activation>(activation),
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
  library.def("attention(Tensor query, Tensor key, Tensor value, Tensor? blocked) -> Tensor");
  library.def("matmul(Tensor a, Tensor b) -> Tensor");
  library.def("linear_of(Tensor input, Tensor weights, Tensor? bias) -> Tensor");
  library.def("layer_norm(Tensor input, Tensor weight, Tensor bias, float epsilon) -> Tensor");
  library.def(
      "group_norm(Tensor input, Tensor weight, Tensor bias, int groups, float epsilon, "
      "Tensor? residual, int activation) -> Tensor");
  library.def("channels_last(Tensor(a) x) -> Tensor(a)");
}

TORCH_LIBRARY_IMPL(m2fp, CPU, library) {
  library.impl("convolution", convolution);
  library.impl("linear", linear);
  library.impl("attention", attention);
  library.impl("matmul", matmul);
  library.impl("linear_of", linear_of);
  library.impl("layer_norm", layer_norm);
  library.impl("group_norm", group_norm);
  library.impl("channels_last", channels_last);
}
