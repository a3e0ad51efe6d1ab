"""Packed files of rendered scenes.

A shard is an uncompressed `.npz` of three arrays: `seed` (N,) int64; `offset` (N + 1, 3) int64;
`data` (bytes,) uint8. Scene i is three byte strings laid end to end in `data`: a JPEG (RGB), a zlib
stream of the labels and one of the persons. `offset[i]` holds their three starts and `offset[i +
1][0]` the end. Label and person maps have the JPEG's height and width.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from synthetic.classes import Scene

JPEG_QUALITY = 95


def write(path: Path, seeds: Iterable[int], scenes: Iterable[Scene]) -> None:
    """Write a shard. The file appears under its name only when complete, so a reader never sees
    half of one."""
    seeds = list(seeds)
    parts, offset, end = [], [], 0
    for scene in scenes:
        ok, jpeg = cv2.imencode(
            ".jpg", scene.rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        )
        if not ok:
            raise RuntimeError("JPEG encoding failed")
        row = []
        for part in (
            jpeg.tobytes(),
            zlib.compress(scene.labels.tobytes(), 6),
            zlib.compress(scene.persons.tobytes(), 6),
        ):
            row.append(end)
            end += len(part)
            parts.append(part)
        offset.append(row)
    offset.append([end] * 3)
    if len(offset) != len(seeds) + 1:
        raise ValueError(f"{len(seeds)} seeds for {len(offset) - 1} scenes")
    part_path = path.with_suffix(f".{os.getpid()}.part")
    with open(part_path, "wb") as file:
        np.savez(
            file,
            seed=np.array(seeds, np.int64),
            offset=np.array(offset, np.int64),
            data=np.frombuffer(b"".join(parts), np.uint8),
        )
    part_path.replace(path)


class Shard:
    """Random access to one shard: `len(shard)`, `shard[i] -> Scene`, `shard.seeds`."""

    def __init__(self, path: Path | str) -> None:
        with np.load(path) as file:
            self.seeds, self._offset, self._data = file["seed"], file["offset"], file["data"]

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, i: int) -> Scene:
        if not 0 <= i < len(self):
            raise IndexError(i)
        jpeg, labels, persons = self._offset[i]
        end = self._offset[i + 1][0]
        bgr = cv2.imdecode(self._data[jpeg:labels], cv2.IMREAD_COLOR)
        maps = [
            np.frombuffer(zlib.decompress(self._data[a:b].tobytes()), np.uint8).reshape(
                bgr.shape[:2]
            )
            for a, b in ((labels, persons), (persons, end))
        ]
        return Scene(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), *maps)


def read(path: Path | str) -> Iterator[Scene]:
    """The scenes of one shard, in order."""
    shard = Shard(path)
    return (shard[i] for i in range(len(shard)))
