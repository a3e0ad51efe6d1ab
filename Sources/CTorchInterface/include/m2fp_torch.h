// The torch shim: loads TorchScript archives and runs them on the CPU.
//
// Plain C, so that no importer ever sees torch. CTorchSession implements it, in a library of its own
// that CTorchLoader opens when a network is first needed: libtorch takes half a second to load, and
// most of what a command-line tool does needs none of it. Every function is total: it never throws,
// never prints, and reports failure through its `error` argument. Nothing here is thread-safe beyond
// what a function's comment says.
#ifndef M2FP_TORCH_H
#define M2FP_TORCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

#define M2FP_SWIFT_NAME(name) __attribute__((swift_name(name)))

/// What went wrong.
enum __attribute__((enum_extensibility(closed))) M2FP_SWIFT_NAME("TorchStatus") m2fp_torch_status {
  /// Nothing.
  M2FP_TORCH_OK M2FP_SWIFT_NAME("ok") = 0,
  /// The archive cannot be opened or is not a TorchScript archive.
  M2FP_TORCH_UNREADABLE_MODEL M2FP_SWIFT_NAME("unreadableModel"),
  /// The archive does, or may do, more than compute.
  M2FP_TORCH_UNTRUSTED_MODEL M2FP_SWIFT_NAME("untrustedModel"),
  /// The network returned something else than tensors.
  M2FP_TORCH_UNEXPECTED_OUTPUT M2FP_SWIFT_NAME("unexpectedOutput"),
  /// The allocator gave up.
  M2FP_TORCH_OUT_OF_MEMORY M2FP_SWIFT_NAME("outOfMemory"),
  /// Anything else that torch reported.
  M2FP_TORCH_FAILED M2FP_SWIFT_NAME("failed"),
};

/// The arithmetic of a network's products.
enum __attribute__((enum_extensibility(closed))) M2FP_SWIFT_NAME("TorchPrecision") m2fp_precision {
  /// Single precision throughout.
  M2FP_PRECISION_FLOAT32 M2FP_SWIFT_NAME("float32") = 0,
  /// Integers of 16 bits in linear layers and 1x1 convolutions, single precision elsewhere.
  M2FP_PRECISION_INT16 M2FP_SWIFT_NAME("int16"),
};

/// An error as a value: the caller owns it, there is nothing to free.
typedef struct {
  enum m2fp_torch_status status;
  /// One line of UTF-8, zero-terminated, empty when `status` is OK.
  char message[512];
} m2fp_torch_error;

/// A loaded network: immutable after load, shared by any number of sessions on any thread.
typedef struct m2fp_model m2fp_model;

/// One network run at a time, on the thread that created it.
typedef struct m2fp_session m2fp_session;

/// A tensor that the network returned: single precision, rows last (C order).
typedef struct {
  /// As many as the product of `shape`; null if that is 0.
  const float *_Nullable values;
  /// `rank` sizes.
  const int64_t *shape;
  int32_t rank;
} m2fp_tensor;

/// What the network returned, tuples and lists taken apart, in order. What the tensors mean is their
/// reader's business. All of it belongs to the session, until its next run.
typedef struct {
  const m2fp_tensor *_Nullable tensors;
  int32_t count;
} m2fp_output;

/// What the process runs on, for diagnosis. Strings are zero-terminated.
typedef struct {
  char torch_version[32];
  char onednn_version[32];
  /// The widest vector instructions that torch's own kernels use: "AVX2", "AVX512", ….
  char cpu_capability[32];
  /// The instruction set that the shim's own kernels are run in: "sse2", "avx2", "avx2-vnni",
  /// "avx512", "avx512-vnni" or "neon".
  char instruction_set[32];
  /// The file that serves BLAS's `sgemm_`.
  char blas_path[256];
  /// Its configuration string, if it is OpenBLAS; else empty.
  char blas_config[128];
} m2fp_runtime_info;

/// Is told of an operator of a run, in the order they end: its name with its sizes, its floating-point
/// operations as a direct computation counts them (0 where nobody counted), and the seconds that it
/// took of the calling thread's processor time.
typedef void (*m2fp_profile_sink)(
    void *_Nullable context, const char *what, double operations, double seconds);

/// Raised with every change of the table below or of a type in it. Libraries before version 2 went by
/// the table's size, which is no small number.
#define M2FP_TORCH_API_VERSION 4

/// What the shim does.
typedef struct {
  /// Loads the archive in an open file, which stays the caller's. It is a program: unless it is
  /// trusted, it is refused where it does anything but compute. Half-precision constants are widened
  /// to single precision. Null on failure. Any thread.
  m2fp_model *_Nullable (*_Nonnull model_load)(
      int file, enum m2fp_precision precision, bool is_trusted, m2fp_torch_error *error);

  /// Releases a model. No session may be left that uses it. Null is accepted.
  void (*_Nonnull model_destroy)(m2fp_model *_Nullable model);

  /// Makes a session for the calling thread, and gives that thread `threads` intra-op threads
  /// (libtorch keeps that count per thread). Null on failure.
  m2fp_session *_Nullable (*_Nonnull session_create)(
      const m2fp_model *model, int32_t threads, m2fp_torch_error *error);

  /// The session's input buffer for an image of `height × width`: 3 × height × width values,
  /// contents undefined. It is reused by later calls; null when memory is short. Session's thread.
  float *_Nullable (*_Nonnull session_input)(
      m2fp_session *session, int32_t height, int32_t width, m2fp_torch_error *error);

  /// Runs the network on the input buffer last asked for. Session's thread.
  bool (*_Nonnull session_run)(m2fp_session *session, m2fp_output *output, m2fp_torch_error *error);

  /// Releases a session. Session's thread. Null is accepted.
  void (*_Nonnull session_destroy)(m2fp_session *_Nullable session);

  /// Fills `info`. Any thread.
  void (*_Nonnull describe_runtime)(m2fp_runtime_info *info);

  /// Like session_run, telling `sink` where the time goes. Session's thread.
  bool (*_Nonnull session_profile)(
      m2fp_session *session, m2fp_profile_sink sink, void *_Nullable context,
      m2fp_torch_error *error);
} m2fp_torch_api;

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif

#endif
