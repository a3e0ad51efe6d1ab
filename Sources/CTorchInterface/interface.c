// The layout that M2FP_TORCH_API_VERSION stands for, so that a change of it is noticed.
#include "m2fp_torch.h"

_Static_assert(sizeof(void *) == 8, "the figures below are those of 64-bit systems");
_Static_assert(sizeof(m2fp_torch_error) == 516, "raise M2FP_TORCH_API_VERSION");
_Static_assert(sizeof(m2fp_tensor) == 24, "raise M2FP_TORCH_API_VERSION");
_Static_assert(sizeof(m2fp_output) == 16, "raise M2FP_TORCH_API_VERSION");
_Static_assert(sizeof(m2fp_runtime_info) == 512, "raise M2FP_TORCH_API_VERSION");
_Static_assert(sizeof(m2fp_torch_api) == 8 * sizeof(void *), "raise M2FP_TORCH_API_VERSION");
