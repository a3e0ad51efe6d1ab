#!/usr/bin/python3
"""Makes the images in this folder that are neither JPEG nor PNG, as make_fixtures.py makes those.

Needs Pillow 12.3 and numpy from PyPI, and Debian's libavif-bin, libheif-examples,
libjxl-tools and libtiff-tools. Run it in this folder: `python make_formats.py`. The references of WebP, TIFF, GIF and BMP
are Pillow's; those of HEIC and AVIF are heif-convert's, those of JPEG XL djxl's.
"""

import io
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from make_fixtures import HERE, RGB, exif_orientation, pillow_reference, png, scene, write


def saved(image: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def with_alpha(width: int = 35, height: int = 27) -> Image.Image:
    """The scene, from transparent at the left to opaque at the right."""
    alpha = np.broadcast_to(np.linspace(0, 255, width).astype(np.uint8), (height, width))
    return Image.fromarray(np.dstack([scene(width, height), alpha]))


def run(tool: str, data: bytes, *options: str, suffix: str = "") -> bytes:
    """What a command makes of a file; `{in}` and `{out}` in its options are the two."""
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / f"in{suffix}", Path(folder) / "out"
        source.write_bytes(data)
        subprocess.run([tool, *(option.format(**{"in": source, "out": made}) for option in options)],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return made.read_bytes()


# WebP ------------------------------------------------------------------------------------------


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def chunks_of(webp: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 12
    while at < len(webp):
        (size,) = struct.unpack("<I", webp[at + 4 : at + 8])
        found.append((webp[at : at + 4], webp[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return found


def make_webps() -> None:
    rgb = Image.fromarray(scene())
    lossy = saved(rgb, "WEBP", quality=80)
    write("lossy.webp", lossy)
    write("lossless.webp", saved(rgb, "WEBP", lossless=True))
    write("lossy-alpha.webp", saved(with_alpha(), "WEBP", quality=80))
    write("lossless-alpha.webp", saved(with_alpha(), "WEBP", lossless=True, exact=True))
    write("lossless-palette.webp", saved(rgb.quantize(9).convert("RGB"), "WEBP", lossless=True))
    for orientation in range(1, 9):
        write(f"orientation-{orientation}.webp",
              saved(rgb, "WEBP", quality=80, exif=exif_orientation(orientation, big=False)))
    write("orientation-6-alpha.webp",
          saved(with_alpha(), "WEBP", lossless=True, exif=exif_orientation(6, big=True)))
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    write("orientation-8-xmp.webp", saved(rgb, "WEBP", quality=80, xmp=xmp))
    frames = [with_alpha(), Image.fromarray(255 - scene())]
    write("animated-alpha.webp", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    # A first frame that is smaller than the canvas, of which the rest is transparent.
    (frame,) = [data for name, data in chunks_of(saved(rgb.crop((0, 0, 20, 10)), "WEBP", lossless=True))
                if name == b"VP8L"]
    canvas = struct.pack("<I", 0x12)[:4] + (34).to_bytes(3, "little") + (26).to_bytes(3, "little")
    place = (3).to_bytes(3, "little") + (2).to_bytes(3, "little")
    size = (19).to_bytes(3, "little") + (9).to_bytes(3, "little")
    image = b"VP8L" + struct.pack("<I", len(frame)) + frame + bytes(len(frame) % 2)
    animation = (b"ANMF", place + size + (40).to_bytes(3, "little") + b"\0" + image)
    write("animated-first-frame-smaller-alpha.webp",
          riff((b"VP8X", canvas), (b"ANIM", b"\xff\xff\xff\xff\0\0"), animation))
    write("trailing-bytes.webp", lossy + bytes(100))
    (HERE / "bad" / "truncated-at-50-percent.webp").write_bytes(lossy[: len(lossy) // 2])
    broken = bytearray(lossy)
    broken[23] ^= 0xFF  # the start code of the frame
    (HERE / "bad" / "frame-without-start-code.webp").write_bytes(bytes(broken))
    (HERE / "bad" / "header-16383x16383.webp").write_bytes(
        lossy[:26] + struct.pack("<HH", 16383, 16383) + lossy[30:])


# TIFF ------------------------------------------------------------------------------------------


def tiff(samples: np.ndarray, photometric: int, order: str = "<", **tags: list[int]) -> bytes:
    """A TIFF of one plain strip; `samples` is (height, width, channels) of uint8 or uint16."""
    height, width, channels = samples.shape
    bits = samples.dtype.itemsize * 8
    data = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    entries = {256: [width], 257: [height], 258: [bits] * channels, 259: [1], 262: [photometric],
               273: [8], 277: [channels], 278: [height], 279: [len(data)]}
    entries |= {int(tag[1:]): values for tag, values in tags.items()}
    directory = 8 + len(data)
    beyond, table = directory + 2 + 12 * len(entries) + 4, b""
    extra = b""
    for tag, values in sorted(entries.items()):
        kind, code = (4, "I") if tag in (273, 279, 330) else (3, "H")
        packed = struct.pack(f"{order}{len(values)}{code}", *values)
        if len(packed) > 4:
            table += struct.pack(order + "HHII", tag, kind, len(values), beyond + len(extra))
            extra += packed
        else:
            table += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", directory)
    return head + data + struct.pack(order + "H", len(entries)) + table + bytes(4) + extra


def make_tiffs() -> None:
    rgb = scene()
    image = Image.fromarray(rgb)
    for name in ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg"):
        write(f"rgb-{name.removeprefix('tiff_')}.tiff", saved(image, "TIFF", compression=name))
    write("bilevel-group4.tiff", saved(image.convert("1"), "TIFF", compression="group4"))
    grey, alpha = image.convert("L"), with_alpha()
    write("grey.tiff", saved(grey, "TIFF"))
    write("grey-alpha.tiff", saved(alpha.convert("LA"), "TIFF", compression="tiff_lzw"))
    write("palette.tiff", saved(image.quantize(40), "TIFF", compression="tiff_lzw"))
    write("rgba.tiff", saved(alpha, "TIFF", compression="tiff_lzw"))
    ink = np.dstack([255 - rgb, scene()[..., ::-1][..., :1] // 2])
    write("cmyk.tiff", saved(Image.fromarray(ink, "CMYK"), "TIFF", compression="tiff_lzw"))
    write("ycbcr-jpeg.tiff", saved(image.convert("YCbCr"), "TIFF", compression="jpeg"))
    write("ycbcr.tiff", saved(image.convert("YCbCr"), "TIFF", compression="tiff_lzw"))
    deep = rgb.astype(np.uint16) * 257 + 91
    write("rgb-16bit.tiff", tiff(deep, 2))
    write("rgb-16bit-big-endian.tiff", tiff(deep, 2, ">"))
    write("grey-16bit.tiff", tiff(deep[..., :1] // 200, 1))
    write("grey-white-is-zero.tiff", tiff(rgb[..., :1], 0))
    premultiplied = np.asarray(alpha.convert("RGBa"))
    write("rgb-alpha-multiplied.tiff", tiff(premultiplied.copy(), 2, t338=[1]))
    write("rgb-and-a-fourth-sample.tiff", tiff(np.asarray(alpha).copy(), 2, t338=[0]))
    write("rgb-and-untold-alpha.tiff", tiff(np.asarray(alpha).copy(), 2))
    # It tells of an extra sample that is not there.
    write("grey-and-no-extra-sample.tiff", tiff(rgb[..., :1], 1, t338=[2]), np.repeat(rgb[..., :1], 3, 2))
    for orientation in range(1, 9):
        write(f"orientation-{orientation}.tiff", tiff(rgb, 2, t274=[orientation]))
    plain = saved(image, "TIFF")
    for name, options in {
        "rgb-tiles": ["-t", "-w", "16", "-l", "16", "-c", "lzw:2"],
        "rgb-separate-planes": ["-p", "separate", "-r", "8", "-c", "zip"],
        "rgb-separate-tiles": ["-p", "separate", "-t", "-w", "32", "-l", "16"],
        "rgb-big-tiff": ["-8", "-r", "5"],
    }.items():
        write(f"{name}.tiff", run("tiffcp", plain, *options, "{in}", "{out}"))
    turned = tiff(rgb, 2, t274=[6])
    write("orientation-6-tiles.tiff",
          run("tiffcp", turned, "-t", "-w", "16", "-l", "16", "{in}", "{out}"))
    write("two-pages.tiff", saved(image, "TIFF", save_all=True, append_images=[grey]))
    (HERE / "bad" / "truncated-at-50-percent.tiff").write_bytes(tiff(rgb, 2)[:1500])
    lzw = saved(image, "TIFF", compression="tiff_lzw")
    (HERE / "bad" / "strip-beyond-the-end.tiff").write_bytes(tiff(rgb, 2, t273=[2000]))
    (HERE / "bad" / "header-60000x60000.tiff").write_bytes(
        tiff(rgb, 2, t256=[60000], t257=[60000]))
    (HERE / "bad" / "camera-raw-preview.tiff").write_bytes(tiff(rgb, 2, t254=[1], t330=[8]))
    (HERE / "bad" / "jpeg-2000-inside.tiff").write_bytes(tiff(rgb, 2, t259=[34712]))
    (HERE / "bad" / "float.tiff").write_bytes(tiff(rgb.astype(np.uint16), 2, t339=[3, 3, 3]))
    (HERE / "bad" / "lzw-of-noise.tiff").write_bytes(
        lzw[:8] + bytes(np.random.default_rng(3).integers(0, 256, 400, np.uint8)) + lzw[408:])


# GIF and BMP -----------------------------------------------------------------------------------


def make_gifs() -> None:
    image = Image.fromarray(scene())
    write("palette.gif", saved(image.quantize(64), "GIF"))
    write("interlaced.gif", saved(image.quantize(64), "GIF", interlace=1))
    write("grey.gif", saved(image.convert("L"), "GIF"))
    clear = image.quantize(32)
    write("transparent.gif", saved(clear, "GIF", transparency=clear.getpixel((20, 12))))
    frames = [image.quantize(16), image.rotate(180).quantize(16)]
    write("animated.gif", saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    data = saved(frames[0], "GIF", transparency=3)
    # Its screen is larger than its picture; then its picture than its screen.
    write("screen-larger.gif", data[:6] + struct.pack("<HH", 50, 40) + data[10:])
    write("screen-smaller.gif", data[:6] + struct.pack("<HH", 20, 40) + data[10:])
    opaque = saved(frames[0], "GIF")
    write("screen-larger-opaque.gif", opaque[:6] + struct.pack("<HH", 50, 40) + opaque[10:])
    (HERE / "bad" / "truncated-at-50-percent.gif").write_bytes(data[: len(data) // 2])
    picture = opaque.index(b",", 13 + 48)
    (HERE / "bad" / "picture-without-pixels.gif").write_bytes(
        opaque[: picture + 5] + bytes(4) + opaque[picture + 9 :])
    (HERE / "bad" / "no-picture.gif").write_bytes(opaque[:picture] + b";")


def bmp(width: int, height: int, bits: int, pixels: bytes, palette: bytes = b"", compression: int = 0,
        masks: bytes = b"") -> bytes:
    start = 14 + 40 + len(masks) + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 2835, 2835,
                       len(palette) // 4, 0)
    return struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start) + info + masks + palette + pixels


def make_bmps() -> None:
    rgb = scene()
    image = Image.fromarray(rgb)
    for name, mode in (("bilevel", "1"), ("grey", "L"), ("rgb", "RGB"), ("rgbx", "RGBA")):
        write(f"{name}.bmp", saved(image.convert(mode), "BMP"))
    index = image.quantize(16)
    write("palette.bmp", saved(index, "BMP"))
    height, width = rgb.shape[:2]
    rows = np.pad(rgb[..., ::-1], ((0, 0), (0, 1), (0, 0)))[:, :, :].reshape(height, -1)[:, : width * 3 + 3]
    write("top-down.bmp", bmp(width, -height, 24, rows.tobytes()))
    five = (rgb >> 3).astype(np.uint16)
    packed = np.pad((five[..., 0] << 10 | five[..., 1] << 5 | five[..., 2])[::-1], ((0, 0), (0, 1)))
    write("rgb-555.bmp", bmp(width, height, 16, packed.astype("<u2").tobytes()))
    six = (rgb[..., 1] >> 2).astype(np.uint16)
    packed = np.pad((five[..., 0] << 11 | six << 5 | five[..., 2])[::-1], ((0, 0), (0, 1)))
    write("rgb-565.bmp", bmp(width, height, 16, packed.astype("<u2").tobytes(), compression=3,
                             masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F)))
    values = np.asarray(index)[::-1]
    palette = b"".join(bytes(index.getpalette()[3 * i : 3 * i + 3][::-1]) + b"\0" for i in range(16))
    runs = b"".join(
        b"".join(bytes([1, value]) for value in row[:5]) + bytes([0, width - 5]) + row[5:].tobytes()
        + bytes((width - 5) % 2) + b"\0\0" for row in values) + b"\0\1"
    write("palette-rle8.bmp", bmp(width, height, 8, runs, palette, 1))
    (HERE / "bad" / "truncated-rows.bmp").write_bytes(bmp(width, height, 24, rows.tobytes()[:1000]))
    (HERE / "bad" / "truncated-runs.bmp").write_bytes(bmp(width, height, 8, runs[:300], palette, 1))
    (HERE / "bad" / "header-60000x60000.bmp").write_bytes(bmp(60000, 60000, 24, rows.tobytes()))
    (HERE / "bad" / "jpeg-inside.bmp").write_bytes(bmp(width, height, 24, rows.tobytes(), compression=4))


# HEIC, AVIF and JPEG XL, which Pillow does not read by Debian's libraries ------------------------


def by_tool(name: str, data: bytes, *command: str, premultiplied: bool = False) -> None:
    """Writes an image, and as its reference what the library's own tool makes of it, over white."""
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / name, Path(folder) / "out.png"
        source.write_bytes(data)
        subprocess.run([*command, source, made], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        image = Image.open(made)
        if premultiplied:
            image = Image.frombytes("RGBa", image.size, image.tobytes()).convert("RGBA")
        # Without EXIF: the tools have turned the pixels already.
        write(name, data, pillow_reference(saved(Image.fromarray(np.asarray(image)), "PNG")))


def with_property(data: bytes, box: bytes) -> bytes:
    """A HEIF file of which the primary item has one more property, its last."""
    grown = bytearray(data)

    def grow(name: bytes, more: int) -> None:
        place = grown.index(name) - 4
        grown[place : place + 4] = struct.pack(">I", struct.unpack(">I", grown[place : place + 4])[0] + more)

    (primary,) = struct.unpack(">H", grown[grown.index(b"pitm") + 8 :][:2])
    ipma = grown.index(b"ipma")
    at = ipma + 12
    while struct.unpack(">H", grown[at : at + 2])[0] != primary:
        at += 3 + grown[at + 2]
    ipco = grown.index(b"ipco") - 4
    end = ipco + struct.unpack(">I", grown[ipco : ipco + 4])[0]
    properties, place = 0, ipco + 8
    while place < end:
        properties += 1
        place += struct.unpack(">I", grown[place : place + 4])[0]
    count = grown[at + 2]
    grown[at + 2] = count + 1
    grown[at + 3 + count : at + 3 + count] = bytes([0x80 | properties + 1])
    grow(b"ipma", 1)
    grown[end:end] = box
    for name, more in ((b"ipco", len(box)), (b"iprp", len(box) + 1), (b"meta", len(box) + 1)):
        grow(name, more)
    # The pixels, which mdat begins with, lie farther back.
    first = data.index(b"mdat") + 4
    at = grown.index(struct.pack(">I", first), grown.index(b"iloc"))
    grown[at : at + 4] = struct.pack(">I", first + len(box) + 1)
    return bytes(grown)


def with_sizes(data: bytes, width: int, height: int) -> bytes:
    """A HEIF file that says another size of all its items."""
    changed, at = bytearray(data), data.find(b"ispe")
    while at >= 0:
        changed[at + 8 : at + 16] = struct.pack(">II", width, height)
        at = data.find(b"ispe", at + 1)
    return bytes(changed)


def boxes_of(data: bytes) -> dict[bytes, bytes]:
    """The boxes of a HEIF file with one picture, by name, each without what lies before its content."""
    found: dict[bytes, bytes] = {}

    def walk(content: bytes) -> None:
        while content:
            size, name = struct.unpack(">I4s", content[:8])
            found.setdefault(name, content[8:size])
            inner = {b"meta": 4, b"iprp": 0, b"ipco": 0}.get(name)
            if inner is not None:
                walk(content[8 + inner : size])
            content = content[size:]

    walk(data)
    return found


def box(name: bytes, *content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(b"".join(content)), name) + b"".join(content)


def derived(tile: bytes, kind: bytes, width: int, height: int, said: tuple[int, int], *, part: int = 1,
            tile_said: tuple[int, int] | None = None) -> bytes:
    """A HEIF file of a picture twice, side by side in a grid or over each other, on a canvas of this size.

    Its boxes may say other sizes. Of item 1, the picture, or of another.
    """
    have = boxes_of(tile)
    codec, config = (b"hvc1", b"hvcC") if b"hvcC" in have else (b"av01", b"av1C")
    full = struct.pack(">I", 0)
    flags = 1 if max(width, height) > 0xFFFF else 0
    size = struct.pack(">II" if flags else ">HH", width, height)
    item = bytes([0, flags]) + (
        bytes([0, 1]) + size if kind == b"grid"
        else struct.pack(">4H", 0, 0xFFFF, 0, 0xFFFF) + size + struct.pack(">4i" if flags else ">4h", 0, 0, 9, 5))

    def written(start: int) -> bytes:
        return box(b"ftyp", have[b"ftyp"]) + box(
            b"meta", full, box(b"hdlr", have[b"hdlr"]), box(b"pitm", full, struct.pack(">H", 2)),
            box(b"iinf", full, struct.pack(">H", 2),
                # The first is not shown by itself.
                *(box(b"infe", struct.pack(">BxxBHH4sx", 2, hidden, id, 0, type))
                  for id, type, hidden in ((1, codec, 1), (2, kind, 0)))),
            box(b"iref", full, box(b"dimg", struct.pack(">4H", 2, 2, 1, part))),
            box(b"iprp",
                box(b"ipco", box(config, have[config]),
                    box(b"ispe", full, struct.pack(">II", *tile_said)) if tile_said else box(b"ispe", have[b"ispe"]),
                    box(b"ispe", full, struct.pack(">II", *said))),
                box(b"ipma", full, struct.pack(">I", 2), struct.pack(">H3B", 1, 2, 0x81, 2),
                    struct.pack(">HBB", 2, 1, 3))),
            box(b"iloc", struct.pack(">BxxxHH", 1, 0x4400, 2),
                struct.pack(">HHHHII", 1, 0, 0, 1, start, len(have[b"mdat"])),
                struct.pack(">HHHHII", 2, 1, 0, 1, 0, len(item))),
            box(b"idat", item)) + box(b"mdat", have[b"mdat"])

    return written(len(written(0)) - len(have[b"mdat"]))


def make_heifs() -> None:
    image = Image.fromarray(scene(64, 48))
    multiplied = Image.fromarray(np.asarray(with_alpha(64, 48).convert("RGBa")).copy(), "RGBA")
    deep = png(scene(64, 48).astype(np.int64) * 257 + 91, 16, RGB)
    told = (HERE / "orientation-6.jpg").read_bytes()
    for suffix in ("heic", "avif"):
        tool = ("heif-convert",)

        def made(data: bytes, *options: str, kind: str = "png") -> bytes:
            with tempfile.TemporaryDirectory() as folder:
                source, out = Path(folder) / f"in.{kind}", Path(folder) / f"out.{suffix}"
                source.write_bytes(data)
                subprocess.run(["heif-enc", "-q", "60", *options, "-o", out, source], check=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                return out.read_bytes()

        plain = made(saved(image, "PNG"))
        by_tool(f"plain.{suffix}", plain, *tool)
        by_tool(f"444.{suffix}", made(saved(image, "PNG"), "-p", "chroma=444"), *tool)
        by_tool(f"odd-sides.{suffix}", made(saved(Image.fromarray(scene()), "PNG")), *tool)
        by_tool(f"grey.{suffix}", made(saved(image.convert("L"), "PNG")), *tool)
        by_tool(f"alpha.{suffix}", made(saved(with_alpha(64, 48), "PNG")), *tool)
        by_tool(f"alpha-multiplied.{suffix}",
                made(saved(multiplied, "PNG"), "--premultiplied-alpha"), *tool, premultiplied=True)
        # Debian's heif-enc cannot write such an AVIF.
        tenth = (made(deep, "-b", "10") if suffix == "heic"
                 else run("avifenc", deep, "--depth", "10", "{in}", "{out}",
                          suffix=".png"))
        by_tool(f"10bit.{suffix}", tenth, *tool)
        for turns in range(1, 4):
            box = struct.pack(">I4sB", 9, b"irot", turns)
            by_tool(f"rotated-{turns}.{suffix}", with_property(plain, box), *tool)
        for axis in range(2):
            box = struct.pack(">I4sB", 9, b"imir", axis)
            by_tool(f"mirrored-{axis}.{suffix}", with_property(plain, box), *tool)
        # Its EXIF repeats what a box says, and is not to be applied again.
        by_tool(f"exif-6.{suffix}", made(told, kind="jpg"), *tool)
        bad = HERE / "bad"
        (bad / f"truncated-at-50-percent.{suffix}").write_bytes(plain[: len(plain) // 2])
        (bad / f"truncated-at-95-percent.{suffix}").write_bytes(plain[: len(plain) * 95 // 100])
        for side in (30000, 60000, 8):
            (bad / f"header-{side}x{side}.{suffix}").write_bytes(with_sizes(plain, side, side))
        large = made(saved(Image.new("L", (1500, 1000)), "PNG"))
        (bad / f"header-8x8-of-1500x1000.{suffix}").write_bytes(with_sizes(large, 8, 8))
        by_tool(f"grid.{suffix}", derived(plain, b"grid", 127, 48, (127, 48)), *tool)
        (bad / f"grid-8x8-of-30000x30000.{suffix}").write_bytes(
            derived(plain, b"grid", 30000, 30000, (8, 8), tile_said=(30000, 30000)))
        gap = derived(plain, b"grid", 129, 48, (129, 48))
        (bad / f"grid-with-a-gap.{suffix}").write_bytes(gap)
        # libheif reads no number of ten bytes, and goes on.
        (bad / f"grid-of-unreadable-place.{suffix}").write_bytes(
            gap.replace(b"\x44\x00\x00\x02", b"\x44\x0a\x00\x02"))
        for name, kind, part in (("grid-of-itself", b"grid", 2), ("grid-of-nothing", b"grid", 9),
                                 ("overlay-of-nothing", b"iovl", 9), ("same-as-itself", b"iden", 2)):
            (bad / f"{name}.{suffix}").write_bytes(derived(plain, kind, 127, 48, (127, 48), part=part))
    cut = struct.pack(">I4s8I", 40, b"clap", 8, 1, 8, 1, 0, 1, 0, 1)
    (HERE / "bad" / "cut-8x8-of-30000x30000.avif").write_bytes(
        with_sizes(with_property((HERE / "plain.avif").read_bytes(), cut), 30000, 30000))
    alpha = (HERE / "alpha.avif").read_bytes()
    at = alpha.rindex(b"ispe") + 8
    (HERE / "bad" / "alpha-of-another-size.avif").write_bytes(
        alpha[:at] + struct.pack(">II", 8, 8) + alpha[at + 8 :])
    frames = [image, image.rotate(180)]
    # heif-convert refuses its brand; with whole colours Pillow's libavif makes the same of it.
    write("sequence.avif", saved(frames[0], "AVIF", save_all=True, append_images=frames[1:],
                                 subsampling="4:4:4"))
    (HERE / "bad" / "no-decoder.heic").write_bytes(
        (HERE / "plain.heic").read_bytes().replace(b"hvc1", b"vvc1").replace(b"hvcC", b"vvcC"))


def make_jxls() -> None:
    rgb = scene()

    def made(data: bytes, suffix: str, *options: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            source, out = Path(folder) / f"in.{suffix}", Path(folder) / "out.jxl"
            source.write_bytes(data)
            subprocess.run(["cjxl", source, out, *options], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            return out.read_bytes()

    image = Image.fromarray(rgb)
    djxl = ("djxl",)
    lossless = made(saved(image, "PNG"), "png", "-d", "0")
    by_tool("lossless.jxl", lossless, *djxl)
    by_tool("lossy.jxl", made(saved(image, "PNG"), "png", "-d", "1"), *djxl)
    by_tool("container.jxl", made(saved(image, "PNG"), "png", "-d", "1", "--container=1"), *djxl)
    by_tool("progressive.jxl", made(saved(image, "PNG"), "png", "-d", "1", "-p"), *djxl)
    by_tool("grey.jxl", made(saved(image.convert("L"), "PNG"), "png", "-d", "0"), *djxl)
    by_tool("alpha.jxl", made(saved(with_alpha(), "PNG"), "png", "-d", "0"), *djxl)
    by_tool("alpha-lossy.jxl", made(saved(with_alpha(), "PNG"), "png", "-d", "1"), *djxl)
    by_tool("lossless-16bit.jxl", made((HERE / "rgb-16bit.png").read_bytes(), "png", "-d", "0"), *djxl)
    by_tool("animated.jxl", made((HERE / "animated.png").read_bytes(), "png", "-d", "0"), *djxl)
    for orientation in (3, 6, 7):
        by_tool(f"orientation-{orientation}.jxl", made((HERE / f"orientation-{orientation}.jpg").read_bytes(),
                                                       "jpg", "-d", "1", "-j", "0"), *djxl)
    by_tool("of-a-jpeg.jxl", made((HERE / "baseline-444.jpg").read_bytes(), "jpg"), *djxl)
    (HERE / "bad" / "truncated-at-50-percent.jxl").write_bytes(lossless[: len(lossless) // 2])
    flipped = bytearray((HERE / "lossy.jxl").read_bytes())
    for at in range(len(flipped) // 2, len(flipped) // 2 + 8):
        flipped[at] ^= 0x55
    (HERE / "bad" / "header-of-2-to-the-60.jxl").write_bytes(bytes.fromhex("ff0afefffffff726f75c"))
    (HERE / "bad" / "flipped-bytes.jxl").write_bytes(flipped)


if __name__ == "__main__":
    make_webps()
    make_tiffs()
    make_gifs()
    make_bmps()
    make_heifs()
    make_jxls()
