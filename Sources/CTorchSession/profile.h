// Where a run's time goes.
#pragma once

#include <ATen/record_function.h>

#include "kernels/convolution.h"
#include "m2fp_torch_session.h"

namespace m2fp {

// While it lives, reports every operator that the calling thread's network calls.
class Profile {
 public:
  Profile(m2fp_profile_sink sink, void* context);
  ~Profile();
  Profile(const Profile&) = delete;

 private:
  at::CallbackHandle handle_;
};

// What an operator of ours computes, and for how many pixels, if its thread is profiled.
void note_product(const Convolution& convolution, Method method, int64_t pixels);

}  // namespace m2fp
