#include "archive_check.h"

#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

namespace m2fp {
namespace {

class OpenFile final : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit OpenFile(int file) : file_(file) {
    struct stat status;
    if (fstat(file, &status) != 0) throw std::system_error(errno, std::generic_category());
    size_ = static_cast<size_t>(status.st_size);
  }

  size_t size() const override { return size_; }

  size_t read(uint64_t position, void* buffer, size_t count, const char*) const override {
    size_t done = 0;
    while (done < count) {
      const ssize_t got = pread(
          file_, static_cast<char*>(buffer) + done, count - done,
          static_cast<off_t>(position + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw std::system_error(errno, std::generic_category(), "cannot be read");
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

 private:
  int file_;
  size_t size_;
};

// All that Models/export.py has networks do, for each backbone, portable or not, and the tests'
// fixtures besides; sorted. None of them touches anything but its arguments.
constexpr std::string_view kOperators[] = {
    "aten::Int",
    "aten::ScalarImplicit",
    "aten::__and__",
    "aten::__getitem__",
    "aten::_convolution",
    "aten::_shape_as_tensor",
    "aten::abs",
    "aten::adaptive_avg_pool2d",
    "aten::add",
    "aten::add_",
    "aten::all",
    "aten::arange",
    "aten::avg_pool2d",
    "aten::batch_norm",
    "aten::bitwise_not",
    "aten::bmm",
    "aten::cat",
    "aten::chunk",
    "aten::clamp",
    "aten::constant_pad_nd",
    "aten::contiguous",
    "aten::conv2d",
    "aten::cos",
    "aten::detach",
    "aten::div",
    "aten::dropout",
    "aten::einsum",
    "aten::elu",
    "aten::eq",
    "aten::exp",
    "aten::expand",
    "aten::expand_as",
    "aten::flatten",
    "aten::flip",
    "aten::floor",
    "aten::floor_divide",
    "aten::gather",
    "aten::ge",
    "aten::gelu",
    "aten::grid_sampler",
    "aten::group_norm",
    "aten::gt",
    "aten::hardsigmoid",
    "aten::hardswish",
    "aten::hardswish_",
    "aten::hardtanh",
    "aten::hardtanh_",
    "aten::index",
    "aten::instance_norm",
    "aten::is_floating_point",
    "aten::layer_norm",
    "aten::le",
    "aten::leaky_relu",
    "aten::leaky_relu_",
    "aten::linear",
    "aten::log",
    "aten::log_softmax",
    "aten::logical_not",
    "aten::lt",
    "aten::masked_fill",
    "aten::matmul",
    "aten::max",
    "aten::max_pool2d",
    "aten::maximum",
    "aten::mean",
    "aten::min",
    "aten::minimum",
    "aten::mul",
    "aten::mul_",
    "aten::ne",
    "aten::neg",
    "aten::neg_",
    "aten::new_zeros",
    "aten::ones",
    "aten::ones_like",
    "aten::pad",
    "aten::permute",
    "aten::pow",
    "aten::prelu",
    "aten::relu",
    "aten::relu6",
    "aten::relu_",
    "aten::repeat",
    "aten::reshape",
    "aten::rsub",
    "aten::select",
    "aten::sigmoid",
    "aten::silu",
    "aten::sin",
    "aten::size",
    "aten::slice",
    "aten::softmax",
    "aten::split",
    "aten::split_with_sizes",
    "aten::sqrt",
    "aten::squeeze",
    "aten::stack",
    "aten::sub",
    "aten::sub_",
    "aten::sum",
    "aten::to",
    "aten::topk",
    "aten::transpose",
    "aten::type_as",
    "aten::unflatten",
    "aten::unsqueeze",
    "aten::upsample_bilinear2d",
    "aten::upsample_nearest2d",
    "aten::view",
    "aten::where",
    "aten::zeros",
    "aten::zeros_like",
    "m2fp::deformable_attention",
    "prim::Constant",
    "prim::GetAttr",
    "prim::If",
    "prim::ListConstruct",
    "prim::ListUnpack",
    "prim::NumToTensor",
    "prim::TupleConstruct",
    "prim::TupleUnpack",
};

void check(const torch::jit::Block* block) {
  for (const torch::jit::Node* node : block->nodes()) {
    const std::string_view name = node->kind().toQualString();
    if (!std::binary_search(std::begin(kOperators), std::end(kOperators), name)) {
      throw UntrustedArchive("its network calls " + std::string(name));
    }
    for (const torch::jit::Block* inner : node->blocks()) check(inner);
  }
}

bool contains(const at::DataPtr& data, size_t size, const std::string& text) {
  const char* const start = static_cast<const char*>(data.get());
  return std::search(start, start + size, text.begin(), text.end()) != start + size;
}

}  // namespace

std::shared_ptr<caffe2::serialize::ReadAdapterInterface> open_archive(int file) {
  return std::make_shared<OpenFile>(file);
}

void check_code(const std::shared_ptr<caffe2::serialize::ReadAdapterInterface>& archive) {
  // torch's own reader, so that no other file is looked at than the one that it will take.
  caffe2::serialize::PyTorchStreamReader reader(archive);
  for (const std::string& name : reader.getAllRecords()) {
    const bool is_code = name.compare(0, 5, "code/") == 0;
    const bool is_pickle = name.size() > 4 && name.compare(name.size() - 4, 4, ".pkl") == 0;
    if (!is_code && !is_pickle) continue;
    const auto [data, size] = reader.getRecord(name);
    if (is_code && contains(data, size, "__setstate__")) {
      throw UntrustedArchive("it has code that runs while it is loaded (__setstate__)");
    }
    // Objects of classes that are written in C++, which restore themselves as they please.
    if (contains(data, size, "torch.classes") || contains(data, size, "torch\nclasses")) {
      throw UntrustedArchive("it has objects that torch restores by code (torch.classes)");
    }
  }
}

void check_operators(const torch::jit::Module& module) {
  const auto graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  check(graph->block());
}

}  // namespace m2fp
