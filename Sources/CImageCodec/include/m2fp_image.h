/// Formats of pictures, memory to memory, in plain C.
///
/// The formats' libraries stay behind this header: every `setjmp` is contained in the function that
/// needs it, nothing is printed (but by libjxl and dav1d, of damaged files), and errors are values. All functions are thread-safe: they share
/// nothing but the libraries that they open. libjpeg and libpng are linked, as every run writes with
/// them; the others are opened by the first file that needs them.
///
/// A decode is two calls. `m2fp_*_header` reads the size without decoding, so that the caller
/// checks its limits before anything is allocated; `m2fp_*_decode` fills a buffer that the caller
/// owns. What comes out is 8-bit RGB, rows top to bottom without padding, upright.
///
/// What is read, and as what, is what Pillow 12.3 reads: its pixels, its orientation, and its choice
/// of damaged files that still show a picture. Those are decoded with a warning.
#pragma once

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin
// Where they are called from outside, as by the comparison with Pillow.
#ifndef M2FP_SHARED
#pragma GCC visibility push(hidden)
#endif

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
  /// The format's library cannot be opened; the message is its name.
  M2FP_IMAGE_LIBRARY_MISSING M2FP_CASE("libraryMissing"),
};

/// How a call ended, and what the library had to say. The caller owns it; there is nothing to free.
typedef struct m2fp_image_result {
  enum m2fp_image_status status;
  /// Recoverable oddities and damage.
  int32_t warning_count;
  /// Whether something was lost or does not match, so that pixels may be wrong; 0 where all
  /// warnings are of oddities, which cost nothing.
  int32_t is_damaged;
  /// Why it failed; empty when `status` is ok. Always terminated.
  char message[256];
  /// The first warning, of damage if there is any; empty when there was none. Always terminated.
  char first_warning[256];
} m2fp_image_result;

/// What a file says of its picture.
typedef struct m2fp_image_header {
  /// The size as stored, before the orientation is applied: at least 1 each.
  int32_t width;
  int32_t height;
  /// The orientation, 1 to 8, of EXIF or else of XMP; 1 where none or a senseless one is given. 5 to
  /// 8 swap the sides.
  int32_t orientation;
  /// Bytes that decoding holds besides the file and the pixels: a progressive JPEG's coefficients,
  /// an interlaced PNG's picture as it is stored. What is small is not counted.
  int64_t working_bytes;
  /// Pixels that are decoded where that is more than the size, as the picture is cut, or put together on
  /// a larger canvas; else it may be 0.
  int64_t coded_pixels;
} m2fp_image_header;

/// How a file is decoded; all zeros is the default.
typedef struct m2fp_decode_options {
  /// Whether damage that leaves a picture to be read is a failure, where it would be a warning
  /// (`is_damaged`).
  int32_t refuse_damaged;
} m2fp_decode_options;

/// A file that is read in parts.
typedef struct m2fp_source {
  void *context;
  /// Copies up to `count` bytes from `offset` on; returns how many there were.
  size_t (*read)(void *context, int64_t offset, uint8_t *buffer, size_t count);
  /// Bytes of the file, or -1 where that is not known.
  int64_t size;
} m2fp_source;

/// Encoded bytes. Starts as all zeros; an encoder fills it; `m2fp_buffer_free` ends it.
typedef struct m2fp_buffer {
  uint8_t *_Nullable bytes;
  size_t count;
  size_t capacity;
} m2fp_buffer;

/// Frees the bytes and zeroes the buffer. Accepts a buffer that was never filled, or freed before.
void m2fp_buffer_free(m2fp_buffer *buffer);

/// Reads the header of a JPEG and the orientation in its EXIF blocks or its XMP packet.
///
/// `bytes` holds `count` bytes. On success `header` is set; otherwise it is left alone.
void m2fp_jpeg_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                      m2fp_image_result *result);

/// What `m2fp_jpeg_find_frame` has found so far. Starts as all zeros.
typedef struct m2fp_jpeg_frame {
  /// Where in the file the bytes of the next call begin.
  int64_t offset;
  /// The size as stored; 0 until it is found.
  int32_t width;
  int32_t height;
  /// As in `m2fp_image_header`.
  int64_t working_bytes;
  // What of the frame header decides on that.
  int64_t coefficient_bytes;
  int32_t components;
  int32_t is_progressive;
} m2fp_jpeg_frame;

/// How a search stands.
enum __attribute__((enum_extensibility(closed), swift_name("ImageSearch"))) m2fp_search {
  M2FP_SEARCH_FOUND M2FP_CASE("found") = 0,
  /// The bytes from `offset` on are wanted. They are nowhere before those of this call; if the file
  /// ends there, there is nothing to find.
  M2FP_SEARCH_MORE M2FP_CASE("more"),
  /// It is no JPEG, or one without a frame.
  M2FP_SEARCH_NOTHING M2FP_CASE("nothing"),
};

/// Finds the size of a JPEG that is read in parts, whatever lies before it: cameras write megabytes
/// of previews there, which are skipped.
///
/// `bytes` are `count` bytes of the file from `frame->offset` on: at least 1024, or up to its end.
enum m2fp_search m2fp_jpeg_find_frame(m2fp_jpeg_frame *frame, const uint8_t *bytes, size_t count);

/// Decodes a JPEG: baseline, extended, progressive or arithmetic; grey, RGB, YCC, CMYK, YCCK.
///
/// `header` is what `m2fp_jpeg_header` gave for the same bytes; `pixels` takes exactly
/// `header->width * header->height * 3` bytes. Upsampling and the inverse DCT are libjpeg's
/// accurate defaults. Four-component pictures are taken as inverted, as Adobe writes them and
/// Pillow reads them, with or without an Adobe marker. Data that ends before the last row is a
/// failure. Damage: entropy coding that makes no sense, lost restart intervals (libjpeg goes on as
/// well as it can) and a missing end marker. After more than 100 scans the file is refused: a small
/// file could otherwise cost minutes. When the call fails, `pixels` holds nothing of use.
void m2fp_jpeg_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                      const m2fp_decode_options *options, uint8_t *pixels,
                      m2fp_image_result *result);

/// Reads the header of a PNG and the orientation in its eXIf chunk, its "Raw profile type exif" or
/// its XMP packet.
///
/// Walks the chunks without checking their CRCs: a file that passes here can still fail to decode.
/// The beginning of a file gives its size, but perhaps not its orientation. Text that inflates to
/// more than a mebibyte is a failure, as it is for Pillow. On success `header` is set; otherwise it
/// is left alone.
void m2fp_png_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                     m2fp_image_result *result);

/// Decodes a PNG of any colour type and depth, interlaced or not.
///
/// `header` is what `m2fp_png_header` gave for the same bytes; `pixels` takes exactly
/// `header->width * header->height * 3` bytes. The pixels are Pillow's, also where it departs from
/// the PNG specification: 16-bit colour keeps its high byte but 16-bit grey is clipped at 255 (with a
/// warning where that loses shades), and of a tRNS colour the low byte is compared with samples
/// already scaled to 8 bits, but for 1-bit grey. A palette index without a colour is black. A
/// transparent picture is composited over white with the arithmetic of Pillow's `alpha_composite`.
/// No gamma or colour correction. Of an APNG the default picture is taken.
///
/// Pixels that end before the last row are a failure, and so is anything wrong before them, a CRC
/// or a cut chunk after them, or pixels that do not match their Adler-32. Damage: a wrong CRC of the
/// pixels (the Adler-32 speaks for them) or of a later chunk, and a missing IEND chunk. Bytes after
/// IEND are ignored. When the call fails, `pixels` holds nothing of use.
void m2fp_png_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                     const m2fp_decode_options *options, uint8_t *pixels,
                     m2fp_image_result *result);

// The decoders that follow are all called in the same way.
//
// `m2fp_*_header` reads the size, and the orientation as far as the bytes tell it: on success `header`
// is set, otherwise it is left alone. `m2fp_*_decode` takes what that gave for the same bytes, and
// `pixels` of exactly `header->width * header->height * 3` bytes, which hold nothing of use when it
// fails. Transparent pictures are composited over white as PNGs are. A cut or damaged file is a
// failure, but for a GIF whose last byte it is that is missing. No colour profile is applied.

/// WebP; the beginning of a file gives its size. The orientation is that of EXIF or XMP.
void m2fp_webp_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                      m2fp_image_result *result);

/// Lossy, lossless, with alpha; of an animation the first frame.
void m2fp_webp_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                      const m2fp_decode_options *options, uint8_t *pixels,
                      m2fp_image_result *result);

/// HEIF: HEIC and AVIF. What its boxes say of turns and cuts is counted in the size; the orientation
/// is always 1, as EXIF repeats them.
void m2fp_heif_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                      m2fp_image_result *result);

/// As `m2fp_heif_header`, of a file that is read in parts.
void m2fp_heif_find_header(const m2fp_source *source, m2fp_image_header *header,
                           m2fp_image_result *result);

/// The primary picture, also of grids; samples of more than 8 bits keep the high ones. A hostile file
/// that codes a larger picture than its boxes tell fails before that is allocated.
void m2fp_heif_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                      const m2fp_decode_options *options, uint8_t *pixels,
                      m2fp_image_result *result);

/// TIFF. The orientation is that of the first directory, or else of XMP.
void m2fp_tiff_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                      m2fp_image_result *result);

/// As `m2fp_tiff_header`, of a file that is read in parts.
void m2fp_tiff_find_header(const m2fp_source *source, m2fp_image_header *header,
                           m2fp_image_result *result);

/// The first page: strips or tiles, planes together or apart; 1 to 16 bits; grey, palette, RGB, CMYK,
/// YCbCr. Samples of 16 bits keep their high byte, but grey is clipped at 255 (with a warning where
/// that loses shades), as Pillow has it. The previews in cameras' raw files are refused.
void m2fp_tiff_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                      const m2fp_decode_options *options, uint8_t *pixels,
                      m2fp_image_result *result);

/// JPEG XL; the beginning of a file gives its size. The orientation is applied by the library.
void m2fp_jxl_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                     m2fp_image_result *result);

/// Of an animation the first frame; CMYK is unsupported.
void m2fp_jxl_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                     const m2fp_decode_options *options, uint8_t *pixels,
                     m2fp_image_result *result);

/// GIF; the beginning of a file gives its size.
void m2fp_gif_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                     m2fp_image_result *result);

/// The first picture, on its screen. Damage: an end that is missing after the last pixels.
void m2fp_gif_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                     const m2fp_decode_options *options, uint8_t *pixels,
                     m2fp_image_result *result);

/// BMP; the beginning of a file gives its size.
void m2fp_bmp_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                     m2fp_image_result *result);

/// Palettes of 1 to 8 bits, plain or run-length encoded; 16, 24 and 32 bits.
void m2fp_bmp_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                     const m2fp_decode_options *options, uint8_t *pixels,
                     m2fp_image_result *result);

/// Decodes an indexed or grey PNG to its pixel values, as they are stored: palette indices or levels
/// of 1 to 16 bits, neither scaled nor turned by an orientation.
///
/// `header` is what `m2fp_png_header` gave for the same bytes; `labels` takes exactly
/// `header->width * header->height` values. A picture with colours or alpha is unsupported. When
/// the call fails, `labels` holds nothing of use.
void m2fp_png_decode_labels(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                            const m2fp_decode_options *options, uint16_t *labels,
                            m2fp_image_result *result);

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

#ifndef M2FP_SHARED
#pragma GCC visibility pop
#endif
#pragma clang assume_nonnull end
