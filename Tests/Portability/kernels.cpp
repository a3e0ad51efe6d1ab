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
#include "kernels/convolution.h"
#include "kernels/instruction_set.h"
#include "kernels/int16_product.h"
#include "kernels/matrix_pair.h"
#include "kernels/matrix_product.h"
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
  if (activation != Activation::none) x = std::fmax(x, 0);
  return activation == Activation::relu6 ? std::fmin(x, 6) : x;
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
          const int64_t at_y = y * c.stride - c.padding + tap / c.kernel;
          const int64_t at_x = x * c.stride - c.padding + tap % c.kernel;
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
  const int64_t height = random_between(c.kernel, 20), width = random_between(c.kernel, 20);
  const int64_t pixels = c.output_size(height) * c.output_size(width);
  const auto input = random_floats(height * width * c.inputs);
  const auto weights = random_floats(c.outputs * c.inputs / c.groups * c.taps());
  auto bias = random_floats(panels(c.outputs) * kColumns);
  const auto residual = random_floats(pixels * c.outputs);
  Epilogue epilogue;
  if (random_between(0, 1)) epilogue.bias = bias.data();
  // Depthwise convolutions take none.
  if (random_between(0, 1) && c.groups == 1) epilogue.residual = residual.data();
  epilogue.activation = static_cast<Activation>(random_between(0, 2));

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
}

void check_convolutions() {
  constexpr int kRounds = 60;
  {
    Checksum<float> checksum("products");
    for (int round = 0; round < kRounds; ++round) {
      const int64_t kernel = random_between(1, 4), stride = random_between(1, 2);
      const Convolution c{
          random_between(1, 31) * (kernel == 1 ? 23 : 1), random_between(1, 140), kernel, stride,
          random_between(0, kernel - 1), 1};
      check_convolution(c, Precision::float32, Method::product, 1e-5, checksum);
    }
  }
  {
    Checksum<float> checksum("Winograd's");
    for (int round = 0; round < kRounds / 4; ++round) {
      const Convolution c{8 * random_between(4, 20), 8 * random_between(4, 20), 3, 1, 1, 1};
      check_convolution(c, Precision::float32, Method::winograd, 5e-4, checksum);
    }
  }
  {
    Checksum<float> checksum("depthwise");
    for (int round = 0; round < kRounds; ++round) {
      const int64_t channels = 8 * random_between(1, 12), kernel = random_between(2, 5);
      const Convolution c{
          channels, channels, kernel, random_between(1, 3), random_between(0, kernel - 1), channels};
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

void check_attention() {
  Checksum<float> checksum("attention");
  for (int round = 0; round < 40; ++round) {
    const int64_t queries = random_between(1, 70), keys = random_between(1, 150);
    const int64_t dim = random_between(1, 40), stride = dim + random_between(0, 9);
    const auto q = random_floats(queries * stride), k = random_floats(keys * stride);
    const auto v = random_floats(keys * stride);
    std::vector<uint8_t> blocked(queries * keys);
    // One key at least is left.
    for (int64_t i = 0; i < queries * keys; ++i) blocked[i] = i % keys != 0 && random_between(0, 3) == 0;
    const bool is_masked = random_between(0, 1);
    std::vector<float> output(queries * stride);
    attend({{q.data(), stride}, {k.data(), stride}, {v.data(), stride}, queries, keys, dim,
            is_masked ? reinterpret_cast<const bool*>(blocked.data()) : nullptr, output.data(), stride});
    std::vector<double> expected(queries * stride);
    for (int64_t i = 0; i < queries; ++i) {
      double total = 0;
      for (int64_t j = 0; j < keys; ++j) {
        if (is_masked && blocked[i * keys + j]) continue;
        double score = 0;
        for (int64_t d = 0; d < dim; ++d) score += static_cast<double>(q[i * stride + d]) * k[j * stride + d];
        const double weight = std::exp(score);
        total += weight;
        for (int64_t d = 0; d < dim; ++d) expected[i * stride + d] += weight * v[j * stride + d];
      }
      for (int64_t d = 0; d < dim; ++d) expected[i * stride + d] /= total;
    }
    expect_near(checksum.name(), output, expected, 1e-5);
    checksum.add(output);
  }
}

// Either of a pair may be the one that is packed, and the other's rows may be columns.
void check_pairs() {
  Checksum<float> checksum("pairs");
  for (int round = 0; round < 60; ++round) {
    const int64_t rows = random_between(1, 130), depth = random_between(1, 300), columns = random_between(1, 250);
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
    const auto activation = static_cast<Activation>(random_between(0, 2));
    const Affine affine{weight.data(), bias.data(), channels, 1e-5};
    std::vector<float> output(input.size());
    // Of a number of values, at(i), what one of them becomes.
    const auto normalised = [&](int64_t count, auto at, double value, int64_t c) {
      double mean = 0, variance = 0;
      for (int64_t i = 0; i < count; ++i) mean += static_cast<double>(at(i)) / count;
      for (int64_t i = 0; i < count; ++i) variance += (at(i) - mean) * (at(i) - mean) / count;
      return (value - mean) / std::sqrt(variance + affine.epsilon) * weight[c] + bias[c];
    };
    std::vector<double> expected;
    for (int64_t i = 0; i < pixels * channels; ++i) {
      const float* const row = input.data() + i / channels * channels;
      expected.push_back(normalised(channels, [&](int64_t j) { return row[j]; }, input[i], i % channels));
    }
    normalise_rows(input.data(), pixels, affine, output.data());
    expect_near(rows_checksum.name(), output, expected, 2e-3);
    rows_checksum.add(output);

    std::vector<float> grouped(input.size());
    const auto residual = random_floats(pixels * channels);
    const bool has_residual = random_between(0, 1);
    normalise_groups(
        input.data(), pixels, groups, affine, has_residual ? residual.data() : nullptr, activation,
        grouped.data());
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
  check_attention();
  check_pairs();
  check_normalisation();
  check_integer_tiles(std::atoll(arguments[1]));
}
