#include "m2fp_font.h"

#include <ft2build.h>
#include FT_FREETYPE_H
#include <stdlib.h>

struct m2fp_font {
  // FreeType's library object is not for several threads: each font has its own.
  FT_Library library;
  FT_Face face;
};

m2fp_font *m2fp_font_open(const uint8_t *bytes, size_t count) {
  m2fp_font *font = calloc(1, sizeof *font);
  if (font == NULL) return NULL;
  if (FT_Init_FreeType(&font->library) != 0 ||
      FT_New_Memory_Face(font->library, bytes, (FT_Long)count, 0, &font->face) != 0 ||
      !FT_IS_SCALABLE(font->face)) {
    m2fp_font_close(font);
    return NULL;
  }
  return font;
}

void m2fp_font_close(m2fp_font *font) {
  if (font == NULL) return;
  if (font->face != NULL) FT_Done_Face(font->face);
  if (font->library != NULL) FT_Done_FreeType(font->library);
  free(font);
}

/// Calls `draw`, if there is one, for each glyph with its left edge on the line; returns the line's
/// width in pixels, or -1.
static long walk_line(FT_Face face, const uint32_t *codes, size_t count,
                      void (*draw)(FT_GlyphSlot glyph, long left, m2fp_text *text),
                      m2fp_text *text) {
  // In 1/64 pixels, like all of FreeType's distances.
  long pen = 0;
  long end = 0;
  FT_UInt previous = 0;
  for (size_t i = 0; i < count; i++) {
    FT_UInt glyph = FT_Get_Char_Index(face, codes[i]);
    if (previous != 0 && glyph != 0) {
      FT_Vector kerning;
      if (FT_Get_Kerning(face, previous, glyph, FT_KERNING_DEFAULT, &kerning) == 0) {
        pen += kerning.x;
      }
    }
    if (FT_Load_Glyph(face, glyph, draw == NULL ? FT_LOAD_DEFAULT : FT_LOAD_RENDER) != 0) return -1;
    if (draw != NULL) draw(face->glyph, pen / 64, text);
    pen += face->glyph->advance.x;
    long right = pen / 64 + 1;
    if (right > end) end = right;
    previous = glyph;
  }
  return end;
}

static void draw_glyph(FT_GlyphSlot glyph, long left, m2fp_text *text) {
  const FT_Bitmap *bitmap = &glyph->bitmap;
  if (bitmap->pixel_mode != FT_PIXEL_MODE_GRAY) return;
  FT_Face face = glyph->face;
  long top = (face->size->metrics.ascender + 63) / 64 - glyph->bitmap_top;
  left += glyph->bitmap_left;
  for (long y = 0; y < (long)bitmap->rows; y++) {
    if (top + y < 0 || top + y >= text->height) continue;
    const uint8_t *row = bitmap->buffer + y * bitmap->pitch;
    uint8_t *target = text->coverage + (top + y) * text->width;
    for (long x = 0; x < (long)bitmap->width; x++) {
      if (left + x < 0 || left + x >= text->width) continue;
      // Kerned glyphs may overlap.
      if (row[x] > target[left + x]) target[left + x] = row[x];
    }
  }
}

int m2fp_text_render(m2fp_font *font, const uint32_t *codes, size_t count, int32_t size,
                     m2fp_text *text) {
  FT_Face face = font->face;
  if (FT_Set_Pixel_Sizes(face, 0, (FT_UInt)size) != 0) return -1;
  long width = walk_line(face, codes, count, NULL, NULL);
  long height = (face->size->metrics.ascender + 63) / 64 + (63 - face->size->metrics.descender) / 64;
  if (width < 0 || width > INT32_MAX || height <= 0 || height > INT32_MAX) return -1;
  m2fp_text line = {.width = width > 0 ? (int32_t)width : 1, .height = (int32_t)height};
  line.coverage = calloc((size_t)line.width, (size_t)line.height);
  if (line.coverage == NULL) return -1;
  int fails = walk_line(face, codes, count, draw_glyph, &line) < 0;
  if (fails) m2fp_text_free(&line);
  if (!fails) *text = line;
  return fails ? -1 : 0;
}

void m2fp_text_free(m2fp_text *text) {
  free(text->coverage);
  *text = (m2fp_text){0};
}
