// What libM2FPTorch.so exports.
#ifndef M2FP_TORCH_SESSION_H
#define M2FP_TORCH_SESSION_H

#include "m2fp_torch.h"

#ifdef __cplusplus
extern "C" {
#endif

/// The shim's functions. Any thread.
const m2fp_torch_api *_Nonnull m2fp_torch_get_api(void);

#ifdef __cplusplus
}
#endif

#endif
