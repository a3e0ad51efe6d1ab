// What libM2FPTorch.so exports.
#ifndef M2FP_TORCH_SESSION_H
#define M2FP_TORCH_SESSION_H

#include "m2fp_torch.h"

#ifdef __cplusplus
extern "C" {
#endif

/// The shim's functions, or null if the caller's M2FP_TORCH_API_VERSION is another: then it was built
/// with another version of the header, and a call through the table would go astray. Any thread.
__attribute__((visibility("default"))) const m2fp_torch_api *_Nullable m2fp_torch_get_api(
    size_t version);

#ifdef __cplusplus
}
#endif

#endif
