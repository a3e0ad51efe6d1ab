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

namespace m2fp {
namespace {

using torch::jit::Node;
using torch::jit::Symbol;
using torch::jit::Value;

const Symbol kConvolution = Symbol::fromQualString("m2fp::convolution");
const Symbol kLinear = Symbol::fromQualString("m2fp::linear");
const Symbol kChannelsLast = Symbol::fromQualString("m2fp::channels_last");
const Symbol kAttention = Symbol::fromQualString("m2fp::attention");
const Symbol kMatmul = Symbol::fromQualString("m2fp::matmul");
const Symbol kLinearOf = Symbol::fromQualString("m2fp::linear_of");
const Symbol kLayerNorm = Symbol::fromQualString("m2fp::layer_norm");
const Symbol kGroupNorm = Symbol::fromQualString("m2fp::group_norm");
constexpr size_t kShape = 5;  // of a convolution's inputs

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
    const auto ours = fused_.find(node);
    return (ours != fused_.end() ? ours->second : until(node, input)) > places_.at(later).place;
  }

  // `fused` reads what `node` did as its first input.
  void replace(const Node* node, const Node* fused) { fused_[fused] = until(node, 0); }

  // `fused` comes to stand where `node` does, and reads that one's input as well.
  void absorb(const Node* fused, const Node* node, size_t input) {
    fused_[fused] = std::min(fused_.at(fused), until(node, input));
  }

 private:
  struct Place {
    // In its block.
    int64_t place;
    // For each input, where it is next written to. Empty: nowhere.
    std::vector<int64_t> until;
  };

  std::unordered_map<const Node*, Place> places_;
  // Of our operators.
  std::unordered_map<const Node*, int64_t> fused_;
  // Costs as much as all the rest: made when something writes at all.
  std::unique_ptr<torch::jit::AliasDb> aliases_;

  int64_t until(const Node* node, size_t input) const {
    const std::vector<int64_t>& until = places_.at(node).until;
    return until.empty() ? kForever : until[input];
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

bool is_constant(Value* value, int64_t expected) {
  const auto constant = torch::jit::toIValue(value);
  return constant && constant->isInt() && constant->toInt() == expected;
}

bool is_none(Value* value) {
  const auto constant = torch::jit::toIValue(value);
  return constant && constant->isNone();
}

// A constant list of integers that are all the same; -1 if it is none. Archives spell lists as nodes.
int64_t uniform(Value* value) {
  std::vector<int64_t> list;
  if (value->node()->kind() == torch::jit::prim::ListConstruct) {
    for (Value* input : value->node()->inputs()) {
      const auto element = torch::jit::constant_as<int64_t>(input);
      if (!element) return -1;
      list.push_back(*element);
    }
  } else if (const auto constant = torch::jit::toIValue(value); constant && constant->isIntList()) {
    list = constant->toIntVector();
  }
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

// One of our operators, which stands before `node` and is used in its place; the node itself is left.
Node* stand_in(Node* node, Symbol kind, at::ArrayRef<Value*> inputs) {
  torch::jit::Graph& graph = *node->owningGraph();
  const torch::jit::WithInsertPoint here(node);
  Node* const ours = graph.create(kind, inputs);
  graph.insertNode(ours);
  node->output()->replaceAllUsesWith(ours->output());
  return ours;
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
                convolution.padding, convolution.groups});
  const Node* const fused = stand_in(
      node, kind,
      {node->input(0), graph.insertConstant(packed),
       in_integers ? graph.insertConstant(scales) : none,
       bias.defined() ? graph.insertConstant(padded_bias(bias, convolution.outputs)) : none, none,
       sizes, graph.insertConstant(static_cast<int64_t>(Activation::none))});
  reads.replace(node, fused);
  Value* const old = node->input(1);
  node->destroy();
  if (!old->hasUses()) old->node()->destroy();
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
      *groups < 1 || uniform(node->input(5)) != 1) {
    return;
  }
  const Convolution convolution{
      weights.size(1) * *groups, weights.size(0),         weights.size(2),
      uniform(node->input(3)),   uniform(node->input(4)), *groups};
  const bool is_sound = convolution.inputs > 0 && convolution.outputs > 0 &&
                        convolution.kernel > 0 && convolution.stride > 0 &&
                        convolution.padding >= 0 && convolution.padding < convolution.kernel &&
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
    stand_in(node, kLinearOf, node->inputs());
    node->destroy();
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

// aten::layer_norm(input, normalized_shape, weight, bias, eps, cudnn_enable)
void replace_layer_norm(Node* node) {
  const std::vector<Value*> affine = affine_constants(node, 2);
  if (affine.empty() || !torch::jit::constant_as<double>(node->input(4)) ||
      uniform(node->input(1)) != torch::jit::toIValue(affine[0])->toTensor().numel()) {
    return;
  }
  stand_in(node, kLayerNorm, {node->input(0), affine[0], affine[1], node->input(4)});
  node->destroy();
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
  const Node* const ours = stand_in(
      node, kGroupNorm,
      {node->input(0), affine[0], affine[1], node->input(1), node->input(4), no_residual, activation});
  reads.replace(node, ours);
  node->destroy();
}

// Which inputs of one of our operators are added and choose its activation.
struct Epilogue {
  size_t residual;
  size_t activation;
};

// Zeros if it has none.
Epilogue epilogue_of(const Node* node) {
  // input, weights, scales, bias, residual, shape or outputs, activation
  if (node->kind() == kConvolution || node->kind() == kLinear) return {4, 6};
  // input, weight, bias, groups, epsilon, residual, activation
  return node->kind() == kGroupNorm ? Epilogue{5, 6} : Epilogue{0, 0};
}

// Whether `value` comes from one of our operators that can still take an activation in.
bool is_open(Value* value) {
  const Node* node = value->node();
  const size_t activation = epilogue_of(node).activation;
  return activation != 0 && value->uses().size() == 1 &&
         is_constant(node->input(activation), static_cast<int64_t>(Activation::none));
}

// The same of something to add.
bool is_open_to_residual(Value* value) {
  const Node* node = value->node();
  if (!is_open(value)) return false;
  const bool is_depthwise =
      node->kind() == kConvolution && torch::jit::toIValue(node->input(kShape))->toIntVector()[5] > 1;
  return is_none(node->input(epilogue_of(node).residual)) && !is_depthwise;
}

// Gives `value`'s operator `argument` and puts it where `node` was.
void absorb(Node* node, Value* value, size_t argument, Value* input) {
  value->node()->replaceInput(argument, input);
  value->node()->moveBefore(node);
  node->output()->replaceAllUsesWith(value);
  node->destroy();
}

void absorb_addition(Reads& reads, Node* node) {
  if (!is_constant(node->input(2), 1)) return;
  for (const size_t index : {size_t{0}, size_t{1}}) {
    Value* const sum = node->input(index);
    if (is_open_to_residual(sum) && reads.last(sum->node(), 0, node)) {
      reads.absorb(sum->node(), node, 1 - index);
      return absorb(
          node, sum, epilogue_of(sum->node()).residual, node->input(1 - index));
    }
  }
}

void absorb_activation(const Reads& reads, Node* node, Activation activation) {
  Value* const input = node->input(0);
  if (!is_open(input) || !reads.last(input->node(), 0, node)) return;
  const torch::jit::WithInsertPoint here(node);
  Value* const which = node->owningGraph()->insertConstant(static_cast<int64_t>(activation));
  absorb(node, input, epilogue_of(input->node()).activation, which);
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
bool replace_attention(const Reads& reads, Node* node) {
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
  const torch::jit::WithInsertPoint here(node);
  if (!blocked) blocked = node->owningGraph()->insertConstant(c10::IValue());
  stand_in(node, kAttention, {product->input(0), transposed->input(0), node->input(1), blocked});
  node->destroy();
  return true;
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
    return is(node, aten::add, "Tensor") || is(node, aten::relu) || is(node, aten::relu6);
  };
  std::vector<Node*> layers, followers, products, norms;
  for (Node* node : nodes) {
    if (is_convolution(node) || is(node, aten::linear)) layers.push_back(node);
    if (is_follower(node)) followers.push_back(node);
    if (is(node, aten::matmul)) products.push_back(node);
    if (is(node, aten::layer_norm) || is(node, aten::group_norm)) norms.push_back(node);
    if (node->kind() == aten::upsample_bilinear2d) keep_layout(node);
  }
  // What these leave unused goes at the end.
  products.erase(
      std::remove_if(
          products.begin(), products.end(),
          [&](Node* node) { return replace_attention(reads, node); }),
      products.end());
  for (Node* node : products) {
    stand_in(node, kMatmul, node->inputs());
    node->destroy();
  }
  for (Node* node : norms) {
    if (node->kind() == aten::layer_norm) {
      replace_layer_norm(node);
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
      absorb_addition(reads, node);
    } else {
      absorb_activation(
          reads, node, node->kind() == aten::relu ? Activation::relu : Activation::relu6);
    }
  }
}

}  // namespace

void fuse_operators(const std::shared_ptr<torch::jit::Graph>& graph, Precision precision) {
  Reads reads(graph);
  fuse_block(reads, graph->block(), precision);
  torch::jit::EliminateDeadCode(graph);
}

}  // namespace m2fp
