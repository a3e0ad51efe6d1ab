// Compares the network's kernels with plain sums, at shapes and with numbers that are made up, the same
// everywhere:
//
//   kernels TILES
//
// Prints the instruction set that M2FP_KERNELS named, then a checksum of what each kernel computed: the same
// wherever products and sums are fused. Products of integers are those of a scalar model of vpdpwssd bit for
// bit, in TILES tiles.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels/attention.h"
#include "kernels/bottleneck.h"
#include "kernels/channel_weights.h"
#include "kernels/convolution.h"
#include "kernels/instruction_set.h"
#include "kernels/int16_product.h"
#include "kernels/map_sum.h"
#include "kernels/matrix_pair.h"
#include "kernels/matrix_product.h"
#include "kernels/max_pool.h"
#include "kernels/normalisation.h"
#include "kernels/parallel.h"

extern "C" void omp_set_num_threads(int threads);

namespace {

using namespace m2fp;

uint32_t state = 1;

uint32_t random_bits() {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}
int64_t random_between(int64_t least, int64_t most) {
  return least + random_bits() % (most - least + 1);
}
float random_float() { return static_cast<float>(random_bits()) / (1 << 23) - 1; }

std::vector<float> random_floats(int64_t count) {
  std::vector<float> values(count);
  for (float& value : values) value = random_float();
  return values;
}

template <typename Value>
class Checksum {
 public:
  explicit Checksum(const char* name) : name_(name) {}
  ~Checksum() {
    std::printf("%s: %zu values, %016llx\n", name_, count_, static_cast<unsigned long long>(sum_));
  }
  // FNV-1a, of 64 bits.
  void add(const std::vector<Value>& values) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
    for (size_t i = 0; i < values.size() * sizeof(Value); ++i) sum_ = (sum_ ^ bytes[i]) * 0x100000001b3;
    count_ += values.size();
  }
  const char* name() const { return name_; }

 private:
  const char* name_;
  uint64_t sum_ = 0xcbf29ce484222325;
  size_t count_ = 0;
};

void expect(bool holds, const char* what, double found, double expected) {
  if (holds) return;
  std::printf("%s: %.9g instead of %.9g\n", what, found, expected);
  std::exit(1);
}

void expect_near(const char* what, const std::vector<float>& found, const std::vector<double>& expected, double off) {
  for (size_t i = 0; i < found.size(); ++i) {
    expect(std::abs(found[i] - expected[i]) <= off * (1 + std::abs(expected[i])), what, found[i], expected[i]);
  }
}

double activated(double x, Activation activation) {
  switch (activation) {
    case Activation::none: return x;
    case Activation::relu: return std::fmax(x, 0);
    case Activation::relu6: return std::fmin(std::fmax(x, 0), 6);
    case Activation::leaky_relu: return std::fmax(x, static_cast<double>(kLeakySlope) * x);
    case Activation::gelu: return x * std::erfc(-x * std::sqrt(0.5)) / 2;
    case Activation::sigmoid: return 1 / (1 + std::exp(-x));
  }
}

// weights: (outputs, inputs / groups, kernel, kernel).
std::vector<double> convolved(
    const Convolution& c, const std::vector<float>& input, int64_t height, int64_t width,
    const std::vector<float>& weights, const Epilogue& epilogue) {
  std::vector<double> output;
  const int64_t inputs = c.inputs / c.groups;
  for (int64_t y = 0; y < c.output_size(height); ++y) {
    for (int64_t x = 0; x < c.output_size(width); ++x) {
      for (int64_t o = 0; o < c.outputs; ++o) {
        double sum = epilogue.bias ? epilogue.bias[o] : 0;
        if (epilogue.residual) sum += epilogue.residual[output.size()];
        for (int64_t tap = 0; tap < c.taps(); ++tap) {
          const int64_t at_y = y * c.stride - c.padding + tap / c.kernel * c.dilation;
          const int64_t at_x = x * c.stride - c.padding + tap % c.kernel * c.dilation;
          if (at_y < 0 || at_y >= height || at_x < 0 || at_x >= width) continue;
          for (int64_t i = 0; i < inputs; ++i) {
            const int64_t channel = c.groups > 1 ? o : i;
            sum += static_cast<double>(input[(at_y * width + at_x) * c.inputs + channel]) *
                   weights[(o * inputs + i) * c.taps() + tap];
          }
        }
        output.push_back(activated(sum, epilogue.activation));
      }
    }
  }
  return output;
}

void check_convolution(
    const Convolution& c, Precision precision, Method expected, double off, Checksum<float>& checksum) {
  const Method method = m2fp::method(c, precision);
  expect(method == expected, checksum.name(), static_cast<int>(method), static_cast<int>(expected));
  const int64_t height = random_between(c.extent(), 20), width = random_between(c.extent(), 20);
  const int64_t pixels = c.output_size(height) * c.output_size(width);
  const auto input = random_floats(height * width * c.inputs);
  const auto weights = random_floats(c.outputs * c.inputs / c.groups * c.taps());
  auto bias = random_floats(panels(c.outputs) * kColumns);
  const auto residual = random_floats(pixels * c.outputs);
  Epilogue epilogue;
  if (random_between(0, 1)) epilogue.bias = bias.data();
  // Depthwise convolutions take none.
  if (random_between(0, 1) && c.groups == 1) epilogue.residual = residual.data();
  epilogue.activation = static_cast<Activation>(random_between(0, 5));

  std::vector<float> packed(packed_size(c, method)), scales(panels(c.outputs) * kColumns);
  const PackedWeights destination{packed.data(), scales.data()};
  const int64_t inputs = c.inputs / c.groups;
  const int64_t strides[] = {inputs * c.taps(), c.taps(), c.kernel, 1};
  pack_weights(c, method, weights.data(), strides, destination);
  // A row more, to see that it stays as it is.
  std::vector<float> output((pixels + 1) * c.outputs, 7);
  convolve(c, method, input.data(), height, width, destination, epilogue, output.data());
  for (int64_t i = pixels * c.outputs; i < static_cast<int64_t>(output.size()); ++i) {
    expect(output[i] == 7, "written past the end", output[i], 7);
  }
  output.resize(pixels * c.outputs);
  expect_near(checksum.name(), output, convolved(c, input, height, width, weights, epilogue), off);
  checksum.add(output);

  if (epilogue.residual && can_be_in_place(c, method)) {
    std::vector<float> in_place = residual;
    epilogue.residual = in_place.data();
    convolve(c, method, input.data(), height, width, destination, epilogue, in_place.data());
    expect(in_place == output, "a residual in place", 0, 0);
    epilogue.residual = residual.data();
  }
  if (c.kernel == 1) {
    const auto weight = random_floats(c.outputs), shift = random_floats(c.outputs);
    const Affine norm{weight.data(), shift.data(), c.outputs, 1e-5};
    epilogue.activation = Activation::none;
    convolve(c, method, input.data(), height, width, destination, epilogue, output.data());
    std::vector<float> normalised(output.size());
    normalise_rows(output.data(), pixels, norm, normalised.data());
    epilogue.norm = &norm;
    convolve(c, method, input.data(), height, width, destination, epilogue, output.data());
    expect(output == normalised, "rows that are normalised at once", 0, 0);
  }
}

void check_convolutions() {
  constexpr int kRounds = 60;
  {
    Checksum<float> checksum("products");
    for (int round = 0; round < kRounds; ++round) {
      const int64_t kernel = random_between(1, 4), stride = random_between(1, 2);
      const Convolution c{
          random_between(1, 31) * (kernel == 1 ? 46 : 1), random_between(1, 140), kernel, stride,
          random_between(0, kernel - 1), 1, random_between(1, 3)};
      check_convolution(c, Precision::float32, Method::product, 3e-5, checksum);
    }
  }
  {
    Checksum<float> checksum("images of few channels");
    for (int round = 0; round < kRounds; ++round) {
      const int64_t kernel = random_between(2, 7);
      const Convolution c{
          random_between(1, 7), random_between(1, 70), kernel, random_between(1, 3),
          random_between(0, kernel - 1), 1};
      check_convolution(c, Precision::float32, Method::product, 3e-5, checksum);
    }
  }
  {
    Checksum<float> checksum("Winograd's");
    for (int round = 0; round < kRounds / 4; ++round) {
      const int64_t dilation = random_between(1, 3);
      const Convolution c{
          8 * random_between(4, 20), 8 * random_between(4, 20), 3, 1, dilation, 1, dilation};
      check_convolution(c, Precision::float32, Method::winograd, 5e-4, checksum);
    }
  }
  {
    Checksum<float> checksum("depthwise");
    for (int round = 0; round < kRounds; ++round) {
      const int64_t channels = random_between(2, 100), kernel = random_between(2, 5);
      const Convolution c{
          channels, channels, kernel, random_between(1, 3), random_between(0, kernel - 1), channels,
          random_between(1, 4) == 1 ? 2 : 1};
      check_convolution(c, Precision::float32, Method::depthwise, 1e-5, checksum);
    }
  }
  {
    Checksum<float> checksum("int16");
    for (int round = 0; round < kRounds; ++round) {
      const Convolution c{16 * random_between(1, 12), random_between(32, 140), 1, random_between(1, 2), 0, 1};
      check_convolution(c, Precision::int16, Method::int16_product, 3e-2, checksum);
    }
  }
}

// The sum of a pair of products, as the processor's manual defines it: in 32 bits, which wrap round.
int32_t vpdpwssd(int32_t sum, const int16_t* a, const int16_t* b) {
  const auto product = [](int16_t x, int16_t y) { return static_cast<uint32_t>(int32_t{x} * int32_t{y}); };
  return static_cast<int32_t>(static_cast<uint32_t>(sum) + product(a[0], b[0]) + product(a[1], b[1]));
}

// Whole tiles of every instruction set, of integers as large as they may be.
void check_integer_tiles(int64_t tiles) {
  constexpr int64_t kTileColumns = 2 * kColumns, kMostDepth = 3 * kSafeDepth;
  Checksum<float> checksum("integer tiles");
  std::vector<int16_t> a(kRows * kMostDepth), packed(kTileColumns * kMostDepth);
  std::vector<float> c(kRows * kTileColumns);
  const auto row_scales = random_floats(kRows), column_scales = random_floats(kTileColumns);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t depth = 2 * random_between(1, tile % 16 == 0 ? kMostDepth / 2 : 8);
    // Now and then all are the largest.
    const bool is_extreme = tile % 64 == 0;
    const auto integer = [&](int32_t most) {
      const int64_t value = random_between(-most, most);
      return static_cast<int16_t>(is_extreme ? (value < 0 ? -most : most) : value);
    };
    const int16_t* rows[kRows];
    for (int64_t r = 0; r < kRows; ++r) rows[r] = a.data() + r * depth;
    for (int64_t i = 0; i < kRows * depth; ++i) a[i] = integer(kLargestOfRow);
    for (int64_t i = 0; i < kTileColumns * depth; ++i) packed[i] = integer(kLargestOfColumn);
    const Product<int16_t> product{
        rows, kRows, 1, depth, packed.data(), kTileColumns, c.data(), kTileColumns, {}, row_scales.data(),
        column_scales.data()};
    multiply(product, 0, panels(kTileColumns));
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t n = 0; n < kTileColumns; ++n) {
        const int16_t* const column = packed.data() + n / kColumns * depth * kColumns + n % kColumns * 2;
        float sum = 0;
        for (int64_t first = 0; first < depth; first += kSafeDepth) {
          int32_t part = 0;
          for (int64_t k = first; k < std::min(first + kSafeDepth, depth); k += 2) {
            part = vpdpwssd(part, rows[r] + k, column + k * kColumns);
          }
          sum += static_cast<float>(part);
        }
        sum *= row_scales[r] * column_scales[n];
        expect(c[r * kTileColumns + n] == sum, checksum.name(), c[r * kTileColumns + n], sum);
      }
    }
    if (tile < 1000) checksum.add(c);
  }
}

// A map at another size, as torch's upsampling defines it: for each channel, place by place.
double resized(const ResizedMap& map, int64_t channels, int64_t y, int64_t x, int64_t c, int64_t height, int64_t width) {
  if (map.resizing == Resizing::none) return map.values[(y * width + x) * channels + c];
  const auto source = [&](int64_t place, int64_t from, int64_t to) -> double {
    switch (map.resizing) {
      case Resizing::nearest: return static_cast<double>(place * from / to);
      case Resizing::bilinear: return std::fmax((place + 0.5) * from / to - 0.5, 0);
      default: return to > 1 ? static_cast<double>(place * (from - 1)) / (to - 1) : 0;
    }
  };
  const double at_y = source(y, map.height, height), at_x = source(x, map.width, width);
  double sum = 0;
  for (int64_t i = 0; i < map.height; ++i) {
    for (int64_t j = 0; j < map.width; ++j) {
      // The last pixel goes on beyond its centre.
      const double down = std::fmax(1 - std::abs(std::fmin(at_y, map.height - 1) - i), 0);
      const double across = std::fmax(1 - std::abs(std::fmin(at_x, map.width - 1) - j), 0);
      sum += down * across * map.values[(i * map.width + j) * channels + c];
    }
  }
  return sum;
}

void check_sums() {
  Checksum<float> checksum("sums of maps");
  for (int round = 0; round < 40; ++round) {
    const int64_t channels = random_between(1, 50), scale = random_between(1, 4);
    const int64_t height = scale * random_between(1, 7), width = scale * random_between(1, 7);
    std::vector<std::vector<float>> values;
    std::vector<ResizedMap> maps;
    for (int64_t count = random_between(1, 4); count > 0; --count) {
      const auto resizing = static_cast<Resizing>(random_between(0, 3));
      // Sizes that nearest pixels are beyond doubt for.
      const bool is_whole = resizing == Resizing::none, is_free = resizing >= Resizing::bilinear;
      const int64_t h = is_whole ? height : is_free ? random_between(1, height) : height / scale;
      const int64_t w = is_whole ? width : is_free ? random_between(1, width) : width / scale;
      values.push_back(random_floats(h * w * channels));
      maps.push_back({values.back().data(), h, w, resizing});
    }
    const auto activation = static_cast<Activation>(random_between(0, 5));
    std::vector<float> output(height * width * channels);
    MapSum(maps, height, width, channels).run(activation, output.data());
    std::vector<double> expected;
    for (int64_t i = 0; i < height * width * channels; ++i) {
      double sum = 0;
      for (const ResizedMap& map : maps) {
        sum += resized(map, channels, i / channels / width, i / channels % width, i % channels, height, width);
      }
      expected.push_back(activated(sum, activation));
    }
    expect_near(checksum.name(), output, expected, 1e-5);
    checksum.add(output);
  }
}

void check_channel_weights() {
  Checksum<float> checksum("channel weights");
  for (int round = 0; round < 40; ++round) {
    const int64_t channels = random_between(1, 50), stride = channels + random_between(0, 9);
    const int64_t small_height = random_between(1, 4), small_width = random_between(1, 4);
    const int64_t height = small_height * random_between(1, 4), width = small_width * random_between(1, 4);
    const int64_t pixels = height * width;
    const auto first = random_floats(pixels * stride), second = random_floats(pixels * stride);
    const auto weights = random_floats(small_height * small_width * channels);
    const Pixels in{first.data(), height, width, channels, stride};

    std::vector<float> output(pixels * channels);
    weigh(in, {weights.data(), small_height, small_width, channels, channels}, output.data());
    std::vector<double> expected;
    for (int64_t i = 0; i < pixels * channels; ++i) {
      const int64_t y = i / channels / width, x = i / channels % width, c = i % channels;
      const int64_t place = y / (height / small_height) * small_width + x / (width / small_width);
      expected.push_back(
          static_cast<double>(first[(y * width + x) * stride + c]) * weights[place * channels + c]);
    }
    expect_near(checksum.name(), output, expected, 1e-6);
    checksum.add(output);

    output.resize(2 * pixels * channels);
    const bool is_weighed = random_between(0, 1);
    shuffle(
        in, {second.data(), height, width, channels, stride}, is_weighed ? weights.data() : nullptr,
        output.data());
    expected.clear();
    for (int64_t i = 0; i < pixels * channels; ++i) {
      const int64_t at = i / channels * stride + i % channels;
      expected.push_back(first[at]);
      expected.push_back(static_cast<double>(second[at]) * (is_weighed ? weights[i % channels] : 1));
    }
    expect_near(checksum.name(), output, expected, 1e-6);
    checksum.add(output);

    // Sides that need not divide the map's: parts overlap.
    const int64_t parts_down = random_between(1, height), parts_across = random_between(1, width);
    output.resize(parts_down * parts_across * channels);
    average(in, parts_down, parts_across, output.data());
    expected.clear();
    for (int64_t i = 0; i < parts_down * parts_across * channels; ++i) {
      const int64_t part_y = i / channels / parts_across, part_x = i / channels % parts_across;
      double sum = 0;
      int64_t count = 0;
      for (int64_t y = part_y * height / parts_down; y * parts_down < (part_y + 1) * height; ++y) {
        for (int64_t x = part_x * width / parts_across; x * parts_across < (part_x + 1) * width; ++x) {
          sum += first[(y * width + x) * stride + i % channels];
          ++count;
        }
      }
      expected.push_back(sum / static_cast<double>(count));
    }
    expect_near(checksum.name(), output, expected, 1e-6);
    checksum.add(output);
  }
}

void check_max_pools() {
  Checksum<float> checksum("max pools");
  for (int round = 0; round < 40; ++round) {
    const int64_t kernel = random_between(1, 4), padding = random_between(0, kernel / 2);
    const MaxPool pool{kernel, random_between(1, 3), padding};
    const int64_t height = random_between(kernel, 12), width = random_between(kernel, 12);
    const int64_t channels = random_between(1, 50);
    std::vector<float> input = random_floats(height * width * channels);
    // What is no number is found wherever it lies.
    if (round % 4 == 0) input[random_between(0, input.size() - 1)] = NAN;
    const int64_t down = pool.output_size(height), across = pool.output_size(width);
    std::vector<float> output(down * across * channels);
    max_pool(pool, input.data(), height, width, channels, output.data());
    for (int64_t i = 0; i < down * across * channels; ++i) {
      const int64_t top = i / channels / across * pool.stride - padding;
      const int64_t left = i / channels % across * pool.stride - padding;
      float most = -INFINITY;
      for (int64_t y = std::max<int64_t>(top, 0); y < std::min(top + kernel, height); ++y) {
        for (int64_t x = std::max<int64_t>(left, 0); x < std::min(left + kernel, width); ++x) {
          const float value = input[(y * width + x) * channels + i % channels];
          if (value > most || std::isnan(value)) most = value;
        }
      }
      const bool is_same = output[i] == most || (std::isnan(output[i]) && std::isnan(most));
      expect(is_same, checksum.name(), output[i], most);
    }
    checksum.add(output);
  }
}

// As the three layers, one after the other.
void check_bottlenecks() {
  Checksum<float> checksum("bottlenecks");
  for (int round = 0; round < 40; ++round) {
    const int64_t inputs = random_between(1, 20), outputs = random_between(1, 40);
    // Now and then so many that a strip is a row.
    const int64_t hidden = round % 8 == 0 ? 4000 : random_between(8, 200);
    const int64_t kernel = 2 * random_between(1, 2) + 1, stride = random_between(1, 2);
    const Convolution convolutions[] = {
        {inputs, hidden, 1, 1, 0, 1},
        {hidden, hidden, kernel, stride, random_between(0, kernel - 1), hidden, random_between(1, 2)},
        {hidden, outputs, 1, 1, 0, 1}};
    const int64_t height = random_between(convolutions[1].extent(), 30);
    const int64_t width = random_between(convolutions[1].extent(), 30);
    // Now and then without the filter, or with something to add to the first.
    const bool is_filtered = random_between(0, 3) > 0, is_sum = random_between(0, 1);
    const int64_t out_height = is_filtered ? convolutions[1].output_size(height) : height;
    const int64_t out_width = is_filtered ? convolutions[1].output_size(width) : width;
    const auto residual = random_floats(out_height * out_width * outputs);
    const auto map = random_floats(height * width * hidden);
    std::vector<std::vector<float>> kept;
    std::vector<Layer> layers;
    for (const Convolution& c : convolutions) {
      const Method method = m2fp::method(c, Precision::float32);
      const auto weights = random_floats(c.outputs * c.inputs / c.groups * c.taps());
      const int64_t strides[] = {c.inputs / c.groups * c.taps(), c.taps(), c.kernel, 1};
      kept.emplace_back(packed_size(c, method));
      const PackedWeights packed{kept.back().data(), nullptr};
      pack_weights(c, method, weights.data(), strides, packed);
      kept.push_back(random_floats(panels(c.outputs) * kColumns));
      layers.push_back(
          {c, method, packed, {kept.back().data(), nullptr, static_cast<Activation>(random_between(0, 5))}});
    }
    if (random_between(0, 1)) layers[2].epilogue.residual = residual.data();
    Bottleneck bottleneck{layers[0], {}, {}, layers[2]};
    if (is_filtered) bottleneck.depthwise = layers[1];
    if (is_sum) {
      bottleneck.residual =
          MapSum({{map.data(), height, width, Resizing::none}}, height, width, hidden);
    }
    expect(bottleneck.is_sound(), checksum.name(), 0, 1);
    const auto input = random_floats(height * width * inputs);
    std::vector<float> output(out_height * out_width * outputs);
    run_bottleneck(bottleneck, input.data(), height, width, output.data());
    std::vector<float> wide(height * width * hidden), filtered(out_height * out_width * hidden), expected(output);
    const auto run = [](const Layer& l, const std::vector<float>& from, int64_t h, int64_t w, std::vector<float>& to) {
      convolve(l.convolution, l.method, from.data(), h, w, l.packed, l.epilogue, to.data());
    };
    if (is_sum) layers[0].epilogue.residual = map.data();
    run(layers[0], input, height, width, wide);
    if (is_filtered) run(layers[1], wide, height, width, filtered);
    run(layers[2], is_filtered ? filtered : wide, out_height, out_width, expected);
    for (size_t i = 0; i < output.size(); ++i) {
      expect(output[i] == expected[i], checksum.name(), output[i], expected[i]);
    }
    checksum.add(output);
  }
}

void check_attention() {
  Checksum<float> checksum("attention");
  for (int round = 0; round < 40; ++round) {
    const int64_t queries = random_between(1, 70), keys = random_between(1, 150);
    const int64_t dim = random_between(1, 40), value_dim = random_between(1, 40);
    const int64_t stride = std::max(dim, value_dim) + random_between(0, 9);
    const auto activation = static_cast<Activation>(random_between(0, 5));
    const auto q = random_floats(queries * stride), k = random_floats(keys * stride);
    const auto v = random_floats(keys * stride);
    std::vector<uint8_t> blocked(queries * keys);
    // One key at least is left.
    for (int64_t i = 0; i < queries * keys; ++i) blocked[i] = i % keys != 0 && random_between(0, 3) == 0;
    const bool is_masked = random_between(0, 1);
    std::vector<float> output(queries * stride);
    attend({{q.data(), stride}, {k.data(), stride}, {v.data(), stride}, queries, keys, dim, value_dim,
            is_masked ? reinterpret_cast<const bool*>(blocked.data()) : nullptr, output.data(), stride,
            activation});
    std::vector<double> expected(queries * stride);
    for (int64_t i = 0; i < queries; ++i) {
      double total = 0;
      for (int64_t j = 0; j < keys; ++j) {
        if (is_masked && blocked[i * keys + j]) continue;
        double score = 0;
        for (int64_t d = 0; d < dim; ++d) score += static_cast<double>(q[i * stride + d]) * k[j * stride + d];
        const double weight = std::exp(score);
        total += weight;
        for (int64_t d = 0; d < value_dim; ++d) expected[i * stride + d] += weight * v[j * stride + d];
      }
      for (int64_t d = 0; d < value_dim; ++d) {
        expected[i * stride + d] = activated(expected[i * stride + d] / total, activation);
      }
    }
    expect_near(checksum.name(), output, expected, 1e-5);
    checksum.add(output);
  }
}

// Either of a pair may be the one that is packed, and the other's rows may be columns.
void check_pairs() {
  Checksum<float> checksum("pairs");
  for (int round = 0; round < 60; ++round) {
    const int64_t rows = random_between(1, round % 2 ? 130 : 30), depth = random_between(1, 300);
    const int64_t columns = random_between(1, 250);
    const int64_t a_step = depth + random_between(0, 9);
    const bool lies_in_columns = random_between(0, 1);
    const int64_t b_step = (lies_in_columns ? depth : columns) + random_between(0, 9);
    const auto a = random_floats(rows * a_step);
    const auto b = random_floats((lies_in_columns ? columns : depth) * b_step);
    const auto bias = random_floats(columns);
    const bool has_bias = random_between(0, 1);
    const Matrix left{a.data(), rows, depth, a_step, 1};
    const Matrix right{b.data(), depth, columns, lies_in_columns ? 1 : b_step, lies_in_columns ? b_step : 1};
    std::vector<float> output(rows * columns);
    multiply_pair(left, right, has_bias ? bias.data() : nullptr, output.data());
    std::vector<double> expected;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        double sum = has_bias ? bias[c] : 0;
        for (int64_t k = 0; k < depth; ++k) {
          sum += static_cast<double>(a[r * a_step + k]) * b[k * right.row_step + c * right.column_step];
        }
        expected.push_back(sum);
      }
    }
    expect_near(checksum.name(), output, expected, 1e-5);
    checksum.add(output);
  }
}

// Values far from zero, whose squares would leave nothing of their variance.
void check_normalisation() {
  Checksum<float> rows_checksum("layer normalisation"), groups_checksum("group normalisation");
  for (int round = 0; round < 40; ++round) {
    const int64_t members = random_between(1, 12), groups = 8 * random_between(1, 8), channels = members * groups;
    const int64_t pixels = random_between(1, 300);
    auto input = random_floats(pixels * channels);
    const float offset = 300 * random_float();
    for (float& value : input) value += offset;
    const auto weight = random_floats(channels), bias = random_floats(channels);
    const auto activation = static_cast<Activation>(random_between(0, 5));
    const Affine affine{weight.data(), bias.data(), channels, 1e-5};
    const bool has_weights = random_between(0, 1);
    std::vector<float> output(input.size());
    // Of a number of values, at(i), what one of them becomes; without weights where `c` is -1.
    const auto normalised = [&](int64_t count, auto at, double value, int64_t c) {
      double mean = 0, variance = 0;
      for (int64_t i = 0; i < count; ++i) mean += static_cast<double>(at(i)) / count;
      for (int64_t i = 0; i < count; ++i) variance += (at(i) - mean) * (at(i) - mean) / count;
      return (value - mean) / std::sqrt(variance + affine.epsilon) * (c < 0 ? 1 : weight[c]) + (c < 0 ? 0 : bias[c]);
    };
    std::vector<double> expected;
    for (int64_t i = 0; i < pixels * channels; ++i) {
      const float* const row = input.data() + i / channels * channels;
      const int64_t c = has_weights ? i % channels : -1;
      expected.push_back(normalised(channels, [&](int64_t j) { return row[j]; }, input[i], c));
    }
    const Affine plain{nullptr, nullptr, channels, affine.epsilon};
    normalise_rows(input.data(), pixels, has_weights ? affine : plain, output.data());
    expect_near(rows_checksum.name(), output, expected, 2e-3);
    rows_checksum.add(output);

    std::vector<float> grouped(input.size());
    const auto residual = random_floats(pixels * channels);
    const bool has_residual = random_between(0, 1);
    normalise_groups(
        input.data(), pixels, groups, affine, has_residual ? residual.data() : nullptr, activation,
        grouped.data());
    std::vector<float> in_place = input;
    normalise_groups(
        in_place.data(), pixels, groups, affine, has_residual ? residual.data() : nullptr, activation,
        in_place.data());
    expect(in_place == grouped, "normalised in place", 0, 0);
    // The first pixels are enough.
    expected.resize(std::min<int64_t>(pixels, 4) * channels);
    for (size_t i = 0; i < expected.size(); ++i) {
      const int64_t c = i % channels, first = c / members * members;
      const auto at = [&](int64_t j) { return input[j / members * channels + first + j % members]; };
      const double value = normalised(pixels * members, at, input[i], c);
      expected[i] = activated(value + (has_residual ? residual[i] : 0), activation);
    }
    groups_checksum.add(grouped);
    grouped.resize(expected.size());
    expect_near(groups_checksum.name(), grouped, expected, 2e-3);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 64;
  std::fprintf(stderr, "%s\n", instruction_set_name());
  omp_set_num_threads(2);
  check_convolutions();
  check_bottlenecks();
  check_sums();
  check_channel_weights();
  check_max_pools();
  check_attention();
  check_pairs();
  check_normalisation();
  check_integer_tiles(std::atoll(arguments[1]));
}
