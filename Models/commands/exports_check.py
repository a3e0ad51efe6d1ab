"""Let the programs that exports are made for read them, after a move and from another folder.

m2fp parses photos and exports them; then the photos are removed, the exports moved, and Ultralytics
and pycocotools load them. What they load is compared with the sidecars.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask
from pycocotools.coco import COCO

# Of a person as a polygon with the person's pixels: points are whole pixels, and what lies apart is
# joined by lines.
LEAST_OVERLAP = 0.95


class CheckError(Exception):
    """A program reads something else than m2fp has found."""


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise CheckError(what)


def pixels(person: dict, sidecar: dict) -> np.ndarray:
    """The pixels of a person: height × width, of 0 and 1."""
    size = [sidecar["input"]["height"], sidecar["input"]["width"]]
    return mask.decode({"size": size, "counts": person["rle"]})


def check_yolo(folder: Path, sidecars: dict[str, dict]) -> str:
    """Load a segmentation data set as training does."""
    from ultralytics import __version__
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(str(folder / "data.yaml"), autodownload=False)
    person = len(data["names"]) - 1
    expect(data["names"][person] == "person", "the last class is not the person")
    dataset = YOLODataset(img_path=data["train"], data=data, task="segment", augment=False)
    loaded = {Path(label["im_file"]).stem: label for label in dataset.labels}
    expect(loaded.keys() == sidecars.keys(), f"of {sorted(sidecars)} it loads {sorted(loaded)}")
    objects, lowest = 0, 1.0
    for index, label in enumerate(dataset.labels):
        sidecar = sidecars[Path(label["im_file"]).stem]
        image, shape, _ = dataset.load_image(index)
        size = (sidecar["input"]["height"], sidecar["input"]["width"])
        expect(image is not None and shape == size, f"{label['im_file']} is of {shape}, not {size}")
        objects += len(label["cls"])
        outlines = [s for s, c in zip(label["segments"], label["cls"][:, 0]) if c == person]
        expect(len(outlines) == len(sidecar["persons"]), f"{len(outlines)} persons are loaded")
        for outline, found in zip(outlines, sidecar["persons"]):
            truth = pixels(found, sidecar)
            filled = np.zeros(size, np.uint8)
            points = (outline * np.array(size[::-1]) - 0.5).round().astype(np.int32)
            cv2.fillPoly(filled, [points], 1)
            overlap = (filled & truth).sum() / (filled | truth).sum()
            lowest = min(lowest, overlap)
    expect(lowest >= LEAST_OVERLAP, f"a polygon has an IoU of {lowest:.3f} with its person")
    return (
        f"Ultralytics {__version__}: {len(loaded)} images, {objects} objects,"
        f" persons' polygons have an IoU of at least {lowest:.3f}"
    )


def check_coco(file: Path, sidecars: dict[str, dict]) -> str:
    """Load instances as COCO's own evaluation does."""
    with contextlib.redirect_stdout(None):  # it says how long it takes
        coco = COCO(str(file))
    (person,) = coco.getCatIds(catNms=["person"])
    images = coco.loadImgs(coco.getImgIds())
    names = {Path(image["file_name"]).stem for image in images}
    expect(names == sidecars.keys(), f"of {sorted(sidecars)} it loads {sorted(names)}")
    for image in images:
        sidecar = sidecars[Path(image["file_name"]).stem]
        found = coco.loadAnns(coco.getAnnIds(imgIds=image["id"], catIds=[person]))
        expect(len(found) == len(sidecar["persons"]), f"{len(found)} persons are loaded")
        for annotation, one in zip(found, sidecar["persons"]):
            same = np.array_equal(coco.annToMask(annotation), pixels(one, sidecar))
            expect(same, f"person {one['id']} of {image['file_name']} has other pixels")
    return f"pycocotools: {len(images)} images, {len(coco.anns)} annotations, persons equal"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--m2fp", type=Path, required=True, help="the binary")
    parser.add_argument("photos", type=Path, nargs="+", help="JPEG or PNG files")
    arguments = parser.parse_args()
    m2fp = arguments.m2fp.resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        # Ultralytics keeps settings where it is told to, and says much.
        os.environ.update(YOLO_CONFIG_DIR=str(folder), YOLO_VERBOSE="false", YOLO_OFFLINE="true")
        (folder / "photos/below").mkdir(parents=True)
        for index, photo in enumerate(arguments.photos):
            shutil.copy(photo, folder / ("photos/below" if index % 2 else "photos"))
        export = [m2fp, "parse", "photos", "--out", "parsed", "--persons", "--quiet"]
        export += ["--export", "yolo=yolo", "--export", "coco=people.json"]
        subprocess.run(export, cwd=folder, check=True)
        sidecars = {
            path.name.removesuffix(".m2fp.json"): json.loads(path.read_text())
            for path in folder.glob("parsed/**/*.m2fp.json")
        }
        shutil.rmtree(folder / "photos")
        shutil.move(folder / "yolo", folder / "elsewhere")
        os.chdir("/")
        try:
            print(check_yolo(folder / "elsewhere", sidecars))
            print(check_coco(folder / "people.json", sidecars))
        except CheckError as error:
            print(f"exports_check: {error}", file=sys.stderr)
            return 1
    return 0
