// Opens the library that runs networks.
#ifndef M2FP_TORCH_LOADER_H
#define M2FP_TORCH_LOADER_H

#include "m2fp_torch.h"

#pragma clang assume_nonnull begin
#pragma GCC visibility push(hidden)

/// Opens the shim, libM2FPTorch.so, which lies in `folder`, beside the running executable or in
/// ../lib/m2fp from there; `folder` may be null. The result lives as long as the process. Null on
/// failure, with one line for people in `error`. Any thread.
const m2fp_torch_api *_Nullable m2fp_torch_open(
    const char *_Nullable folder, m2fp_torch_error *error);

#pragma GCC visibility pop
#pragma clang assume_nonnull end

#endif
