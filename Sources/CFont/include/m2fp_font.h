/// Plain C over FreeType: lines of text as coverage bitmaps. Every call may be made from any thread,
/// but a font is used by one thread at a time.
#pragma once

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin
#pragma GCC visibility push(hidden)

/// An outline font, opened.
typedef struct m2fp_font m2fp_font;

/// A line of text: `height × width` coverages, 0 to 255. Starts as all zeros; `m2fp_text_render`
/// fills it; `m2fp_text_free` ends it.
typedef struct m2fp_text {
  uint8_t *_Nullable coverage;
  int32_t width;
  int32_t height;
} m2fp_text;

/// Opens the first face of a font file that lies in memory: TrueType, OpenType, or what else
/// FreeType reads. `bytes` must stay in place until `m2fp_font_close`. Returns null if it is no font
/// with outlines, or if memory runs out.
m2fp_font *_Nullable m2fp_font_open(const uint8_t *bytes, size_t count);

/// Accepts null.
void m2fp_font_close(m2fp_font *_Nullable font);

/// Renders a line of `count` Unicode code points, anti-aliased and kerned, left to right, at
/// `size` pixels an em (4 to 1000). The bitmap spans the font's ascent and descent and is as wide as
/// the line. Code points the font lacks show its replacement glyph. Returns 0, or -1 when FreeType
/// fails or memory runs out; then `text` is left as it was.
int m2fp_text_render(m2fp_font *font, const uint32_t *codes, size_t count, int32_t size,
                     m2fp_text *text);

/// Frees the bitmap and zeroes it.
void m2fp_text_free(m2fp_text *text);

#pragma GCC visibility pop
#pragma clang assume_nonnull end
