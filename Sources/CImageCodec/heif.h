/// What the source files of HEIF share.
#pragma once

#include <libheif/heif.h>
#include <stdint.h>

#include "codec.h"
#include "library.h"

#pragma clang assume_nonnull begin
#pragma GCC visibility push(hidden)

/// What is called of libheif, where its library is open.
typedef struct heif_functions {
  LIBRARY_FUNCTION(heif_init);
  LIBRARY_FUNCTION(heif_register_decoder_plugin);
  LIBRARY_FUNCTION(heif_context_alloc);
  LIBRARY_FUNCTION(heif_context_free);
  LIBRARY_FUNCTION(heif_context_set_max_decoding_threads);
  LIBRARY_FUNCTION(heif_context_read_from_reader);
  LIBRARY_FUNCTION(heif_context_get_primary_image_handle);
  LIBRARY_FUNCTION(heif_image_handle_release);
  LIBRARY_FUNCTION(heif_image_handle_get_width);
  LIBRARY_FUNCTION(heif_image_handle_get_height);
  LIBRARY_FUNCTION(heif_image_handle_get_luma_bits_per_pixel);
  LIBRARY_FUNCTION(heif_image_handle_has_alpha_channel);
  LIBRARY_FUNCTION(heif_image_handle_is_premultiplied_alpha);
  LIBRARY_FUNCTION(heif_decoding_options_alloc);
  LIBRARY_FUNCTION(heif_decoding_options_free);
  LIBRARY_FUNCTION(heif_decode_image);
  LIBRARY_FUNCTION(heif_image_create);
  LIBRARY_FUNCTION(heif_image_add_plane);
  LIBRARY_FUNCTION(heif_image_get_width);
  LIBRARY_FUNCTION(heif_image_get_height);
  LIBRARY_FUNCTION(heif_image_get_plane);
  LIBRARY_FUNCTION(heif_image_set_nclx_color_profile);
  LIBRARY_FUNCTION(heif_image_release);
  LIBRARY_FUNCTION(heif_nclx_color_profile_alloc);
  LIBRARY_FUNCTION(heif_nclx_color_profile_free);
  LIBRARY_FUNCTION(heif_nclx_color_profile_set_color_primaries);
  LIBRARY_FUNCTION(heif_nclx_color_profile_set_transfer_characteristics);
  LIBRARY_FUNCTION(heif_nclx_color_profile_set_matrix_coefficients);
} heif_functions;

extern heif_functions heif;

/// Has libheif decode by dav1d and libde265 through decoders of ours, which refuse a picture before it
/// is allocated. Where one of the two has another version, libheif's own goes on, without limits.
void m2fp_heif_register_decoders(void);

/// What the coded pictures of a photo are that the decoders hold on a thread.
typedef struct m2fp_heif_allowance {
  /// The size of each as its boxes say it. No other is decoded.
  uint32_t width;
  uint32_t height;
  /// Pixels of all together.
  int64_t pixels;
} m2fp_heif_allowance;

/// Says what may be decoded on this thread; NULL ends it. Without it libheif's own decoders are used.
void m2fp_heif_allow(const m2fp_heif_allowance *_Nullable allowance);

/// Whether a picture of another size was refused since `m2fp_heif_allow`.
int m2fp_heif_has_refused(void);

/// How the primary picture is put together.
typedef struct m2fp_heif_layout {
  /// Pixels of the canvas on which it is put together, or that are cut: libheif allocates those.
  int64_t pixels;
  /// The size of each picture that is coded: the whole, or a tile.
  uint32_t width;
  uint32_t height;
} m2fp_heif_layout;

/// Reads how the primary picture is put together, and refuses what libheif takes for granted of it:
/// that what it is made of is there and not itself, that tiles leave nothing open, that alpha is
/// as large. Otherwise it ends the process, or shows what lay in memory. A size that the boxes do not
/// tell is a failure, too, as nothing would limit what is decoded.
void m2fp_heif_read_layout(const m2fp_source *source, m2fp_heif_layout *layout,
                           m2fp_image_result *result);

#pragma GCC visibility pop
#pragma clang assume_nonnull end
