#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "codec.h"

// Everything here is as Pillow 12.3 has it (Image.getexif, TiffImagePlugin), oddities included: an
// orientation that the reference does not see would turn the picture against it.

static uint32_t read16(const uint8_t *at, int big) {
  return big ? (uint32_t)at[0] << 8 | at[1] : (uint32_t)at[1] << 8 | at[0];
}

static uint32_t read32(const uint8_t *at, int big) {
  return big ? read16(at, 1) << 16 | read16(at + 2, 1) : read16(at + 2, 0) << 16 | read16(at, 0);
}

static uint64_t read64(const uint8_t *at, int big) {
  return big ? (uint64_t)read32(at, 1) << 32 | read32(at + 4, 1)
             : (uint64_t)read32(at + 4, 0) << 32 | read32(at, 0);
}

/// An orientation, or 1 where the number is none.
static int32_t checked(int64_t value) { return value >= 1 && value <= 8 ? (int32_t)value : 1; }

enum tiff_type {
  BYTE = 1,
  ASCII,
  SHORT,
  LONG,
  RATIONAL,
  SIGNED_BYTE,
  UNDEFINED,
  SIGNED_SHORT,
  SIGNED_LONG,
  SIGNED_RATIONAL,
  FLOAT,
  DOUBLE,
  IFD,
  LONG8 = 16,
};

/// Bytes a value; 0 for types that nobody knows.
static size_t size_of(uint32_t type) {
  static const uint8_t sizes[] = {[BYTE] = 1,        [ASCII] = 1,       [SHORT] = 2,
                                  [LONG] = 4,        [RATIONAL] = 8,    [SIGNED_BYTE] = 1,
                                  [UNDEFINED] = 1,   [SIGNED_SHORT] = 2, [SIGNED_LONG] = 4,
                                  [SIGNED_RATIONAL] = 8, [FLOAT] = 4,   [DOUBLE] = 8,
                                  [IFD] = 4,         [LONG8] = 8};
  return type < sizeof sizes ? sizes[type] : 0;
}

/// The first value of a tag as an orientation. Bytes and text are no number.
static int32_t orientation_of(const uint8_t *at, uint32_t type, int big) {
  switch (type) {
    case SHORT: return checked(read16(at, big));
    case LONG:
    case IFD: return checked(read32(at, big));
    case SIGNED_BYTE: return checked((int8_t)at[0]);
    case SIGNED_SHORT: return checked((int16_t)read16(at, big));
    case SIGNED_LONG: return checked((int32_t)read32(at, big));
    case LONG8: {
      uint64_t value = read64(at, big);
      return value <= 8 ? checked((int64_t)value) : 1;
    }
    case RATIONAL: {
      uint32_t numerator = read32(at, big), denominator = read32(at + 4, big);
      int is_whole = denominator != 0 && numerator % denominator == 0;
      return is_whole ? checked(numerator / denominator) : 1;
    }
    case SIGNED_RATIONAL: {
      int64_t numerator = (int32_t)read32(at, big), denominator = (int32_t)read32(at + 4, big);
      int is_whole = denominator != 0 && numerator % denominator == 0;
      return is_whole ? checked(numerator / denominator) : 1;
    }
    case FLOAT: {
      uint32_t bits = read32(at, big);
      float value;
      memcpy(&value, &bits, sizeof value);
      return value >= 1 && value <= 8 && value == (float)(int32_t)value ? (int32_t)value : 1;
    }
    case DOUBLE: {
      uint64_t bits = read64(at, big);
      double value;
      memcpy(&value, &bits, sizeof value);
      return value >= 1 && value <= 8 && value == (double)(int32_t)value ? (int32_t)value : 1;
    }
    default: return 1;
  }
}

int32_t m2fp_exif_orientation(const uint8_t *exif, size_t count) {
  enum { ORIENTATION = 0x0112, ENTRY = 12 };
  while (count >= 6 && memcmp(exif, "Exif\0\0", 6) == 0) {
    exif += 6;
    count -= 6;
  }
  if (count == 0) return 0;
  if (count < 8) return 1;
  int big = memcmp(exif, "MM", 2) == 0;
  if (memcmp(exif, big ? "MM\0*" : "II*\0", 4) != 0 &&
      memcmp(exif, big ? "MM*\0" : "II\0*", 4) != 0) {
    return 1;
  }
  size_t directory = read32(exif + 4, big);
  if (directory > count || count - directory < 2) return 0;
  size_t entries = read16(exif + directory, big);
  size_t room = (count - directory - 2) / ENTRY;
  if (entries > room) entries = room;
  const uint8_t *entry = exif + directory + 2;
  int32_t orientation = 0;  // of several tags the last counts
  for (size_t i = 0; i < entries; i++, entry += ENTRY) {
    uint32_t type = read16(entry + 2, big);
    uint64_t size = (uint64_t)read32(entry + 4, big) * size_of(type);
    if (size == 0) continue;
    const uint8_t *value = entry + 8;
    if (size > 4) {
      size_t offset = read32(value, big);
      // Whatever the tag is, nothing after it is read.
      if (offset > count || count - offset < size) break;
      value = exif + offset;
    }
    if (read16(entry, big) == ORIENTATION) orientation = orientation_of(value, type, big);
  }
  return orientation;
}

int32_t m2fp_xmp_orientation(const uint8_t *xmp, size_t count) {
  static const char name[] = "tiff:Orientation";
  enum { NAME = sizeof name - 1 };
  const uint8_t *end = xmp + count;
  while ((size_t)(end - xmp) > NAME) {
    const uint8_t *at = memmem(xmp, (size_t)(end - xmp), name, NAME);
    if (at == NULL) return 0;
    at += NAME;
    xmp = at;
    if (end - at >= 2 && at[0] == '>') {
      at += 1;
    } else if (end - at >= 3 && at[0] == '=' && at[1] == '"') {
      at += 2;
    } else {
      continue;
    }
    if (*at >= '0' && *at <= '9') return checked(*at - '0');
  }
  return 0;
}

static int hex_digit(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  uint8_t lower = byte | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

int32_t m2fp_raw_profile_orientation(const uint8_t *text, size_t count) {
  const uint8_t *end = text + count;
  // An empty line, the profile's name and its length.
  for (int line = 0; line < 3; line++) {
    text = text == end ? NULL : memchr(text, '\n', (size_t)(end - text));
    if (text == NULL) return 0;
    text++;
  }
  uint8_t *exif = malloc((size_t)(end - text) / 2 + 1);
  if (exif == NULL) return M2FP_NO_MEMORY;
  size_t size = 0;
  int half = -1;
  int32_t orientation = 1;
  for (; text < end; text++) {
    if (*text == '\n' || (half < 0 && (*text == ' ' || (*text >= '\t' && *text <= '\r')))) continue;
    int digit = hex_digit(*text);
    if (digit < 0) goto done;
    if (half < 0) {
      half = digit;
    } else {
      exif[size++] = (uint8_t)(half << 4 | digit);
      half = -1;
    }
  }
  if (half < 0) orientation = m2fp_exif_orientation(exif, size);
done:
  free(exif);
  return orientation;
}
