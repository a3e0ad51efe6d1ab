#include "fuse_operators.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/map_sum.h"

namespace m2fp {
namespace {

using torch::jit::Node;
using torch::jit::Symbol;
using torch::jit::Value;

const Symbol kConvolution = Symbol::fromQualString("m2fp::convolution");
const Symbol kLinear = Symbol::fromQualString("m2fp::linear");
const Symbol kNormalisedLinear = Symbol::fromQualString("m2fp::normalised_linear");
const Symbol kChannelsLast = Symbol::fromQualString("m2fp::channels_last");
const Symbol kAttention = Symbol::fromQualString("m2fp::attention");
const Symbol kBlocked = Symbol::fromQualString("m2fp::blocked");
const Symbol kBottleneck = Symbol::fromQualString("m2fp::bottleneck");
const Symbol kAverage = Symbol::fromQualString("m2fp::average");
const Symbol kMaxPool = Symbol::fromQualString("m2fp::max_pool");
const Symbol kLayerNorm = Symbol::fromQualString("m2fp::layer_norm");
const Symbol kGroupNorm = Symbol::fromQualString("m2fp::group_norm");
const Symbol kWeigh = Symbol::fromQualString("m2fp::weigh");
const Symbol kShuffle = Symbol::fromQualString("m2fp::shuffle");
const Symbol kMatmul = Symbol::fromQualString("m2fp::matmul");
const Symbol kLinearOf = Symbol::fromQualString("m2fp::linear_of");
const Symbol kMapSum = Symbol::fromQualString("m2fp::map_sum");
// Of the first two: input, weights, scales, bias, residual, shape or outputs, activation. The activation is
// the last argument of all that have one.
constexpr size_t kResidual = 4;
constexpr size_t kShape = 5;
// Of a group norm: input, weight, bias, groups, epsilon, residual, activation.
constexpr size_t kResidualOfNorm = 5;

// Whether `node` is the operator of this name and overload: others of the name take other arguments.
bool is(const Node* node, Symbol kind, const char* overload = "") {
  if (node->kind() != kind) return false;
  const c10::FunctionSchema* const schema = node->maybeSchema();
  return schema && schema->overload_name() == overload;
}

// How long what nodes read stays as it was read.
//
// A fused operator runs where the last of its parts stood, and reads there what the others had read
// before it: the same, unless something was written in place in between. That is asked of the graph
// as it was loaded; values are replaced later, nodes stand for what they read.
class Reads {
 public:
  static constexpr int64_t kForever = INT64_MAX;

  explicit Reads(const std::shared_ptr<torch::jit::Graph>& graph) { look_at(graph, graph->block()); }

  // Whether what `node` reads as its input of this number is still the same where `later` stands. The
  // sooner one may be an operator of ours.
  bool last(const Node* node, size_t input, const Node* later) const {
    if (node->owningBlock() != later->owningBlock()) return false;
    return until(node, input) > place(later);
  }

  // `ours` comes to stand where `node` does, and reads what that one does, besides what it read before.
  void put(const Node* ours, const Node* node) {
    int64_t until = kForever;
    if (const auto before = ours_.find(ours); before != ours_.end()) until = before->second.until;
    for (size_t input = 0; input < node->inputs().size(); ++input) {
      until = std::min(until, this->until(node, input));
    }
    ours_[ours] = {place(node), until};
  }

  // It reads what `node` did before as its input of this number, too.
  void absorb(const Node* ours, const Node* node, size_t input) {
    int64_t& until = ours_.at(ours).until;
    until = std::min(until, this->until(node, input));
  }

  // It is no more: another node may come to have its address.
  void forget(const Node* node) {
    ours_.erase(node);
    places_.erase(node);
  }

 private:
  struct Place {
    // In its block.
    int64_t place;
    // For each input, where it is next written to. Empty: nowhere.
    std::vector<int64_t> until;
  };

  // Of an operator of ours, one for all that it reads.
  struct OurPlace {
    int64_t place;
    int64_t until;
  };

  std::unordered_map<const Node*, Place> places_;
  std::unordered_map<const Node*, OurPlace> ours_;
  // Costs as much as all the rest: made when something writes at all.
  std::unique_ptr<torch::jit::AliasDb> aliases_;

  int64_t until(const Node* node, size_t input) const {
    if (const auto ours = ours_.find(node); ours != ours_.end()) return ours->second.until;
    const std::vector<int64_t>& until = places_.at(node).until;
    return until.empty() ? kForever : until[input];
  }

  int64_t place(const Node* node) const {
    const auto ours = ours_.find(node);
    return ours != ours_.end() ? ours->second.place : places_.at(node).place;
  }

  static bool may_write(const Node* node) {
    const c10::FunctionSchema* const schema = node->maybeSchema();
    return (schema && schema->is_mutable()) || node->hasSideEffects() || !node->blocks().empty();
  }

  void look_at(const std::shared_ptr<torch::jit::Graph>& graph, torch::jit::Block* block) {
    std::vector<Node*> writers;
    int64_t place = 0;
    for (Node* node : block->nodes()) {
      places_[node] = {place++, {}};
      if (may_write(node)) writers.push_back(node);
      for (torch::jit::Block* inner : node->blocks()) look_at(graph, inner);
    }
    if (writers.empty()) return;
    if (!aliases_) aliases_ = std::make_unique<torch::jit::AliasDb>(graph);
    for (Node* node : block->nodes()) {
      Place& here = places_.at(node);
      for (const Value* input : node->inputs()) {
        const auto writer = std::find_if(writers.begin(), writers.end(), [&](Node* writer) {
          return places_.at(writer).place > here.place && aliases_->writesToAlias(writer, {input});
        });
        here.until.push_back(writer == writers.end() ? kForever : places_.at(*writer).place);
      }
    }
  }
};

// The constant float tensor that `value` is, in single precision; undefined if it is none.
at::Tensor constant_tensor(Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isTensor()) return {};
  const at::Tensor tensor = constant->toTensor();
  const bool is_float = tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kHalf;
  return is_float && tensor.device().is_cpu() ? tensor.to(at::kFloat) : at::Tensor();
}

bool is_constant(const Value* value, int64_t expected) {
  const auto constant = torch::jit::toIValue(value);
  return constant && constant->isInt() && constant->toInt() == expected;
}

bool is_none(Value* value) {
  const auto constant = torch::jit::toIValue(value);
  return constant && constant->isNone();
}

// A constant list of integers; empty if it is none. Archives spell lists as nodes.
std::vector<int64_t> integers(Value* value) {
  std::vector<int64_t> list;
  if (value->node()->kind() == torch::jit::prim::ListConstruct) {
    for (Value* input : value->node()->inputs()) {
      const auto element = torch::jit::constant_as<int64_t>(input);
      if (!element) return {};
      list.push_back(*element);
    }
  } else if (const auto constant = torch::jit::toIValue(value); constant && constant->isIntList()) {
    list = constant->toIntVector();
  }
  return list;
}

// A constant list of integers that are all the same; -1 if it is none.
int64_t uniform(Value* value) {
  const std::vector<int64_t> list = integers(value);
  for (const int64_t element : list) {
    if (element != list[0]) return -1;
  }
  return list.empty() ? -1 : list[0];
}

at::Tensor padded_bias(const at::Tensor& bias, int64_t outputs) {
  at::Tensor padded = at::zeros({panels(outputs) * kColumns}, at::kFloat);
  padded.slice(0, 0, outputs).copy_(bias);
  return padded;
}

// What comes before one of our operators: what it reads besides, sooner, as inputs of these numbers.
using Sooner = std::vector<std::pair<const Node*, size_t>>;

// Puts an operator of ours where `node` stands.
void replace(
    Reads& reads, Node* node, Symbol kind, at::ArrayRef<Value*> inputs, const Sooner& sooner = {}) {
  Node* const ours = node->owningGraph()->create(kind, inputs)->insertBefore(node);
  reads.put(ours, node);
  for (const auto& [earlier, input] : sooner) reads.absorb(ours, earlier, input);
  node->output()->replaceAllUsesWith(ours->output());
  reads.forget(node);
  node->destroy();
}

// Puts one of our operators in the place of `node`, and drops its weights if nothing else uses them.
void replace(
    Reads& reads, Node* node, Symbol kind, const Convolution& convolution, Precision precision,
    const at::Tensor& weights, const at::Tensor& bias) {
  torch::jit::Graph& graph = *node->owningGraph();
  const torch::jit::WithInsertPoint here(node);
  const Method method = m2fp::method(convolution, precision);
  const bool in_integers = method == Method::int16_product;
  const at::Tensor packed =
      at::empty({packed_size(convolution, method)}, in_integers ? at::kShort : at::kFloat);
  const at::Tensor scales =
      in_integers ? at::empty({panels(convolution.outputs) * kColumns}, at::kFloat) : at::Tensor();
  const int64_t strides[4] = {
      weights.stride(0), weights.stride(1), weights.dim() == 4 ? weights.stride(2) : 0,
      weights.dim() == 4 ? weights.stride(3) : 0};
  pack_weights(
      convolution, method, weights.data_ptr<float>(), strides,
      {packed.data_ptr(), in_integers ? scales.data_ptr<float>() : nullptr});
  Value* const none = graph.insertConstant(c10::IValue());
  Value* const sizes =
      kind == kLinear
          ? graph.insertConstant(convolution.outputs)
          : graph.insertConstant(std::vector<int64_t>{
                convolution.inputs, convolution.outputs, convolution.kernel, convolution.stride,
                convolution.padding, convolution.groups, convolution.dilation});
  Value* const old = node->input(1);
  replace(
      reads, node, kind,
      {node->input(0), graph.insertConstant(packed),
       in_integers ? graph.insertConstant(scales) : none,
       bias.defined() ? graph.insertConstant(padded_bias(bias, convolution.outputs)) : none, none,
       sizes, graph.insertConstant(static_cast<int64_t>(Activation::none))});
  if (old->hasUses()) return;
  reads.forget(old->node());
  old->node()->destroy();
}

// aten::_convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding,
// groups, …), of images.
void replace_convolution(Reads& reads, Node* node, Precision precision) {
  const at::Tensor weights = constant_tensor(node->input(1));
  const at::Tensor bias = constant_tensor(node->input(2));
  const auto transposed = torch::jit::constant_as<bool>(node->input(6));
  const auto groups = torch::jit::constant_as<int64_t>(node->input(8));
  if (!weights.defined() || weights.dim() != 4 || weights.size(2) != weights.size(3) ||
      (!bias.defined() && !is_none(node->input(2))) || !transposed || *transposed || !groups ||
      *groups < 1) {
    return;
  }
  const Convolution convolution{
      weights.size(1) * *groups, weights.size(0),         weights.size(2),
      uniform(node->input(3)),   uniform(node->input(4)), *groups,
      uniform(node->input(5))};
  const bool is_sound = convolution.inputs > 0 && convolution.outputs > 0 &&
                        convolution.kernel > 0 && convolution.stride > 0 &&
                        convolution.dilation > 0 && convolution.padding >= 0 &&
                        convolution.padding < convolution.extent() &&
                        (!bias.defined() || bias.sizes() == at::IntArrayRef({weights.size(0)}));
  if (!is_sound || method(convolution, precision) == Method::none) return;
  replace(reads, node, kConvolution, convolution, precision, weights, bias);
}

// aten::linear(input, weight, bias)
void replace_linear(Reads& reads, Node* node, Precision precision) {
  const at::Tensor weights = constant_tensor(node->input(1));
  const at::Tensor bias = constant_tensor(node->input(2));
  if (!weights.defined() || weights.dim() != 2 || weights.numel() == 0 ||
      (!bias.defined() && !is_none(node->input(2))) ||
      (bias.defined() && bias.sizes() != at::IntArrayRef({weights.size(0)}))) {
    replace(reads, node, kLinearOf, node->inputs());
    return;
  }
  const Convolution convolution{weights.size(1), weights.size(0), 1, 1, 0, 1};
  replace(reads, node, kLinear, convolution, precision, weights, bias);
}

// The constants that a layer's weight and bias are, one value a channel; empty if they are none.
std::vector<Value*> affine_constants(Node* node, size_t weight_input) {
  const at::Tensor weight = constant_tensor(node->input(weight_input));
  const at::Tensor bias = constant_tensor(node->input(weight_input + 1));
  if (!weight.defined() || !bias.defined() || weight.dim() != 1 || weight.numel() == 0 ||
      weight.sizes() != bias.sizes()) {
    return {};
  }
  torch::jit::Graph& graph = *node->owningGraph();
  const torch::jit::WithInsertPoint here(node);
  return {graph.insertConstant(weight.contiguous()), graph.insertConstant(bias.contiguous())};
}

// aten::layer_norm(input, normalized_shape, weight, bias, eps, cudnn_enable), where weight and bias may both
// be missing.
void replace_layer_norm(Reads& reads, Node* node) {
  const std::vector<int64_t> shape = integers(node->input(1));
  if (shape.size() != 1 || !torch::jit::constant_as<double>(node->input(4))) return;
  const bool is_plain = is_none(node->input(2)) && is_none(node->input(3));
  const std::vector<Value*> affine =
      is_plain ? std::vector<Value*>{node->input(2), node->input(3)} : affine_constants(node, 2);
  if (affine.empty()) return;
  if (!is_plain && torch::jit::toIValue(affine[0])->toTensor().numel() != shape[0]) return;
  const torch::jit::WithInsertPoint here(node);
  Value* const channels = node->owningGraph()->insertConstant(shape[0]);
  replace(reads, node, kLayerNorm, {node->input(0), channels, affine[0], affine[1], node->input(4)});
}

// aten::group_norm(input, num_groups, weight, bias, eps, cudnn_enabled)
void replace_group_norm(Reads& reads, Node* node) {
  const std::vector<Value*> affine = affine_constants(node, 2);
  if (affine.empty() || !torch::jit::constant_as<int64_t>(node->input(1)) ||
      !torch::jit::constant_as<double>(node->input(4))) {
    return;
  }
  // Whoever asks for the size of what comes out need not wait for it.
  const torch::jit::use_list uses = node->output()->uses();
  for (const torch::jit::Use& use : uses) {
    if (is(use.user, torch::jit::aten::size, "int")) use.user->replaceInput(0, node->input(0));
  }
  const torch::jit::WithInsertPoint here(node);
  torch::jit::Graph& graph = *node->owningGraph();
  Value* const no_residual = graph.insertConstant(c10::IValue());
  Value* const activation = graph.insertConstant(static_cast<int64_t>(Activation::none));
  replace(
      reads, node, kGroupNorm,
      {node->input(0), affine[0], affine[1], node->input(1), node->input(4), no_residual, activation});
}

// Whether `value` comes from one of our operators that can still take something in: nothing else uses it, and
// there is no activation yet.
bool is_open(Value* value) {
  const Node* const node = value->node();
  const auto kinds = {kConvolution, kLinear, kGroupNorm, kMapSum, kAttention};
  const bool is_ours = std::find(kinds.begin(), kinds.end(), node->kind()) != kinds.end();
  return is_ours && value->uses().size() == 1 &&
         is_constant(node->inputs().back(), static_cast<int64_t>(Activation::none));
}

// Which input of its operator is added, if `value` comes from one that can still take a residual; 0 otherwise.
size_t open_residual(Value* value) {
  Node* const node = value->node();
  if (!is_open(value)) return 0;
  const bool is_norm = node->kind() == kGroupNorm;
  if (!is_norm && node->kind() != kConvolution && node->kind() != kLinear) return 0;
  const bool is_depthwise =
      node->kind() == kConvolution && torch::jit::toIValue(node->input(kShape))->toIntVector()[5] > 1;
  const size_t residual = is_norm ? kResidualOfNorm : kResidual;
  return is_none(node->input(residual)) && !is_depthwise ? residual : 0;
}

// Gives `value`'s operator `argument` and puts it where `node` was.
void absorb(Reads& reads, Node* node, Value* value, size_t argument, Value* input) {
  value->node()->replaceInput(argument, input);
  reads.put(value->node(), node);
  reads.forget(node);
  value->node()->moveBefore(node);
  node->output()->replaceAllUsesWith(value);
  node->destroy();
}

void absorb_addition(Reads& reads, Node* node) {
  if (!is_constant(node->input(2), 1)) return;
  for (const size_t index : {size_t{0}, size_t{1}}) {
    Value* const sum = node->input(index);
    const size_t residual = open_residual(sum);
    if (residual != 0 && reads.last(sum->node(), 0, node)) {
      return absorb(reads, node, sum, residual, node->input(1 - index));
    }
  }
}

// The activation that `node` is, of those that our operators know.
c10::optional<Activation> activation(const Node* node) {
  namespace aten = torch::jit::aten;
  if (is(node, aten::relu)) return Activation::relu;
  if (is(node, aten::relu6)) return Activation::relu6;
  if (is(node, aten::sigmoid)) return Activation::sigmoid;
  if (is(node, aten::leaky_relu)) {
    const auto slope = torch::jit::toIValue(node->input(1));
    const bool is_ours =
        slope && slope->isScalar() && slope->toScalar().to<float>() == kLeakySlope;
    if (is_ours) return Activation::leaky_relu;
  }
  if (is(node, aten::gelu)) {
    // Of two forms this is the exact one, and was the only one.
    const auto form = torch::jit::constant_as<std::string>(node->inputs().back());
    if (node->inputs().size() == 1 || (form && *form == "none")) return Activation::gelu;
  }
  return {};
}

void absorb_activation(Reads& reads, Node* node, Activation activation) {
  Value* const input = node->input(0);
  if (!is_open(input) || !reads.last(input->node(), 0, node)) return;
  const torch::jit::WithInsertPoint here(node);
  Value* const which = node->owningGraph()->insertConstant(static_cast<int64_t>(activation));
  absorb(reads, node, input, input->node()->inputs().size() - 1, which);
}

// The node that `value` comes from, if it is this operator and nothing else uses the value.
Node* sole_source(Value* value, Symbol kind, const char* overload = "") {
  Node* const node = value->node();
  return is(node, kind, overload) && value->uses().size() == 1 ? node : nullptr;
}

// A constant -inf, as a number or a tensor of one.
bool is_minus_infinity(Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant) return false;
  if (constant->isDouble()) return constant->toDouble() == -INFINITY;
  return constant->isTensor() && constant->toTensor().numel() == 1 &&
         constant->toTensor().item<double>() == -INFINITY;
}

// matmul(softmax(masked_fill(matmul(q, transpose(k)), unsqueeze(blocked, 1), -inf)), v), where the mask
// may be missing. Returns whether `node` is such a product.
bool replace_attention(Reads& reads, Node* node) {
  namespace aten = torch::jit::aten;
  const Node* const softmax = sole_source(node->input(0), aten::softmax, "int");
  if (!softmax || !is_constant(softmax->input(1), -1) || !is_none(softmax->input(2))) return false;
  Value* scores = softmax->input(0);
  Value* blocked = nullptr;
  const Node* fill = sole_source(scores, aten::masked_fill, "Scalar");
  if (!fill) fill = sole_source(scores, aten::masked_fill, "Tensor");
  if (fill) {
    const Node* const mask = fill->input(1)->node();
    if (!is(mask, aten::unsqueeze) || !is_constant(mask->input(1), 1) ||
        !is_minus_infinity(fill->input(2)) || !reads.last(fill, 1, node)) {
      return false;
    }
    blocked = mask->input(0);
    scores = fill->input(0);
  }
  const Node* const product = sole_source(scores, aten::matmul);
  if (!product || !reads.last(product, 0, node) || !reads.last(product, 1, node)) return false;
  const Node* const transposed = product->input(1)->node();
  if (!is(transposed, aten::transpose, "int") || !is_constant(transposed->input(1), -2) ||
      !is_constant(transposed->input(2), -1)) {
    return false;
  }
  torch::jit::Graph& graph = *node->owningGraph();
  const torch::jit::WithInsertPoint here(node);
  Sooner sooner{{product, 0}, {product, 1}};
  if (fill) sooner.emplace_back(fill, 1);
  replace(
      reads, node, kAttention,
      {product->input(0), transposed->input(0), node->input(1),
       blocked ? blocked : graph.insertConstant(c10::IValue()),
       graph.insertConstant(static_cast<int64_t>(Activation::none))},
      sooner);
  return true;
}

// and(lt(scores, 0), bitwise_not(all(lt(scores, 0), -1, keepdim)))
void replace_blocked(Reads& reads, Node* node) {
  namespace aten = torch::jit::aten;
  const Node* const below = node->input(0)->node();
  const Node* const negation = sole_source(node->input(1), aten::bitwise_not);
  const Node* const all = negation ? sole_source(negation->input(0), aten::all, "dim") : nullptr;
  if (!is(below, aten::lt, "Scalar") || !is_constant(below->input(1), 0) || !all ||
      all->input(0) != node->input(0) || !is_constant(all->input(1), -1) ||
      torch::jit::constant_as<bool>(all->input(2)) != true || !reads.last(below, 0, node)) {
    return;
  }
  replace(reads, node, kBlocked, {below->input(0)}, {{below, 0}});
}

// A summand of a sum of maps: the map itself, its size and the way to it.
struct Summand {
  Value* map;
  std::vector<Value*> size;
  Resizing resizing;
  // What resized it.
  const Node* node;
};

// What `value` is as a summand of a sum where `node` stands. An upsampling that has other uses is made
// anyway.
Summand summand(const Reads& reads, Value* value, const Node* node) {
  namespace aten = torch::jit::aten;
  const Summand plain{value, {}, Resizing::none, nullptr};
  Node* const source = value->node();
  const bool is_bilinear = source->kind() == aten::upsample_bilinear2d;
  if (!is_bilinear && source->kind() != aten::upsample_nearest2d) return plain;
  // (input, output_size, [align_corners,] scale_factors)
  if (!is(source, source->kind(), "vec") || value->uses().size() != 1 ||
      !is_none(source->inputs().back()) || !reads.last(source, 0, node)) {
    return plain;
  }
  Node* const size = source->input(1)->node();
  if (size->kind() != torch::jit::prim::ListConstruct || size->inputs().size() != 2) return plain;
  const auto is_aligned = is_bilinear ? torch::jit::constant_as<bool>(source->input(2)) : false;
  if (!is_aligned) return plain;
  Value* map = source->input(0);
  if (map->node()->kind() == kChannelsLast) map = map->node()->input(0);
  return {
      map,
      {size->inputs().begin(), size->inputs().end()},
      !is_bilinear  ? Resizing::nearest
      : *is_aligned ? Resizing::bilinear_aligned
                    : Resizing::bilinear,
      source};
}

Node* list(torch::jit::Graph& graph, const c10::TypePtr& type, const std::vector<Value*>& values) {
  return graph.insertNode(graph.createList(type, values));
}

// Makes sums of maps that are enlarged one operator, which an addition may join.
//
// Of maps that are enlarged bilinearly by their pixels' centres it takes two at least: a layer takes one in as
// its residual, and M2FP's sums stay what they were.
bool fuse_sum(Reads& reads, Node* node) {
  if (!is_constant(node->input(2), 1)) return false;
  // A layer takes a sum in.
  for (const size_t index : {size_t{0}, size_t{1}}) {
    if (node->input(index)->node()->kind() == kMapSum && open_residual(node->input(1 - index)) != 0) {
      return false;
    }
  }
  torch::jit::Graph& graph = *node->owningGraph();
  const torch::jit::WithInsertPoint here(node);
  std::vector<Value*> maps, sizes, resizings;
  Sooner sooner;
  bool is_sum = false;
  int bilinear = 0;
  for (Value* input : node->inputs().slice(0, 2)) {
    Node* const earlier = input->node();
    if (earlier->kind() == kMapSum && is_open(input) && reads.last(earlier, 0, node)) {
      is_sum = true;
      sooner.emplace_back(earlier, 0);
      for (const auto& [list, all] :
           {std::pair(0, &maps), std::pair(1, &sizes), std::pair(2, &resizings)}) {
        const auto values = earlier->input(list)->node()->inputs();
        all->insert(all->end(), values.begin(), values.end());
      }
      continue;
    }
    const Summand here = summand(reads, input, node);
    is_sum |= here.resizing == Resizing::nearest;
    is_sum |= here.resizing == Resizing::bilinear_aligned;
    bilinear += here.resizing == Resizing::bilinear;
    maps.push_back(here.map);
    if (here.node) sooner.emplace_back(here.node, 0);
    for (size_t i = 0; i < 2; ++i) {
      sizes.push_back(here.size.empty() ? graph.insertConstant(int64_t{0}) : here.size[i]);
    }
    resizings.push_back(graph.insertConstant(static_cast<int64_t>(here.resizing)));
  }
  if (!is_sum && bilinear < 2) return false;
  replace(
      reads, node, kMapSum,
      {list(graph, c10::TensorType::get(), maps)->output(),
       list(graph, c10::IntType::get(), sizes)->output(),
       list(graph, c10::IntType::get(), resizings)->output(),
       graph.insertConstant(static_cast<int64_t>(Activation::none))},
      sooner);
  return true;
}

// input * upsample_nearest2d(weights, size)
bool replace_weighing(Reads& reads, Node* node) {
  for (const size_t index : {size_t{0}, size_t{1}}) {
    const Node* const enlarged =
        sole_source(node->input(index), torch::jit::aten::upsample_nearest2d, "vec");
    if (!enlarged || !is_none(enlarged->input(2)) || is_none(enlarged->input(1)) ||
        !reads.last(enlarged, 0, node)) {
      continue;
    }
    replace(
        reads, node, kWeigh, {node->input(1 - index), enlarged->input(0), enlarged->input(1)},
        {{enlarged, 0}});
    return true;
  }
  return false;
}

// flatten(transpose(unflatten(cat([first, second], 1), 1, [2, -1]), 1, 2), 1, 2), where the second may be
// a product.
void replace_shuffle(Reads& reads, Node* node) {
  namespace aten = torch::jit::aten;
  const auto has = [](const Node* of, std::initializer_list<int64_t> values) {
    size_t index = 1;
    for (const int64_t value : values) {
      if (!is_constant(of->input(index++), value)) return false;
    }
    return true;
  };
  if (!has(node, {1, 2})) return;
  const Node* const turned = sole_source(node->input(0), aten::transpose, "int");
  if (!turned || !has(turned, {1, 2})) return;
  const Node* const halves = sole_source(turned->input(0), aten::unflatten, "int");
  if (!halves || !has(halves, {1}) || integers(halves->input(2)) != std::vector<int64_t>{2, -1}) {
    return;
  }
  const Node* const both = sole_source(halves->input(0), aten::cat);
  if (!both || !has(both, {1}) || both->input(0)->node()->kind() != torch::jit::prim::ListConstruct) {
    return;
  }
  Node* const list = both->input(0)->node();
  const auto parts = list->inputs();
  if (parts.size() != 2 || !reads.last(list, 0, node) || !reads.last(list, 1, node)) return;
  Sooner sooner{{list, 0}, {list, 1}};
  Value* second = parts[1];
  Value* weights = nullptr;
  Node* const product = sole_source(second, aten::mul, "Tensor");
  if (product && reads.last(product, 0, node) && reads.last(product, 1, node)) {
    second = product->input(0);
    weights = product->input(1);
    sooner.insert(sooner.end(), {{product, 0}, {product, 1}});
  }
  if (!weights) {
    const torch::jit::WithInsertPoint here(node);
    weights = node->owningGraph()->insertConstant(c10::IValue());
  }
  replace(reads, node, kShuffle, {parts[0], second, weights}, sooner);
}

// layer_norm(linear(…)): what the layer gives is normalised before it goes to memory.
void absorb_layer(Reads& reads, Node* norm) {
  Node* const layer = norm->input(0)->node();
  if (layer->kind() != kLinear || !is_open(norm->input(0)) || !reads.last(layer, 0, norm)) return;
  const auto outputs = torch::jit::constant_as<int64_t>(layer->input(kShape));
  if (!outputs || !is_constant(norm->input(1), *outputs)) return;
  std::vector<Value*> inputs = layer->inputs().slice(0, kShape + 1).vec();
  const auto rest = norm->inputs().slice(2);
  inputs.insert(inputs.end(), rest.begin(), rest.end());
  replace(reads, norm, kNormalisedLinear, inputs, {{layer, 0}});
}

// A convolution of ours that nothing but `value`'s user wants; null otherwise.
Node* layer_before(const Reads& reads, Value* value, const Node* user) {
  Node* const node = value->node();
  const bool is_one =
      node->kind() == kConvolution && value->uses().size() == 1 && reads.last(node, 0, user);
  return is_one ? node : nullptr;
}

// Makes one operator of a 1x1 convolution, a depthwise one and a 1x1 one, or of the outer two where the first
// is added to a sum of maps. It keeps what lies between them in the cache.
void fuse_bottleneck(Reads& reads, Node* narrow) {
  const auto shape = [](const Node* node) {
    return torch::jit::toIValue(node->input(kShape))->toIntVector();
  };
  // (inputs, outputs, kernel, stride, padding, groups, dilation)
  const auto is_pointwise = [](const std::vector<int64_t>& s) {
    return s[2] == 1 && s[3] == 1 && s[4] == 0 && s[5] == 1;
  };
  if (!is_pointwise(shape(narrow))) return;
  Node* wide = layer_before(reads, narrow->input(0), narrow);
  Node* depthwise = nullptr;
  if (wide && shape(wide)[5] > 1) {
    depthwise = wide;
    wide = layer_before(reads, depthwise->input(0), narrow);
  }
  // Where channels do not become more there is little between.
  if (!wide || !is_pointwise(shape(wide)) || shape(wide)[1] < 2 * shape(wide)[0]) return;
  Node* const sum = wide->input(kResidual)->node();
  const bool is_sum = sum->kind() == kMapSum && is_open(wide->input(kResidual)) &&
                      reads.last(sum, 0, narrow);
  if (depthwise ? !is_none(wide->input(kResidual)) : !is_sum) return;
  torch::jit::Graph& graph = *narrow->owningGraph();
  const torch::jit::WithInsertPoint here(narrow);
  Sooner sooner{{wide, 0}};
  std::vector<Value*> inputs{wide->input(0), wide->input(1), wide->input(2), wide->input(3)};
  if (is_sum) {
    sooner.emplace_back(sum, 0);
    inputs.insert(inputs.end(), {sum->input(0), sum->input(1), sum->input(2)});
  } else {
    for (const c10::TypePtr& type :
         {c10::TypePtr(c10::TensorType::get()), c10::TypePtr(c10::IntType::get()),
          c10::TypePtr(c10::IntType::get())}) {
      inputs.push_back(list(graph, type, {})->output());
    }
  }
  inputs.insert(inputs.end(), {wide->input(5), wide->input(6)});
  if (depthwise) {
    for (const size_t index : {1, 3, 5, 6}) inputs.push_back(depthwise->input(index));
  } else {
    Value* const none = graph.insertConstant(c10::IValue());
    Value* const no_shape = graph.insertConstant(std::vector<int64_t>{});
    inputs.insert(inputs.end(), {none, none, no_shape, graph.insertConstant(int64_t{0})});
  }
  for (const size_t index : {1, 2, 3, 4, 5, 6}) inputs.push_back(narrow->input(index));
  replace(reads, narrow, kBottleneck, inputs, sooner);
}

// Keeps the layout of what is upsampled: torch would change it, and back, which takes longer than the
// upsampling.
void keep_layout(Node* node) {
  torch::jit::Graph& graph = *node->owningGraph();
  const torch::jit::WithInsertPoint here(node);
  Node* const keeper = graph.create(kChannelsLast, {node->input(0)});
  graph.insertNode(keeper);
  node->replaceInput(0, keeper->output());
}

void fuse_block(Reads& reads, torch::jit::Block* block, Precision precision) {
  namespace aten = torch::jit::aten;
  std::vector<Node*> nodes(block->nodes().begin(), block->nodes().end());
  for (Node* node : nodes) {
    for (torch::jit::Block* inner : node->blocks()) fuse_block(reads, inner, precision);
  }
  // Constants may go with the nodes that use them; layers, additions and activations do not.
  const auto is_convolution = [](const Node* node) {
    return is(node, aten::_convolution) || is(node, aten::_convolution, "deprecated");
  };
  const auto is_follower = [](const Node* node) {
    return is(node, aten::add, "Tensor") || activation(node);
  };
  std::vector<Node*> layers, followers, products, norms, shuffles, masks;
  for (Node* node : nodes) {
    if (is_convolution(node) || is(node, aten::linear)) layers.push_back(node);
    if (is_follower(node)) followers.push_back(node);
    if (is(node, aten::matmul)) products.push_back(node);
    if (is(node, aten::layer_norm) || is(node, aten::group_norm)) norms.push_back(node);
    if (is(node, aten::flatten, "using_ints")) shuffles.push_back(node);
    if (is(node, aten::__and__, "Tensor")) masks.push_back(node);
    if (is(node, aten::mul, "Tensor") && replace_weighing(reads, node)) continue;
    if (is(node, aten::adaptive_avg_pool2d)) {
      replace(reads, node, kAverage, {node->input(0), node->input(1)});
      continue;
    }
    // Torch's also writes where each value was found.
    if (is(node, aten::max_pool2d)) {
      replace(reads, node, kMaxPool, node->inputs());
      continue;
    }
    if (node->kind() == aten::upsample_bilinear2d) keep_layout(node);
  }
  // What these leave unused goes at the end.
  products.erase(
      std::remove_if(
          products.begin(), products.end(),
          [&](Node* node) { return replace_attention(reads, node); }),
      products.end());
  for (Node* node : products) replace(reads, node, kMatmul, node->inputs());
  for (Node* node : shuffles) replace_shuffle(reads, node);
  for (Node* node : masks) replace_blocked(reads, node);
  for (Node* node : norms) {
    if (node->kind() == aten::layer_norm) {
      replace_layer_norm(reads, node);
    } else {
      replace_group_norm(reads, node);
    }
  }
  for (Node* node : layers) {
    if (node->kind() == aten::linear) {
      replace_linear(reads, node, precision);
    } else {
      replace_convolution(reads, node, precision);
    }
  }
  for (Node* node : followers) {
    if (node->kind() == aten::add) {
      if (!fuse_sum(reads, node)) absorb_addition(reads, node);
    } else {
      absorb_activation(reads, node, *activation(node));
    }
  }
  const std::vector<Node*> fused(block->nodes().begin(), block->nodes().end());
  for (Node* node : fused) {
    if (node->kind() == kConvolution) fuse_bottleneck(reads, node);
    if (node->kind() == kLayerNorm) absorb_layer(reads, node);
  }
}

}  // namespace

void fuse_operators(const std::shared_ptr<torch::jit::Graph>& graph, Precision precision) {
  Reads reads(graph);
  fuse_block(reads, graph->block(), precision);
  torch::jit::EliminateDeadCode(graph);
}

}  // namespace m2fp
