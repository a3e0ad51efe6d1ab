// The only file that runs torch. What may be called from which thread: m2fp_torch.h.
#include "m2fp_torch_session.h"

#include "archive_check.h"
#include "block_pool.h"
#include "fuse_operators.h"
#include "kernels/instruction_set.h"
#include "profile.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/passes/shape_analysis.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>
#include <torch/csrc/api/include/torch/version.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// libgomp's; <omp.h> comes with a compiler that has OpenMP.
extern "C" void omp_set_num_threads(int threads);

struct m2fp_model {
  torch::jit::Module module;
};

struct m2fp_session {
  // Shares its parameters with the model.
  torch::jit::Module module;
  std::vector<float> input;
  int64_t height = 0;
  int64_t width = 0;
  // What the last m2fp_output points into.
  std::vector<at::Tensor> outputs;
  std::vector<m2fp_tensor> tensors;
};

namespace {

struct UnexpectedOutput : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// As much of a text as fits. (glibc's checks of snprintf are not for C++ as clang compiles it.)
template <size_t N>
void copy_text(char (&target)[N], std::string_view text) {
  const size_t count = std::min(text.size(), N - 1);
  text.copy(target, count);
  target[count] = '\0';
}

// The first line: torch appends a C++ backtrace to some messages. What fails in an operator comes
// as the interpreter's trace, with the reason in its last "…Error: " line.
void set_error(m2fp_torch_error* error, m2fp_torch_status status, const char* message) {
  if (std::strstr(message, "TorchScript interpreter")) {
    for (const char* at = message; (at = std::strstr(at, "Error: "));) message = at += 7;
  }
  // The allocator's own message; it has no type of its own.
  const bool memory = std::strstr(message, "allocate memory") || std::strstr(message, "bad_alloc");
  error->status = memory ? M2FP_TORCH_OUT_OF_MEMORY : status;
  copy_text(error->message, {message, std::strcspn(message, "\n")});
}

// Runs `body`; turns whatever it throws into a value.
template <typename Body>
bool guarded(m2fp_torch_error* error, m2fp_torch_status otherwise, Body body) noexcept {
  error->status = M2FP_TORCH_OK;
  error->message[0] = '\0';
  try {
    body();
    return true;
  } catch (const m2fp::UntrustedArchive& e) {
    set_error(error, M2FP_TORCH_UNTRUSTED_MODEL, e.what());
  } catch (const UnexpectedOutput& e) {
    set_error(error, M2FP_TORCH_UNEXPECTED_OUTPUT, e.what());
  } catch (const c10::Error& e) {
    set_error(error, otherwise, e.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    set_error(error, M2FP_TORCH_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    set_error(error, otherwise, e.what());
  } catch (...) {
    set_error(error, otherwise, "unknown C++ exception");
  }
  return false;
}

// Process-wide settings; libtorch accepts the inter-op count only once.
void configure_process() {
  static std::once_flag once;
  std::call_once(once, [] {
    m2fp::install_block_pool();
    at::set_num_interop_threads(1);
    // The profiling executor specialises a graph for the shapes it has seen, which costs seconds
    // for every new photo size. The network gains nothing from it.
    torch::jit::getProfilingMode() = false;
    torch::jit::getExecutorMode() = false;
  });
}

// The exporter may store constants in half precision, for size alone.
void widen_half_constants(torch::jit::Block* block) {
  for (torch::jit::Node* node : block->nodes()) {
    for (torch::jit::Block* inner : node->blocks()) widen_half_constants(inner);
    if (node->kind() != torch::jit::prim::Constant) continue;
    if (!node->hasAttribute(torch::jit::attr::value)) continue;
    if (node->kindOf(torch::jit::attr::value) != torch::jit::AttributeKind::t) continue;
    const at::Tensor tensor = node->t(torch::jit::attr::value);
    if (tensor.scalar_type() != at::kHalf) continue;
    const at::Tensor wide = tensor.to(at::kFloat);
    node->t_(torch::jit::attr::value, wide);
    node->output()->inferTypeFrom(wide);
  }
}

using OpenBLASConfig = const char* (*)();
using OpenBLASParallel = int (*)();
using OpenBLASSetThreads = void (*)(int);

template <typename Function>
Function find_symbol(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

// The file, without links, of the library that an address is in; empty if it is in none.
std::string library_of(void* address) {
  Dl_info where;
  if (!address || !dladdr(address, &where) || !where.dli_fname) return "";
  char* const resolved = realpath(where.dli_fname, nullptr);
  const std::string path = resolved ? resolved : where.dli_fname;
  std::free(resolved);
  return path;
}

// OpenBLAS built on POSIX threads ignores OpenMP's counts and keeps one pool for the process.
void limit_posix_openblas(int threads) {
  const auto parallel = find_symbol<OpenBLASParallel>("openblas_get_parallel");
  const auto set_threads = find_symbol<OpenBLASSetThreads>("openblas_set_num_threads");
  constexpr int kPosixThreads = 1;
  if (parallel && set_threads && parallel() == kPosixThreads) set_threads(threads);
}

// Appends the tensors of a value, in order.
void collect_tensors(const c10::IValue& value, std::vector<at::Tensor>& tensors) {
  if (value.isTensor()) {
    tensors.push_back(value.toTensor().to(at::kFloat).contiguous());
  } else if (value.isTuple()) {
    for (const c10::IValue& element : value.toTupleRef().elements()) {
      collect_tensors(element, tensors);
    }
  } else if (value.isList()) {
    for (const c10::IValue& element : value.toListRef()) collect_tensors(element, tensors);
  } else {
    throw UnexpectedOutput("it returns a " + value.tagKind() + ", which is no tensor");
  }
}

m2fp_model* model_load(
    int file, m2fp_precision precision, bool is_trusted, m2fp_torch_error* error) {
  m2fp_model* model = nullptr;
  guarded(error, M2FP_TORCH_UNREADABLE_MODEL, [&] {
    configure_process();
    c10::InferenceMode inference;
    const auto archive = m2fp::open_archive(file);
    if (!is_trusted) m2fp::check_code(archive);
    torch::jit::Module module = torch::jit::load(archive, c10::Device(c10::kCPU));
    // Before anything computes with its constants.
    if (!is_trusted) m2fp::check_operators(module);
    module.eval();
    if (module.hasattr("training")) module = torch::jit::freeze(module);
    const auto graph = module.get_method("forward").graph();
    m2fp::fuse_operators(
        graph, precision == M2FP_PRECISION_INT16 ? m2fp::Precision::int16 : m2fp::Precision::float32);
    widen_half_constants(graph->block());
    model = new m2fp_model{std::move(module)};
    m2fp::trim_block_pool();
  });
  return model;
}

void model_destroy(m2fp_model* model) { delete model; }

m2fp_session* session_create(
    const m2fp_model* model, int32_t threads, m2fp_torch_error* error) {
  m2fp_session* session = nullptr;
  guarded(error, M2FP_TORCH_FAILED, [&] {
    // at::set_num_threads without the threads that it starts and ends for XNNPACK, which serves no
    // operator here. Once torch has set its own default for this thread, the count stays ours.
    at::get_num_threads();
    omp_set_num_threads(threads);
    limit_posix_openblas(threads);
    m2fp::keep_blocks_near();
    session = new m2fp_session{model->module, {}, 0, 0, {}, {}};
  });
  return session;
}

float* session_input(
    m2fp_session* session, int32_t height, int32_t width, m2fp_torch_error* error) {
  float* input = nullptr;
  guarded(error, M2FP_TORCH_FAILED, [&] {
    const size_t count = size_t{3} * static_cast<size_t>(height) * static_cast<size_t>(width);
    if (session->input.size() < count) session->input.resize(count);
    // Another size needs blocks of other sizes: over a folder of mixed sizes memory would creep.
    if (height != session->height || width != session->width) m2fp::trim_block_pool();
    session->height = height;
    session->width = width;
    input = session->input.data();
  });
  return input;
}

bool session_run(m2fp_session* session, m2fp_output* output, m2fp_torch_error* error) {
  return guarded(error, M2FP_TORCH_FAILED, [&] {
    c10::InferenceMode inference;
    torch::jit::GraphOptimizerEnabledGuard no_specialisation(false);
    // The last outputs are released before the run, not after it.
    session->tensors.clear();
    session->outputs.clear();
    const at::Tensor input = at::from_blob(
        session->input.data(), {1, 3, session->height, session->width}, at::kFloat);
    collect_tensors(session->module.forward({input}), session->outputs);
    for (const at::Tensor& tensor : session->outputs) {
      session->tensors.push_back(
          {tensor.data_ptr<float>(), tensor.sizes().data(), static_cast<int32_t>(tensor.dim())});
    }
    output->tensors = session->tensors.data();
    output->count = static_cast<int32_t>(session->tensors.size());
  });
}

bool session_profile(
    m2fp_session* session, m2fp_profile_sink sink, void* context, m2fp_torch_error* error) {
  m2fp_output output;
  const m2fp::Profile profile(sink, context);
  return session_run(session, &output, error);
}

void session_destroy(m2fp_session* session) { delete session; }

void describe_runtime(m2fp_runtime_info* info) {
  std::memset(info, 0, sizeof *info);
  m2fp_torch_error ignored;
  guarded(&ignored, M2FP_TORCH_FAILED, [&] {
    copy_text(info->torch_version, TORCH_VERSION);
    // "Intel(R) MKL-DNN v2.6.3 (Git Hash …)"
    const std::string onednn = at::get_mkldnn_version();
    const size_t v = onednn.find(" v");
    const size_t end = v == std::string::npos ? v : onednn.find(' ', v + 2);
    if (v != std::string::npos) {
      copy_text(info->onednn_version, onednn.substr(v + 2, end - v - 2));
    }
    const std::string config = at::show_config();
    const char* key = "CPU capability usage: ";
    const size_t at = config.find(key);
    if (at != std::string::npos) {
      const size_t from = at + std::strlen(key);
      copy_text(info->cpu_capability, config.substr(from, config.find('\n', from) - from));
    }
  });
  copy_text(info->instruction_set, m2fp::instruction_set_name());
  const std::string blas = library_of(dlsym(RTLD_DEFAULT, "sgemm_"));
  copy_text(info->blas_path, blas);
  // OpenBLAS's libblas and libopenblas share a folder; one that serves others alone lies elsewhere.
  const auto config = find_symbol<OpenBLASConfig>("openblas_get_config");
  if (config) {
    const std::string openblas = library_of(reinterpret_cast<void*>(config));
    if (blas.substr(0, blas.rfind('/')) == openblas.substr(0, openblas.rfind('/'))) {
      copy_text(info->blas_config, config());
    }
  }
}

constexpr m2fp_torch_api kAPI{
    model_load,  model_destroy,   session_create,   session_input,
    session_run, session_destroy, describe_runtime, session_profile,
};

}  // namespace

const m2fp_torch_api* m2fp_torch_get_api(size_t version) {
  return version == M2FP_TORCH_API_VERSION ? &kAPI : nullptr;
}
