"""Which photos train and which validate: fixed by the files' digests, so that none can change."""

from __future__ import annotations

import hashlib
from pathlib import Path

VALIDATION = {"ccp": 100, "coco": 60, "clothes": 60}


def photo_paths(data: Path, source: str, split: str) -> list[Path]:
    """The photos of ``data``/``source`` in a split, by name.

    Parameters
    ----------
    split : {"train", "validation"}
        Those with the smallest SHA-256 digests, as many as `VALIDATION` says, validate.

    Raises
    ------
    FileNotFoundError
        There are not more photos than that.
    """
    paths = sorted((data / source / "photos").glob("*.webp"))
    count = VALIDATION[source]
    if len(paths) <= count:
        raise FileNotFoundError(f"{data / source}/photos: {len(paths)} photos, want over {count}")
    paths.sort(key=lambda path: hashlib.sha256(path.read_bytes()).digest())
    return sorted(paths[:count] if split == "validation" else paths[count:])
