#include "profile.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>

namespace m2fp {
namespace {

// Torch's callbacks are plain functions.
thread_local m2fp_profile_sink sink_of_thread;
thread_local void* context_of_thread;
// Operators call others, whose time is theirs already.
thread_local int depth;
// Of the operator that runs.
thread_local std::string noted;
thread_local double operations;

struct Call final : at::ObserverContext {
  double start = 0;
};

// Seconds of the calling thread.
double processor_time() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

std::string describe(const Convolution& c, Method method) {
  static constexpr const char* kMethods[] = {
      "product", "int16 product", "Winograd", "depthwise", "torch"};
  const std::string side = std::to_string(c.kernel);
  return side + "x" + side + (c.stride > 1 ? "/" + std::to_string(c.stride) : "") +
         (c.dilation > 1 ? " dilated " + std::to_string(c.dilation) : "") + " " +
         std::to_string(c.inputs) + " to " + std::to_string(c.outputs) + ", " +
         kMethods[static_cast<int>(method)];
}

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction&) {
  if (depth++ == 0) {
    noted.clear();
    operations = 0;
  }
  auto call = std::make_unique<Call>();
  call->start = processor_time();
  return call;
}

void end(const at::RecordFunction& function, at::ObserverContext* context) {
  const double now = processor_time();
  if (--depth > 0) return;
  const std::string what = function.name() + noted;
  sink_of_thread(
      context_of_thread, what.c_str(), operations, now - static_cast<Call*>(context)->start);
}

}  // namespace

Profile::Profile(m2fp_profile_sink sink, void* context) {
  sink_of_thread = sink;
  context_of_thread = context;
  depth = 0;
  handle_ = at::addThreadLocalCallback(
      at::RecordFunctionCallback(begin, end).scopes({at::RecordScope::FUNCTION}));
}

Profile::~Profile() {
  at::removeCallback(handle_);
  sink_of_thread = nullptr;
}

void note_product(const Convolution& convolution, Method method, int64_t pixels) {
  if (!sink_of_thread) return;
  const Convolution& c = convolution;
  noted += " " + describe(c, method);
  operations += 2.0 * static_cast<double>(pixels * c.outputs * c.taps() * c.inputs / c.groups);
}

}  // namespace m2fp
