/// JPEG and PNG, memory to memory, in plain C.
///
/// libjpeg and libpng stay behind this header: every `setjmp` is contained in the function that
/// needs it, nothing is printed, and errors are values. All functions are thread-safe: they share
/// no state.
///
/// A decode is two calls. `m2fp_*_header` reads the size without decoding, so that the caller
/// checks its limits before anything is allocated; `m2fp_*_decode` fills a buffer that the caller
/// owns. What comes out is 8-bit RGB, rows top to bottom without padding, with the EXIF orientation
/// applied.
#pragma once

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

#define M2FP_CASE(name) __attribute__((swift_name(name)))

/// How a call ended.
enum __attribute__((enum_extensibility(closed), swift_name("ImageCodecStatus"))) m2fp_image_status {
  M2FP_IMAGE_OK M2FP_CASE("ok") = 0,
  /// The data ends before the picture does.
  M2FP_IMAGE_TRUNCATED M2FP_CASE("truncated"),
  /// The data breaks the format's rules, or a checksum does not match.
  M2FP_IMAGE_CORRUPT M2FP_CASE("corrupt"),
  /// A variant of the format that the library does not decode (lossless JPEG, 12-bit JPEG, ...).
  M2FP_IMAGE_UNSUPPORTED M2FP_CASE("unsupported"),
  /// More pixels a side than the format's library can hold.
  M2FP_IMAGE_TOO_LARGE M2FP_CASE("tooLarge"),
  M2FP_IMAGE_OUT_OF_MEMORY M2FP_CASE("outOfMemory"),
};

/// How a call ended, and what the library had to say. The caller owns it; there is nothing to free.
typedef struct m2fp_image_result {
  enum m2fp_image_status status;
  /// Recoverable oddities; the picture is whole all the same.
  int32_t warning_count;
  /// Why it failed; empty when `status` is ok. Always terminated.
  char message[256];
  /// The first warning; empty when there was none. Always terminated.
  char first_warning[256];
} m2fp_image_result;

/// What a file says of its picture.
typedef struct m2fp_image_header {
  /// The size as stored, before the orientation is applied: at least 1 each.
  int32_t width;
  int32_t height;
  /// The EXIF orientation, 1 to 8; 1 where none or a senseless one is given. 5 to 8 swap the sides.
  int32_t orientation;
} m2fp_image_header;

/// Encoded bytes. Starts as all zeros; an encoder fills it; `m2fp_buffer_free` ends it.
typedef struct m2fp_buffer {
  uint8_t *_Nullable bytes;
  size_t count;
  size_t capacity;
} m2fp_buffer;

/// Frees the bytes and zeroes the buffer. Accepts a buffer that was never filled, or freed before.
void m2fp_buffer_free(m2fp_buffer *buffer);

/// Reads the header of a JPEG and the orientation of its first EXIF block.
///
/// `bytes` holds `count` bytes. On success `header` is set; otherwise it is left alone.
void m2fp_jpeg_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                      m2fp_image_result *result);

/// Decodes a JPEG: baseline, extended, progressive or arithmetic; grey, RGB, YCC, CMYK, YCCK.
///
/// `header` is what `m2fp_jpeg_header` gave for the same bytes; `pixels` takes exactly
/// `header->width * header->height * 3` bytes. Upsampling and the inverse DCT are libjpeg's
/// accurate defaults. Four-component pictures are taken as inverted, as Adobe writes them and
/// Pillow reads them, with or without an Adobe marker. Data that ends early or whose entropy coding
/// is damaged is a failure (libjpeg would fill the rest with grey); other warnings are collected.
/// After more than 100 scans the file is refused: a small file could otherwise cost minutes. When
/// the call fails, `pixels` holds nothing of use.
void m2fp_jpeg_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                      uint8_t *pixels, m2fp_image_result *result);

/// Reads the header of a PNG and the orientation in its eXIf chunk.
///
/// Walks the chunks without checking their CRCs: a file that passes here can still fail to decode.
/// On success `header` is set; otherwise it is left alone.
void m2fp_png_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                     m2fp_image_result *result);

/// Decodes a PNG of any colour type and depth, interlaced or not.
///
/// `header` is what `m2fp_png_header` gave for the same bytes; `pixels` takes exactly
/// `header->width * header->height * 3` bytes. The pixels are those of Pillow 9.4, also
/// where it departs from the PNG specification: 16-bit colour keeps its high byte but 16-bit grey is
/// clipped at 255 (with a warning where that loses shades), and of a tRNS colour the low byte is
/// compared with samples already scaled to 8 bits. Pillow 13.0 gives the same for every valid
/// file. A palette index without a colour is black as in 13.0, where 9.4 makes it a shade of grey. A
/// transparent picture is composited over white with the arithmetic of Pillow's `alpha_composite`. No
/// gamma or colour correction. Of an APNG the default picture is taken. Any bad CRC is a failure, and so is
/// a missing IEND chunk; bytes after IEND are ignored. When the call fails, `pixels` holds nothing
/// of use.
void m2fp_png_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                     uint8_t *pixels, m2fp_image_result *result);

/// Decodes an indexed or grey PNG to its pixel values, as they are stored: palette indices or levels
/// of 1 to 16 bits, neither scaled nor turned by an orientation.
///
/// `header` is what `m2fp_png_header` gave for the same bytes; `labels` takes exactly
/// `header->width * header->height` values. A picture with colours or alpha is unsupported. When
/// the call fails, `labels` holds nothing of use.
void m2fp_png_decode_labels(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                            uint16_t *labels, m2fp_image_result *result);

/// Encodes an indexed PNG of 8 bits a pixel: the pixel value is the label.
///
/// `labels` holds `width * height` bytes; `palette` holds R, G, B for each of `colours` (1 to 256)
/// labels; if `clear_zero` is not 0, label 0 is fully transparent. A label without a colour is a
/// failure (corrupt). The same input gives the same bytes.
void m2fp_png_encode_indexed(const uint8_t *labels, int32_t width, int32_t height,
                             const uint8_t *palette, int32_t colours, int32_t clear_zero,
                             m2fp_buffer *output, m2fp_image_result *result);

/// Encodes a grey PNG of 1 bit a pixel: white where `labels` equals `label`, black elsewhere.
///
/// `labels` holds `width * height` bytes and is packed row by row: no mask is ever held in full.
void m2fp_png_encode_mask(const uint8_t *labels, int32_t width, int32_t height, uint8_t label,
                          m2fp_buffer *output, m2fp_image_result *result);

/// Encodes a PNG of 8 bits a sample: grey for 1 channel, RGB for 3, RGBA for 4.
///
/// `pixels` holds `width * height * channels` bytes.
void m2fp_png_encode(const uint8_t *pixels, int32_t width, int32_t height, int32_t channels,
                     m2fp_buffer *output, m2fp_image_result *result);

/// Encodes a baseline JPEG (4:2:0, optimised Huffman tables) of RGB pixels.
///
/// `pixels` holds `width * height * 3` bytes; `quality` is libjpeg's 1 to 100. Sides above 65,500
/// are a failure (too large).
void m2fp_jpeg_encode(const uint8_t *pixels, int32_t width, int32_t height, int32_t quality,
                      m2fp_buffer *output, m2fp_image_result *result);

#pragma clang assume_nonnull end
