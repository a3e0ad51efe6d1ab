#include <stdlib.h>
#include <string.h>

#include "heif.h"

// ISO/IEC 14496-12 (boxes, `iloc`, `iinf`, `iref`) and 23008-12 (`grid`, `ipma`, `ispe`, auxiliary
// pictures). Where a box may come once and comes twice, the first counts, as for libheif.

enum {
  /// As libheif, which refuses a file with more.
  MOST_ITEMS = 20000,
  MOST_EXTENTS = 32,
  /// More than any photo has.
  MOST_BOXES = 20000,
  MOST_METADATA = 64 << 20,
  MOST_LIST = 1 << 18,
  MOST_LOOKUPS = 4096,
  MOST_SIDE = 1 << 15,
  MOST_PIXELS = 1 << 30,
  /// The bytes of a `grid`.
  GRID_BYTES = 12,
};

#define TYPE(text) \
  ((uint32_t)(text)[0] << 24 | (uint32_t)(text)[1] << 16 | (uint32_t)(text)[2] << 8 | (text)[3])

// MARK: - Boxes

/// Bytes that are read one number after another; past their end all are 0.
typedef struct span {
  const uint8_t *bytes;
  size_t count;
} span;

static uint64_t take(span *from, unsigned size) {
  uint64_t value = 0;
  if (from->count < size) {
    from->count = 0;
    return 0;
  }
  for (unsigned i = 0; i < size; i++) value = value << 8 | from->bytes[i];
  from->bytes += size;
  from->count -= size;
  return value;
}

/// The next box: its type, and what is in it. Returns 0 at the end.
static int take_box(span *from, uint32_t *type, span *content) {
  size_t header = 8;
  if (from->count < header) return 0;
  span start = *from;
  uint64_t size = take(&start, 4);
  *type = (uint32_t)take(&start, 4);
  if (size == 1) {
    size = take(&start, 8);
    header = 16;
  } else if (size == 0) {
    size = from->count;
  }
  if (size < header || size > from->count) return 0;
  *content = (span){from->bytes + header, (size_t)size - header};
  from->bytes += size;
  from->count -= (size_t)size;
  return 1;
}

/// What is in the first box of a type; empty where there is none.
static span find_box(span in, uint32_t wanted) {
  uint32_t type;
  span content;
  while (take_box(&in, &type, &content)) {
    if (type == wanted) return content;
  }
  return (span){NULL, 0};
}

// MARK: - Metadata

/// The boxes of the metadata that matter.
typedef struct metadata {
  const m2fp_source *source;
  span primary;
  span items;
  span locations;
  span references;
  span properties;
  span data;
  /// Lookups that are left; negative: it took more. Hostile files are quick to say much.
  int lookups;
} metadata;

static metadata metadata_in(span meta, const m2fp_source *source) {
  take(&meta, 4);
  metadata found = {source,
                    find_box(meta, TYPE("pitm")),
                    find_box(meta, TYPE("iinf")),
                    find_box(meta, TYPE("iloc")),
                    find_box(meta, TYPE("iref")),
                    find_box(meta, TYPE("iprp")),
                    find_box(meta, TYPE("idat")),
                    MOST_LOOKUPS};
  unsigned version = (unsigned)(take(&found.items, 4) >> 24);
  take(&found.items, version == 0 ? 2 : 4);
  const span lists[] = {found.items, found.locations, found.references, found.properties};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    if (lists[i].count > MOST_LIST) found.lookups = -1;
  }
  return found;
}

/// Counts a lookup. Returns 0 where there were too many.
static int look_up(metadata *meta) {
  if (meta->lookups < 0) return 0;
  meta->lookups--;
  return 1;
}

/// The kind of an item; 0 where there is none of that number, or more than one.
static uint32_t kind_of(metadata *meta, uint32_t wanted) {
  span left = meta->items, box;
  uint32_t type, kind = 0;
  int found = 0;
  if (!look_up(meta)) return 0;
  while (take_box(&left, &type, &box)) {
    unsigned version = (unsigned)(take(&box, 4) >> 24);
    if (type != TYPE("infe") || version < 2) continue;
    if (take(&box, version == 2 ? 2 : 4) != wanted) continue;
    take(&box, 2);
    kind = (uint32_t)take(&box, 4);
    found++;
  }
  return found == 1 ? kind : 0;
}

/// Whether a kind of pictures is made of others. What it does not know libheif refuses by itself.
static int is_derived(uint32_t kind) {
  return kind == TYPE("grid") || kind == TYPE("iovl") || kind == TYPE("iden");
}

/// Copies the beginning of an item from where it lies. Returns how many bytes.
static size_t read_item(metadata *meta, uint32_t wanted, uint8_t bytes[GRID_BYTES]) {
  span from = meta->locations;
  if (!look_up(meta)) return 0;
  unsigned version = (unsigned)(take(&from, 4) >> 24);
  unsigned sizes = (unsigned)take(&from, 2);
  unsigned offset_size = sizes >> 12, length_size = sizes >> 8 & 15, base_size = sizes >> 4 & 15;
  unsigned index_size = version == 0 ? 0 : sizes & 15;
  // Others libheif reads in its own way.
  if ((offset_size | length_size | base_size | index_size) & ~12u) return 0;
  uint64_t items = take(&from, version < 2 ? 2 : 4);
  if (items > MOST_ITEMS) return 0;
  for (uint64_t i = 0; i < items && from.count > 0; i++) {
    uint32_t id = (uint32_t)take(&from, version < 2 ? 2 : 4);
    unsigned method = version == 0 ? 0 : (unsigned)take(&from, 2) & 15;
    take(&from, 2);
    uint64_t base = take(&from, base_size);
    uint64_t extents = take(&from, 2);
    size_t count = 0;
    if (extents > MOST_EXTENTS) return 0;
    for (uint64_t k = 0; k < extents; k++) {
      take(&from, index_size);
      uint64_t offset = take(&from, offset_size) + base;
      uint64_t length = take(&from, length_size);
      size_t room = GRID_BYTES - count;
      if (id != wanted || room == 0) continue;
      if (length < room) room = (size_t)length;
      if (method == 0 && offset <= INT64_MAX) {
        const m2fp_source *source = meta->source;
        count += source->read(source->context, (int64_t)offset, bytes + count, room);
      } else if (method == 1 && offset < meta->data.count) {
        if (room > meta->data.count - offset) room = (size_t)(meta->data.count - offset);
        memcpy(bytes + count, meta->data.bytes + offset, room);
        count += room;
      }
    }
    if (id == wanted) return count;
  }
  return 0;
}

// MARK: - Properties

typedef struct properties {
  uint32_t width;
  uint32_t height;
  /// Of turns, mirrors and cuts, as they follow one another; 0 where there are none.
  uint64_t changes;
  int is_alpha;
} properties;

static void add_property(properties *to, uint32_t type, span box) {
  static const char *const alphas[] = {"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
                                       "urn:mpeg:hevc:2015:auxid:1", "urn:mpeg:avc:2015:auxid:1"};
  if (type == TYPE("ispe")) {
    take(&box, 4);
    to->width = (uint32_t)take(&box, 4);
    to->height = (uint32_t)take(&box, 4);
  } else if (type == TYPE("irot") || type == TYPE("imir") || type == TYPE("clap")) {
    // FNV-1a, of the type and what follows.
    if (to->changes == 0) to->changes = UINT64_C(14695981039346656037);
    to->changes = (to->changes ^ type) * UINT64_C(1099511628211);
    for (size_t i = 0; i < box.count; i++) {
      to->changes = (to->changes ^ box.bytes[i]) * UINT64_C(1099511628211);
    }
  } else if (type == TYPE("auxC")) {
    take(&box, 4);
    for (size_t i = 0; i < sizeof alphas / sizeof *alphas; i++) {
      size_t length = strlen(alphas[i]);
      to->is_alpha |= box.count >= length && memcmp(box.bytes, alphas[i], length) == 0;
    }
  }
}

/// What the boxes say of an item, which `ipma` counts from 1.
static properties properties_of(metadata *meta, uint32_t wanted) {
  properties found = {0};
  if (!look_up(meta)) return found;
  span all = find_box(meta->properties, TYPE("ipco"));
  span from = find_box(meta->properties, TYPE("ipma"));
  uint32_t flags = (uint32_t)take(&from, 4);
  uint64_t entries = take(&from, 4);
  for (uint64_t i = 0; i < entries && from.count > 0; i++) {
    uint32_t id = (uint32_t)take(&from, flags >> 24 == 0 ? 2 : 4);
    for (uint64_t count = take(&from, 1); count > 0; count--) {
      uint64_t index = flags & 1 ? take(&from, 2) & 0x7FFF : take(&from, 1) & 0x7F;
      span left = all, box = {NULL, 0};
      uint32_t type = 0;
      if (id != wanted || index == 0) continue;
      while (index > 0 && take_box(&left, &type, &box)) index--;
      if (index == 0) add_property(&found, type, box);
    }
    if (id == wanted) break;
  }
  return found;
}

// MARK: - References

typedef struct references {
  span left;
  unsigned size;
} references;

static references all_references(metadata *meta) {
  references all = {meta->references, 0};
  all.size = take(&all.left, 4) >> 24 == 0 ? 2 : 4;
  return all;
}

/// The next reference of a type: from which item, and to which. Returns 0 at the end.
static int take_reference(references *all, uint32_t wanted, uint32_t *from, span *to) {
  uint32_t type;
  while (take_box(&all->left, &type, to)) {
    if (type != wanted) continue;
    *from = (uint32_t)take(to, all->size);
    uint64_t count = take(to, 2);
    if (to->count > count * all->size) to->count = (size_t)count * all->size;
    return 1;
  }
  return 0;
}

// MARK: - Pictures

/// A picture as it is put together: of what size, and of coded ones of which size.
typedef struct picture {
  uint64_t width;
  uint64_t height;
  uint32_t coded_width;
  uint32_t coded_height;
  uint64_t changes;
} picture;

/// Reads what the tiles of a grid are, whose size is known. Returns 0 where it says another size, or
/// where they are not all coded, of one size, as they are coded, or leave some of the grid open:
/// libheif would show what lay in memory there.
static int read_tiles(metadata *meta, uint32_t grid, picture *found) {
  uint8_t bytes[GRID_BYTES];
  span item = {bytes, read_item(meta, grid, bytes)}, tiles = {NULL, 0}, to;
  take(&item, 1);
  unsigned size = take(&item, 1) & 1 ? 4 : 2;
  uint64_t rows = take(&item, 1) + 1, columns = take(&item, 1) + 1;
  if (item.count < 2 * size || take(&item, size) != found->width ||
      take(&item, size) != found->height) {
    return 0;
  }
  references all = all_references(meta);
  uint32_t from, last = 0;
  while (tiles.count == 0 && take_reference(&all, TYPE("dimg"), &from, &to)) {
    if (from == grid) tiles = to;
  }
  for (int is_first = 1; tiles.count > 0; is_first = 0) {
    uint32_t tile = (uint32_t)take(&tiles, all.size);
    // Hostile ones name the same a thousand times.
    if (!is_first && tile == last) continue;
    uint32_t kind = kind_of(meta, tile);
    properties of_tile = properties_of(meta, tile);
    if (kind == 0 || is_derived(kind) || of_tile.changes != 0) return 0;
    if (is_first) {
      found->coded_width = of_tile.width;
      found->coded_height = of_tile.height;
    }
    if (of_tile.width != found->coded_width || of_tile.height != found->coded_height) return 0;
    last = tile;
  }
  return found->coded_width * columns >= found->width && found->coded_height * rows >= found->height;
}

/// Reads what an item is. Returns 0, and why, where it is nothing that can be decoded safely.
static int read_picture(metadata *meta, uint32_t id, picture *found,
                        m2fp_image_result *result) {
  uint32_t kind = kind_of(meta, id);
  properties of_item = properties_of(meta, id);
  *found = (picture){of_item.width, of_item.height, of_item.width, of_item.height, of_item.changes};
  if (kind == TYPE("iovl") || kind == TYPE("iden")) {
    m2fp_result_fail(result, M2FP_IMAGE_UNSUPPORTED, "a picture made of others, `%s`",
                     kind == TYPE("iovl") ? "iovl" : "iden");
  } else if (kind == TYPE("grid") && !read_tiles(meta, id, found)) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "its tiles make no picture");
  } else if (found->coded_width > MOST_SIDE || found->coded_height > MOST_SIDE) {
    m2fp_result_fail(result, M2FP_IMAGE_TOO_LARGE, "%u x %u pixels", found->coded_width,
                     found->coded_height);
  }
  return result->status == M2FP_IMAGE_OK;
}

/// Whether a picture has alpha, or is made of pictures that have: libheif would decode that, too.
static int has_alpha(metadata *meta, uint32_t id) {
  references all = all_references(meta);
  uint32_t from;
  span to;
  while (take_reference(&all, TYPE("auxl"), &from, &to)) {
    if (!properties_of(meta, from).is_alpha) continue;
    while (to.count > 0 && look_up(meta)) {
      uint32_t target = (uint32_t)take(&to, all.size), parent;
      if (target == id) return 1;
      references parents = all_references(meta);
      span parts;
      while (take_reference(&parents, TYPE("dimg"), &parent, &parts)) {
        while (parent == id && parts.count > 0) {
          if (take(&parts, all.size) == target) return 1;
        }
      }
    }
  }
  return 0;
}

/// Checks an item that is the primary's alpha: libheif takes for granted that it is as large.
static void check_alpha(metadata *meta, uint32_t alpha, const picture *of,
                        m2fp_image_result *result) {
  picture found;
  if (!read_picture(meta, alpha, &found, result)) return;
  if (found.width != of->width || found.height != of->height || found.changes != of->changes ||
      found.coded_width != of->coded_width || found.coded_height != of->coded_height) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "its alpha has another size");
  } else if (has_alpha(meta, alpha)) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "its alpha has alpha");
  }
}

static void read_layout(metadata *meta, m2fp_heif_layout *layout,
                        m2fp_image_result *result) {
  span box = meta->primary;
  unsigned version = (unsigned)(take(&box, 4) >> 24);
  uint32_t primary = (uint32_t)take(&box, version == 0 ? 2 : 4), from;
  picture found;
  if (!read_picture(meta, primary, &found, result)) return;
  references all = all_references(meta);
  span to;
  while (take_reference(&all, TYPE("auxl"), &from, &to)) {
    if (!properties_of(meta, from).is_alpha) continue;
    while (to.count > 0 && look_up(meta)) {
      if (take(&to, all.size) == primary) check_alpha(meta, from, &found, result);
    }
  }
  if (meta->lookups < 0) {
    m2fp_result_fail(result, M2FP_IMAGE_UNSUPPORTED, "more parts than a photo has");
  }
  layout->width = found.coded_width;
  layout->height = found.coded_height;
  uint64_t pixels = found.width * found.height;
  layout->pixels = pixels > MOST_PIXELS ? MOST_PIXELS + 1 : (int64_t)pixels;
}

void m2fp_heif_read_layout(const m2fp_source *source, m2fp_heif_layout *layout,
                           m2fp_image_result *result) {
  *layout = (m2fp_heif_layout){0};
  int64_t offset = 0;
  int is_found = 0;
  for (int i = 0; i < MOST_BOXES; i++) {
    uint8_t header[16];
    span rest = {header, source->read(source->context, offset, header, sizeof header)};
    if (rest.count < 8) break;
    uint64_t size = take(&rest, 4);
    uint32_t type = (uint32_t)take(&rest, 4);
    int64_t start = size == 1 ? 16 : 8;
    if (size == 1) size = take(&rest, 8);
    // One without a size is the file's last.
    if (size == 0) size = source->size > offset ? (uint64_t)(source->size - offset) : 0;
    if (size < (uint64_t)start || size > (uint64_t)(INT64_MAX - offset)) break;
    if (type == TYPE("meta") && is_found++) {
      m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "its metadata come twice");
    } else if (type == TYPE("meta")) {
      size_t count = (size_t)size - (size_t)start;
      uint8_t *bytes = size > MOST_METADATA ? NULL : malloc(count > 0 ? count : 1);
      if (bytes == NULL) {
        m2fp_result_fail(result, M2FP_IMAGE_OUT_OF_MEMORY, "out of memory");
        return;
      }
      count = source->read(source->context, offset + start, bytes, count);
      metadata meta = metadata_in((span){bytes, count}, source);
      read_layout(&meta, layout, result);
      free(bytes);
    }
    offset += (int64_t)size;
  }
  if (layout->width == 0 || layout->height == 0) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "its boxes tell no size");
  }
}
