"""Decodes every file in folders by m2fp's decoders and by Pillow, and lists the differences.

    pillow_check.py LIBRARY FOLDER...

LIBRARY is Sources/CImageCodec as a shared library; `make pillow-check` builds it and brings Pillow's
own test set. What counts is a file's signature, not its name. All must give the same pixels, but those of a
JPEG, and of a TIFF of JPEGs, may differ by one level, as libjpeg's versions do; what Pillow refuses
of JPEGs and PNGs must be refused.
Exits 1 if anything differs.
"""

import ctypes
import io
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

SIGNATURES = {b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png", b"RIFF....WEBP": "webp", b"GIF8[79]a": "gif",
              b"BM": "bmp", b"II\\*\0": "tiff", b"MM\0\\*": "tiff", b"II\\+\0": "tiff", b"MM\0\\+": "tiff"}
TOLERANCE = {"jpeg": 1, "tiff": 1}
# Where it is Pillow that errs: it reads run-length codes of 4 bits otherwise than the same picture without
# them (pal4.bmp); the others are damaged on purpose.
NOT_COMPARED = {"badrle.bmp", "mmap_error.bmp", "pal4rle.bmp", "pal4rletrns.bmp"}


class Result(ctypes.Structure):
    _fields_ = [
        ("status", ctypes.c_int),
        ("warning_count", ctypes.c_int32),
        ("is_damaged", ctypes.c_int32),
        ("message", ctypes.c_char * 256),
        ("first_warning", ctypes.c_char * 256),
    ]


class Header(ctypes.Structure):
    _fields_ = [
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("orientation", ctypes.c_int32),
        ("working_bytes", ctypes.c_int64),
    ]


class Options(ctypes.Structure):
    _fields_ = [("refuse_damaged", ctypes.c_int32)]


def decode(library: ctypes.CDLL, kind: str, data: bytes) -> tuple[np.ndarray | None, str]:
    """The pixels, uint8 (height, width, 3), or None; and what the decoder had to say."""
    header, result, options = Header(), Result(), Options()
    getattr(library, f"m2fp_{kind}_header")(
        data, ctypes.c_size_t(len(data)), ctypes.byref(header), ctypes.byref(result))
    if result.status != 0:
        return None, result.message.decode()
    height, width = header.height, header.width
    if height * width > 2 * Image.MAX_IMAGE_PIXELS:
        return None, "too large"
    if header.orientation >= 5:
        height, width = width, height
    pixels = np.empty((height, width, 3), np.uint8)
    getattr(library, f"m2fp_{kind}_decode")(
        data, ctypes.c_size_t(len(data)), ctypes.byref(header), ctypes.byref(options),
        pixels.ctypes.data_as(ctypes.c_void_p), ctypes.byref(result))
    if result.status != 0:
        return None, result.message.decode()
    return pixels, result.first_warning.decode()


def reference(data: bytes) -> np.ndarray:
    """What Pillow makes of a file, upright and over white. EXIF that it cannot read turns nothing."""
    image = Image.open(io.BytesIO(data))
    image.load()
    try:
        image = ImageOps.exif_transpose(image)
    except Exception:  # whatever the EXIF parser raises
        pass
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def difference(kind: str, data: bytes, library: ctypes.CDLL) -> str | None:
    """What differs, or None."""
    try:
        expected = reference(data)
    except Exception as error:  # Pillow raises whatever its parsers do
        expected, refusal = None, f"{type(error).__name__}: {error}"
    pixels, words = decode(library, kind, data)
    if kind not in ("jpeg", "png") and (expected is None or pixels is None):
        return None  # rare kinds, of which each reads others
    if expected is None:
        return None if pixels is None else f"read, which Pillow refuses ({refusal})"
    if pixels is None:
        return f"refused ({words}), which Pillow reads"
    if pixels.shape != expected.shape:
        return f"size {pixels.shape[1::-1]}, Pillow's {expected.shape[1::-1]}"
    apart = np.abs(pixels.astype(int) - expected)
    if apart.max() <= TOLERANCE.get(kind, 0):
        return None
    return f"{np.count_nonzero(apart.max(axis=2) > TOLERANCE.get(kind, 0))} pixels differ, by up to {apart.max()}"


def main() -> int:
    library = ctypes.CDLL(sys.argv[1])
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = 50_000_000  # twice that is refused, as m2fp refuses more than 100 million
    checked = differing = 0
    for folder in map(Path, sys.argv[2:]):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            data = path.read_bytes()
            kind = next((kind for start, kind in SIGNATURES.items() if re.match(start, data, re.DOTALL)), None)
            if kind is None or path.name in NOT_COMPARED:
                continue
            checked += 1
            if (what := difference(kind, data, library)) is not None:
                differing += 1
                print(f"{path.relative_to(folder)}: {what}")
    print(f"{checked} files, {differing} that differ from Pillow {PIL.__version__}")
    return 1 if differing or not checked else 0


if __name__ == "__main__":
    sys.exit(main())
