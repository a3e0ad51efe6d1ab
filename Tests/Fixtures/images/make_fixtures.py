#!/usr/bin/python3
"""Makes the images in this folder, and beside each good one the pixels it must decode to.

`bad/` holds the files that must fail. `NAME.rgb` holds the reference: upright RGB rows as Pillow
decodes them, also where it departs from the PNG specification. PNGs are written by hand from known
samples, so that what Pillow makes of them is also computed from its rules, by `to_8_bits` and `keyed`.

Needs Pillow 12.3 and numpy from PyPI, and Debian's libjpeg-turbo-progs. Run it in this folder; the
same versions give the same bytes.
"""

import base64
import io
import json
import struct
import subprocess
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL
from PIL import Image, ImageOps

HERE = Path(__file__).parent
WIDTH, HEIGHT = 35, 27

def scene(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A picture with gradients, edges and noise: uint8 (height, width, 3)."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 5 % 256], axis=-1)
    rgb[height // 3 : height // 2, width // 4 : width // 2] = (230, 30, 60)
    noise = np.random.default_rng(7).integers(-12, 13, rgb.shape)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8)


def pillow_reference(data: bytes) -> np.ndarray:
    """What the product promises to equal: uint8 (height, width, 3)."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def write(name: str, data: bytes, reference: np.ndarray | None = None) -> None:
    """Writes an image and its reference, Pillow's unless one is given (for files that Pillow refuses)."""
    (HERE / name).write_bytes(data)
    expected = pillow_reference(data) if reference is None else reference
    (HERE / f"{name}.rgb").write_bytes(np.ascontiguousarray(expected).tobytes())


# JPEG ------------------------------------------------------------------------------------------


def pillow_jpeg(image: Image.Image, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85, **options)
    return out.getvalue()


def cjpeg(rgb: np.ndarray, *options: str) -> bytes:
    ppm = b"P6 %d %d 255\n" % (rgb.shape[1], rgb.shape[0]) + rgb.tobytes()
    return subprocess.run(
        ["cjpeg", "-quality", "85", *options], input=ppm, stdout=subprocess.PIPE, check=True).stdout


def exif_orientation(value: int, big: bool, kind: int = 3) -> bytes:
    """A TIFF block with one entry, the orientation, as SHORT (3) or LONG (4)."""
    order = ">" if big else "<"
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(order + "I", 8)
    payload = struct.pack(order + ("HH" if kind == 3 else "I"), *((value, 0) if kind == 3 else (value,)))
    return head + struct.pack(order + "HHHI", 1, 0x0112, kind, 1) + payload + bytes(4)


def with_app1(jpeg: bytes, tiff: bytes) -> bytes:
    payload = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def make_jpegs() -> None:
    rgb = scene()
    image = Image.fromarray(rgb)
    plain = pillow_jpeg(image, subsampling=0)
    write("baseline-444.jpg", plain)
    write("baseline-420.jpg", pillow_jpeg(image, subsampling=2))
    write("baseline-422.jpg", pillow_jpeg(image, subsampling=1))
    write("progressive.jpg", pillow_jpeg(image, progressive=True))
    write("grey.jpg", pillow_jpeg(image.convert("L")))
    write("rgb-adobe-transform-0.jpg", cjpeg(rgb, "-rgb"))
    write("restart-intervals.jpg", cjpeg(rgb, "-restart", "2B"))
    write("arithmetic.jpg", cjpeg(rgb, "-arithmetic"))
    write("arithmetic-progressive.jpg", cjpeg(rgb, "-arithmetic", "-progressive"))

    ink = np.dstack([255 - rgb, scene()[..., ::-1][..., :1] // 2])
    cmyk = pillow_jpeg(Image.fromarray(ink, "CMYK"))
    write("cmyk-adobe-inverted.jpg", cmyk)
    adobe = cmyk.index(b"\xff\xee")
    marker_end = adobe + 2 + struct.unpack(">H", cmyk[adobe + 2 : adobe + 4])[0]
    assert cmyk[adobe + 4 : adobe + 9] == b"Adobe" and cmyk[marker_end - 1] == 0
    # The last byte of the Adobe marker tells how the colours were transformed: 2 is YCCK.
    write("ycck-adobe-inverted.jpg", cmyk[: marker_end - 1] + b"\x02" + cmyk[marker_end:])
    write("cmyk-without-adobe-marker.jpg", cmyk[:adobe] + cmyk[marker_end:])

    for orientation in range(1, 9):
        write(f"orientation-{orientation}.jpg",
              with_app1(plain, exif_orientation(orientation, big=orientation % 2 == 0)))
    write("orientation-as-long.jpg", with_app1(plain, exif_orientation(6, big=True, kind=4)))
    write("orientation-9.jpg", with_app1(plain, exif_orientation(9, big=True)))
    beyond = exif_orientation(6, big=True)[:4] + struct.pack(">I", 0xFFFFFFF0)
    write("exif-directory-out-of-bounds.jpg", with_app1(plain, beyond + bytes(16)),
          pillow_reference(plain))
    entries = exif_orientation(3, big=False)
    entries = entries[:8] + b"\xff\xff" + entries[10:]
    write("exif-too-many-entries.jpg", with_app1(plain, entries),
          pillow_reference(plain)[::-1, ::-1])

    table = plain.index(b"\xff\xdb")
    write("extraneous-bytes-before-marker.jpg", plain[:table] + bytes(11) + plain[table:],
          pillow_reference(plain))
    write("trailing-bytes.jpg", plain + b"and more" * 20)
    write("one-pixel.jpg", pillow_jpeg(Image.new("RGB", (1, 1), (200, 100, 50))))


# PNG -------------------------------------------------------------------------------------------

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed_rows(samples: np.ndarray, depth: int) -> list[bytes]:
    rows = []
    for row in samples.reshape(samples.shape[0], -1):
        if depth == 16:
            rows.append(row.astype(">u2").tobytes())
        elif depth == 8:
            rows.append(row.astype(np.uint8).tobytes())
        else:
            bits = (row[:, None] >> np.arange(depth - 1, -1, -1)) & 1
            rows.append(np.packbits(bits.astype(np.uint8).ravel()).tobytes())
    return rows


def paeth(a: int, b: int, c: int) -> int:
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def filtered(rows: list[bytes], step: int) -> bytes:
    """Filters the rows, each with the next of the five filters."""
    out, above = bytearray(), bytes(len(rows[0]))
    for index, row in enumerate(rows):
        kind = index % 5
        out.append(kind)
        for i, value in enumerate(row):
            a, b, c = row[i - step] if i >= step else 0, above[i], above[i - step] if i >= step else 0
            out.append((value - (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]) & 255)
        above = row
    return bytes(out)


def png(samples: np.ndarray, depth: int, colour: int, *, adam7: bool = False, before: bytes = b"",
        after: bytes = b"") -> bytes:
    """A PNG of `samples` (height, width, channels); `before` and `after` are chunks round IDAT."""
    height, width, channels = samples.shape
    step = max(1, depth * channels // 8)
    if adam7:
        data = b"".join(
            filtered(packed_rows(part, depth), step)
            for x, y, dx, dy in ADAM7 if (part := samples[y::dy, x::dx]).size)
    else:
        data = filtered(packed_rows(samples, depth), step)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(adam7))
    stream = zlib.compress(data)
    half = len(stream) // 2
    return (SIGNATURE + chunk(b"IHDR", head) + before + chunk(b"IDAT", stream[:half])
            + chunk(b"IDAT", stream[half:]) + after + chunk(b"IEND", b""))


def to_8_bits(samples: np.ndarray, depth: int) -> np.ndarray:
    samples = samples.astype(np.int64)
    return (samples >> 8 if depth == 16 else samples * 255 // (2**depth - 1)).astype(np.uint8)


def keyed(shown: np.ndarray, key: tuple[int, ...]) -> np.ndarray:
    """White where a tRNS colour is: Pillow compares its low byte with samples of 8 bits (of 1-bit
    grey, the colour as such a sample)."""
    low = np.array(key) & 255
    return np.where((shown == low).all(axis=2, keepdims=True), 255, shown).astype(np.uint8)


def over_white(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    image = Image.fromarray(np.dstack([rgb, alpha]).astype(np.uint8), "RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(white, image).convert("RGB"))


def write_png(name: str, data: bytes, expected: np.ndarray) -> None:
    """Writes a PNG after comparing Pillow's pixels with those expected."""
    assert np.array_equal(pillow_reference(data), expected), name
    write(name, data)


def make_pngs() -> None:
    rgb8 = scene()
    wide = rgb8.astype(np.uint16) * 256 + np.random.default_rng(8).integers(0, 256, rgb8.shape)
    alpha8 = np.random.default_rng(9).integers(0, 256, (HEIGHT, WIDTH, 1))
    alpha8[:5], alpha8[5:9] = 0, 255
    alpha16 = alpha8 * 256 + 77
    palette = np.random.default_rng(10).integers(0, 256, (256, 3)).astype(np.uint8)

    for depth in (1, 2, 4, 8, 16):
        grey = (wide[..., 1:2] >> (16 - depth)).astype(np.int64)
        grey[:3, :, 0] >>= depth // 2  # 16 bits: shades that Pillow does not clip
        shown = np.repeat(np.minimum(grey, 255).astype(np.uint8) if depth == 16 else to_8_bits(grey, depth), 3, axis=2)
        for adam7, suffix in ((False, ""), (True, "-adam7")):
            write_png(f"grey-{depth}bit{suffix}.png", png(grey, depth, GREY, adam7=adam7), shown)
        # A key at the file's own depth, and one that Pillow's comparison finds.
        for key, suffix in ((int(grey[0, WIDTH // 2, 0]), ""), (0x0100 | int(shown[0, WIDTH // 2, 0]), "-low-byte")):
            data = png(grey, depth, GREY, before=chunk(b"tRNS", struct.pack(">H", key)))
            level = (255 if key else 0) if depth == 1 else key
            write_png(f"grey-{depth}bit-trns{suffix}.png", data, keyed(shown, (level, level, level)))
        if depth <= 8:
            index = (wide[..., 0:1] >> (16 - depth)).astype(np.int64)
            colours = palette[: 2**depth]
            plte = chunk(b"PLTE", colours.tobytes())
            for adam7, suffix in ((False, ""), (True, "-adam7")):
                write_png(f"palette-{depth}bit{suffix}.png",
                          png(index, depth, PALETTE, adam7=adam7, before=plte), colours[index[..., 0]])
            alphas = np.full(256, 255)
            alphas[: 2 ** (depth - 1)] = np.linspace(0, 250, 2 ** (depth - 1)).astype(int)
            trns = chunk(b"tRNS", bytes(alphas[: 2 ** (depth - 1)].tolist()))
            write_png(f"palette-{depth}bit-trns.png", png(index, depth, PALETTE, before=plte + trns),
                      over_white(colours[index[..., 0]], alphas[index]))

    for depth, samples, alpha in ((8, rgb8.astype(np.int64), alpha8), (16, wide.astype(np.int64), alpha16)):
        shown = to_8_bits(samples, depth)
        # A key at the file's own depth, and one that Pillow's comparison finds.
        for key, suffix in ((samples[3, 4], ""), (shown[3, 4] + np.array([0, 256, 512]), "-low-byte")):
            trns = chunk(b"tRNS", struct.pack(">HHH", *key.tolist()))
            write_png(f"rgb-{depth}bit-trns{suffix}.png", png(samples, depth, RGB, before=trns),
                      keyed(shown, tuple(key)))
        shown_alpha = to_8_bits(alpha, depth)[..., 0]
        both = np.dstack([samples, alpha])
        grey = samples[..., :1]
        grey_both = np.dstack([grey, alpha])
        grey_shown = np.repeat(shown[..., :1], 3, axis=2)
        for adam7, suffix in ((False, ""), (True, "-adam7")):
            write_png(f"rgb-{depth}bit{suffix}.png", png(samples, depth, RGB, adam7=adam7), shown)
            write_png(f"rgba-{depth}bit{suffix}.png", png(both, depth, RGBA, adam7=adam7),
                      over_white(shown, shown_alpha))
            write_png(f"grey-alpha-{depth}bit{suffix}.png", png(grey_both, depth, GREY_ALPHA, adam7=adam7),
                      over_white(grey_shown, shown_alpha))

    samples = rgb8.astype(np.int64)
    turned = {6: np.rot90(rgb8, -1), 5: rgb8.transpose(1, 0, 2), 3: rgb8[::-1, ::-1]}
    write_png("exif-orientation-6.png",
              png(samples, 8, RGB, before=chunk(b"eXIf", exif_orientation(6, big=True))), turned[6])
    write_png("exif-orientation-5-after-idat-adam7.png",
              png(samples, 8, RGB, adam7=True, after=chunk(b"eXIf", exif_orientation(5, big=False))), turned[5])
    write_png("exif-orientation-3-alpha.png",
              png(np.dstack([samples, alpha8]), 8, RGBA, before=chunk(b"eXIf", exif_orientation(3, big=False))),
              over_white(rgb8, alpha8[..., 0])[::-1, ::-1])
    write_png("gamma.png", png(samples, 8, RGB, before=chunk(b"gAMA", struct.pack(">I", 100000))), rgb8)
    write_png("every-alpha-and-level.png",
              png(np.dstack(np.broadcast_arrays(*np.meshgrid(np.arange(256), np.arange(256)))), 8, GREY_ALPHA),
              over_white(np.repeat(np.tile(np.arange(256), (256, 1))[..., None], 3, axis=2),
                         np.tile(np.arange(256)[:, None], (1, 256))))
    write_png("trailing-bytes.png", png(samples, 8, RGB) + b"and more" * 20, rgb8)
    control = struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
    next_control = struct.pack(">IIIIIHHBB", 1, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
    other = zlib.compress(filtered(packed_rows(255 - samples, 8), 3))
    write_png("animated.png",
              png(samples, 8, RGB,
                  before=chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", control),
                  after=chunk(b"fcTL", next_control) + chunk(b"fdAT", struct.pack(">I", 2) + other)), rgb8)
    write_png("palette-of-5-colours.png",
              png(np.minimum(samples[..., :1], 4), 8, PALETTE, before=chunk(b"PLTE", palette[:5].tobytes())),
              palette[np.minimum(samples[..., 0], 4)])


# Bad files -------------------------------------------------------------------------------------


def make_bad_files() -> None:
    bad = HERE / "bad"
    bad.mkdir(exist_ok=True)
    large = scene(160, 120)
    whole = pillow_jpeg(Image.fromarray(large), subsampling=0)
    for percent in (10, 50, 99):
        (bad / f"truncated-at-{percent}-percent.jpg").write_bytes(whole[: len(whole) * percent // 100])
    progressive = pillow_jpeg(Image.fromarray(large), progressive=True)
    (bad / "truncated-at-50-percent-progressive.jpg").write_bytes(progressive[: len(progressive) // 2])
    good = png(scene().astype(np.int64), 8, RGB)
    (bad / "truncated-at-50-percent.png").write_bytes(good[: len(good) // 2])
    crc = good.index(b"IHDR") + 4 + 13
    (bad / "bad-crc.png").write_bytes(good[:crc] + bytes([good[crc] ^ 1]) + good[crc + 1 :])
    cut = good[:-12] + chunk(b"tEXt", b"Comment\0cut off")[:-8]
    (bad / "cut-in-a-chunk-after-the-pixels.png").write_bytes(cut)
    stream = good.rindex(b"IDAT") + 4 + struct.unpack(">I", good[good.rindex(b"IDAT") - 4 :][:4])[0]
    (bad / "adler-does-not-match.png").write_bytes(
        fixed_crcs(good[: stream - 1] + bytes([good[stream - 1] ^ 1]) + good[stream:]))
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2 << 20)))
    (bad / "text-of-2-mebibytes.png").write_bytes(good[:33] + bomb + good[33:])
    # Apple's variant: a chunk of its own first, and no zlib header.
    deflate = zlib.compressobj(wbits=-15)
    head = good[8:33]
    raw = deflate.compress(filtered(packed_rows(scene().astype(np.int64), 8), 3)) + deflate.flush()
    (bad / "cgbi.png").write_bytes(
        SIGNATURE + chunk(b"CgBI", b"\x50\0\x20\x02") + head + chunk(b"IDAT", raw) + chunk(b"IEND", b""))
    lossless = whole[: whole.index(b"\xff\xc0")] + b"\xff\xf7" + whole[whole.index(b"\xff\xc0") + 2 :]
    (bad / "jpeg-ls.jpg").write_bytes(lossless)
    (bad / "git-lfs-pointer.jpg").write_text(
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n")
    (bad / "base64.jpg").write_bytes(base64.encodebytes(whole))
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, RGB, 0, 0, 0)
    (bad / "header-100000x100000.png").write_bytes(
        SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
    frame = whole.index(b"\xff\xc0")
    sides = struct.pack(">HH", 65_000, 65_000)
    (bad / "header-65000x65000.jpg").write_bytes(whole[: frame + 5] + sides + whole[frame + 9 :])
    (bad / "empty.jpg").write_bytes(b"")
    (bad / "text.jpg").write_text("This is no photo.\n")


# Resizing and preprocessing --------------------------------------------------------------------


def pattern(width: int, height: int) -> np.ndarray:
    """Bytes that the tests make, too: the top byte of a 32-bit linear congruential generator."""
    count = width * height * 3
    values = np.empty(count, dtype=np.uint32)
    state = np.uint32(width * 65_536 + height)
    multiplier, increment = np.uint32(1_664_525), np.uint32(1_013_904_223)
    block = 1 << 12
    # Jump-ahead tables turn the sequential recurrence into whole-array arithmetic.
    factors, offsets = np.empty(block, np.uint32), np.empty(block, np.uint32)
    factor, offset = np.uint32(1), np.uint32(0)
    with np.errstate(over="ignore"):
        for i in range(block):
            offset = offset * multiplier + increment
            factor = factor * multiplier
            factors[i], offsets[i] = factor, offset
        for start in range(0, count, block):
            part = (factors * state + offsets)[: count - start]
            values[start : start + block] = part
            state = part[-1]
    return (values >> 24).astype(np.uint8).reshape(height, width, 3)


RESIZES = [
    ((97, 61), (20, 31)), ((97, 61), (97, 31)), ((97, 61), (20, 61)), ((97, 61), (97, 61)),
    ((20, 31), (97, 61)), ((20, 31), (21, 30)), ((97, 61), (150, 40)), ((97, 61), (40, 150)),
    ((64, 48), (80, 60)), ((128, 96), (100, 75)), ((199, 133), (160, 107)), ((1, 1), (7, 5)),
    ((7, 5), (1, 1)), ((2000, 3), (5, 9)), ((3, 2000), (9, 5)), ((150, 113), (40, 30)),
    ((129, 127), (128, 128)), ((63, 65), (64, 64)), ((4000, 30), (800, 6)),
]


# (source, target), (width, height) each: enlarged, reduced, one pixel wide, one pixel.
WARPS = [
    ((90, 70), (64, 64)), ((70, 90), (64, 64)), ((40, 30), (47, 47)), ((641, 480), (47, 47)),
    ((31, 57), (48, 64)), ((200, 31), (48, 64)), ((1, 300), (33, 33)), ((1, 1), (5, 5)),
]  # fmt: skip


def warp(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """OpenCV's: centred, the centres of the outermost pixels of the side that decides on the target's."""
    rows, columns = pixels.shape[:2]
    box = max(columns - 1, (rows - 1) * width / height, 1)
    to_x, to_y = (width - 1) / 2, (height - 1) / 2
    from_x, from_y = (columns - 1) / 2, (rows - 1) / 2
    source = [[from_x, from_y], [from_x, from_y - box / 2], [from_x - box / 2, from_y]]
    target = [[to_x, to_y], [to_x, to_y - to_x], [0, to_y]]
    matrix = cv2.getAffineTransform(np.float32(source), np.float32(target))
    return cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_LINEAR)


def make_numeric_references() -> None:
    warps = [
        {"from": source, "to": target, "crc32": zlib.crc32(warp(pattern(*source), *target).tobytes())}
        for source, target in WARPS
    ]
    resizes = []
    for source, target in RESIZES:
        result = Image.fromarray(pattern(*source)).resize(target, Image.Resampling.BILINEAR)
        resizes.append({"from": source, "to": target, "crc32": zlib.crc32(np.asarray(result).tobytes())})

    mean = np.array([123.675, 116.28, 103.53], np.float32)[:, None, None]
    std = np.array([58.395, 57.12, 57.375], np.float32)[:, None, None]
    image = pattern(90, 70)
    content = np.asarray(Image.fromarray(image).resize((82, 64), Image.Resampling.BILINEAR))
    scaled = content.transpose(2, 0, 1).astype(np.float32) / np.float32(255) * np.float32(255)
    multi = np.zeros((3, 64, 96), np.float32)
    multi[:, :, :82] = (scaled - mean) / std
    content = np.asarray(Image.fromarray(image).resize((48, 37), Image.Resampling.BILINEAR))
    padded = np.full((64, 48, 3), 128, np.uint8)
    padded[13 : 13 + 37] = content
    single = np.zeros((3, 64, 64), np.float32)
    single[:, :, :48] = (padded.transpose(2, 0, 1).astype(np.float32) - mean) / std
    (HERE / "numeric-references.json").write_text(json.dumps({
        "resizes": resizes,
        "warps": warps,
        "multi90x70short64": zlib.crc32(multi.tobytes()),
        "single90x70into48x64": zlib.crc32(single.tobytes()),
    }, indent=1) + "\n")


# What Pillow 12 reads -----------------------------------------------------------------------------

XMP = ('<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
       'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
       'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"%s</rdf:RDF></x:xmpmeta><?xpacket end="w"?>')
XMP_ATTRIBUTE = XMP % ' tiff:Orientation="%d"/>'
XMP_ELEMENT = XMP % "><tiff:Orientation>%d</tiff:Orientation></rdf:Description>"


def fixed_crcs(data: bytes) -> bytes:
    """A PNG with the CRCs that its chunks should have."""
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        end = at + 8 + struct.unpack(">I", out[at : at + 4])[0]
        out[end : end + 4] = struct.pack(">I", zlib.crc32(out[at + 4 : end]))
        at = end + 4
    return bytes(out)


def exif_tag(kind: int, count: int, value: bytes, big: bool, tag: int = 0x0112) -> bytes:
    """A TIFF block with one entry; `value` that is longer than four bytes follows the directory."""
    order = ">" if big else "<"
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(order + "I", 8)
    place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(order + "I", 8 + 2 + 12 + 4)
    entry = struct.pack(order + "HHHI", 1, tag, kind, count) + place + bytes(4)
    return head + entry + (value if len(value) > 4 else b"")


def with_segment(jpeg: bytes, payload: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def turned(data: bytes) -> int:
    """Which orientation Pillow sees, by the picture it gives."""
    shown = pillow_reference(data).astype(int)
    plain = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    ways = [plain, plain[:, ::-1], plain[::-1, ::-1], plain[::-1], plain.transpose(1, 0, 2),
            np.rot90(plain, -1), np.rot90(plain, 2).transpose(1, 0, 2), np.rot90(plain)]
    return next(n for n, way in enumerate(ways, 1) if way.shape == shown.shape and (way == shown).all())


def make_orientations() -> None:
    plain = pillow_jpeg(Image.fromarray(scene()), subsampling=0)
    xmp_name = b"http://ns.adobe.com/xap/1.0/\0"

    def write_jpeg(name: str, orientation: int, *payloads: bytes) -> None:
        data = plain
        for payload in reversed(payloads):
            data = with_segment(data, payload)
        assert turned(data) == orientation, (name, turned(data))
        write(name, data)

    def exif(*arguments) -> bytes:
        return b"Exif\0\0" + exif_tag(*arguments)

    write_jpeg("xmp-orientation-6.jpg", 6, xmp_name + (XMP_ATTRIBUTE % 6).encode())
    write_jpeg("xmp-orientation-8-as-element.jpg", 8, xmp_name + (XMP_ELEMENT % 8).encode())
    write_jpeg("exif-orientation-3-before-xmp-6.jpg", 3,
               exif(3, 1, struct.pack("<H", 3), False), xmp_name + (XMP_ATTRIBUTE % 6).encode())
    write_jpeg("exif-silent-xmp-orientation-6.jpg", 6, xmp_name + (XMP_ATTRIBUTE % 6).encode(),
               exif(3, 1, struct.pack("<H", 2), False, 0x0128))
    write_jpeg("exif-header-doubled-orientation-6.jpg", 6, b"Exif\0\0" + exif(3, 1, struct.pack(">H", 6), True))
    block = exif(3, 1, struct.pack(">H", 6), True)
    write_jpeg("exif-mm-star-nul-orientation-6.jpg", 6, block.replace(b"MM\0*", b"MM*\0"))
    block = exif(3, 1, struct.pack("<H", 6), False)
    write_jpeg("exif-ii-nul-star-orientation-6.jpg", 6, block.replace(b"II*\0", b"II\0*"))
    block = exif(5, 1, struct.pack("<II", 12, 2), False)
    write_jpeg("exif-in-two-segments-orientation-6.jpg", 6, block[:-3], b"Exif\0\0" + block[-3:])
    for index, (name, orientation, kind, count, form, values) in enumerate((
        ("signed-byte", 6, 6, 1, "b", (6,)), ("signed-short", 6, 8, 1, "h", (6,)),
        ("signed-long", 6, 9, 1, "i", (6,)), ("directory-offset", 6, 13, 1, "I", (6,)),
        ("long8", 6, 16, 1, "Q", (6,)), ("rational", 6, 5, 1, "II", (12, 2)),
        ("signed-rational", 6, 10, 1, "ii", (-12, -2)), ("float", 6, 11, 1, "f", (6.0,)),
        ("double", 6, 12, 1, "d", (6.0,)), ("first-of-two-shorts", 6, 3, 2, "HH", (6, 3)),
        ("first-of-three-shorts", 6, 3, 3, "HHH", (6, 3, 8)), ("byte", 1, 1, 1, "B", (6,)),
        ("text", 1, 2, 2, "2s", (b"6",)), ("broken-rational", 1, 5, 1, "II", (13, 2)),
        ("negative-short", 1, 8, 1, "h", (-6,)), ("no-value", 1, 3, 0, "H", (6,)),
    )):
        big = index % 2 == 0
        value = struct.pack((">" if big else "<") + form, *values)
        write_jpeg(f"exif-orientation-{orientation}-as-{name}.jpg", orientation,
                   exif(kind, count, value, big))

    samples = scene().astype(np.int64)
    block = exif(3, 1, struct.pack(">H", 6), True)
    raw = b"\nexif\n%8d\n" % len(block) + b"\n".join(
        block.hex().encode()[i : i + 72] for i in range(0, 2 * len(block), 72)) + b"\n"
    key = b"Raw profile type exif\0"
    xmp = (XMP_ATTRIBUTE % 6).encode()
    international = b"XML:com.adobe.xmp\0%c\0en\0\0"
    for name, orientation, before, after in (
        ("raw-profile-in-ztxt", 6, chunk(b"zTXt", key + b"\0" + zlib.compress(raw)), b""),
        ("raw-profile-in-text", 6, chunk(b"tEXt", key + raw), b""),
        ("raw-profile-after-idat", 6, b"", chunk(b"tEXt", key + raw)),
        ("raw-profile-of-no-hex", 1, chunk(b"tEXt", key + raw.replace(b"4d4d", b"4d4x")), b""),
        ("exif-before-raw-profile", 3,
         chunk(b"tEXt", key + raw) + chunk(b"eXIf", exif_orientation(3, big=True)), b""),
        ("xmp", 6, chunk(b"iTXt", international % 0 + xmp), b""),
        ("xmp-compressed", 6, b"", chunk(b"iTXt", international % 1 + zlib.compress(xmp))),
    ):
        data = png(samples, 8, RGB, before=before, after=after)
        # Pillow does not turn where a profile makes it fail.
        shown = scene() if orientation == 1 else pillow_reference(data)
        assert orientation == 1 or turned(data) == orientation, name
        write(f"orientation-{orientation}-{name}.png", data, shown)


def make_damaged_files() -> None:
    """Files that Pillow reads although something is wrong with them."""
    rgb = scene()
    plain = pillow_jpeg(Image.fromarray(rgb), subsampling=0)
    assert plain.endswith(b"\xff\xd9")
    write("damaged-no-end-marker-zeros-follow.jpg", plain[:-2] + bytes(600))
    large = scene(160, 120)
    restarts = cjpeg(large, "-restart", "1")
    first = restarts.index(b"\xff\xd2")
    write("damaged-lost-restart-interval.jpg",
          restarts[:first] + restarts[restarts.index(b"\xff\xd3") :])
    scan = plain.index(b"\xff\xda")
    middle = (scan + len(plain)) // 2
    write("damaged-end-marker-amid-pixels.jpg", plain[:middle] + b"\xff\xd9")
    samples = rgb.astype(np.int64)
    good = png(samples, 8, RGB)
    write("damaged-no-iend.png", good[:-12], rgb)
    write("damaged-cut-inside-iend.png", good[:-9], rgb)
    text = chunk(b"tEXt", b"Comment\0checked badly")
    write("damaged-bad-crc-of-text-after-idat.png", good[:-12] + text[:-1] + b"!" + good[-12:], rgb)
    spot = good.index(b"IDAT") + 4 + struct.unpack(">I", good[good.index(b"IDAT") - 4 :][:4])[0]
    write("damaged-bad-crc-of-idat.png", good[:spot] + bytes([good[spot] ^ 1]) + good[spot + 1 :], rgb)
    write("damaged-junk-after-idat.png", good[:-12] + b"\0\0\0\4\xff\xff\xff\xff" + good[-12:], rgb)


def make_odd_pngs() -> None:
    """PNGs that libpng would not read, or not so."""
    rgb = scene()
    samples = rgb.astype(np.int64)
    # Matches farther back than the window that the header claims.
    wide = np.tile(np.random.default_rng(11).integers(0, 256, (1, 300, 3)), (4, 1, 1))
    data = png(wide, 8, RGB)
    at = data.index(b"IDAT") + 4
    claimed = bytes([0x18, 0x19])  # 512 bytes, and the check bits for it
    assert (claimed[0] << 8 | claimed[1]) % 31 == 0
    write("zlib-window-too-small.png", fixed_crcs(data[:at] + claimed + data[at + 2 :]), wide.astype(np.uint8))
    write("unknown-critical-chunk.png", png(samples, 8, RGB, before=chunk(b"ABCD", b"?")), rgb)
    index = (samples[..., :1] >> 4)
    write("palette-missing.png", png(index, 8, PALETTE))
    write("transparency-before-palette.png",
          png(index, 4, PALETTE, before=chunk(b"tRNS", bytes(range(0, 160, 10)))
              + chunk(b"PLTE", bytes(range(48)))))
    write("transparency-after-idat.png",
          png(samples, 8, RGB, after=chunk(b"tRNS", struct.pack(">HHH", *rgb[3, 4].tolist()))))


def make_cuts() -> None:
    """How long files must be for Pillow to read them, and which cuts it reads besides."""

    def reads(data: bytes) -> bool:
        try:
            Image.open(io.BytesIO(data)).load()
        except Exception:  # Pillow raises whatever its parsers do
            return False
        return True

    names = ["baseline-420.jpg", "progressive.jpg", "arithmetic.jpg", "rgba-8bit-adam7.png", "grey-1bit.png"]
    (HERE / "cuts.json").write_text(json.dumps({
        name: [count for count in range(len(data)) if reads(data[:count])]
        for name in names for data in [(HERE / name).read_bytes()]}) + "\n")


if __name__ == "__main__":
    make_jpegs()
    make_pngs()
    make_orientations()
    make_damaged_files()
    make_odd_pngs()
    make_bad_files()
    make_cuts()
    # By Debian's Pillow, 9.4: later ones round one of these resizes differently.
    if PIL.__version__.startswith("9."):
        make_numeric_references()
