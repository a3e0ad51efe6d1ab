"""Compare dense networks with the published code: logits of seeded weights, and maps of photos,
from the network to what `m2fp parse` writes.

SegFormer with Hugging Face's `transformers`, Lite-HRNet with MMPose's, OCRNet's head with
MMSegmentation's, SCHP with a checkout of its repository.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from commands import export_dense
from commands.parity import LABEL_TOLERANCE, LOGIT_TOLERANCE, Comparison
from dense import lite_hrnet, segformer
from dense.networks import NETWORKS
from m2fp import checkpoint
from reference import dense as published

# What the weights are fitted to.
EXAMPLE = Path(__file__).resolve().parents[2] / "Examples" / "grace-hopper.jpg"
CLASSES = 18
# Heights and widths, besides the size of the published weights.
SIZES = ((256, 192), (128, 224))
# Networks that photos go through as well: the whole way is the same for all of a family.
PARSED = ("segformer-b0", "segformer-b2", "lite-hrnet-18-ocr", "schp-cihp", "schp-atr")
# The one of them that persons are parsed with by themselves, too, and the model that finds these.
SEVERAL = "schp-cihp"
FINDER = Path(__file__).resolve().parents[1] / "archives" / "m2fp-tiny.pt"


@torch.no_grad()
def compare(
    name: str, make: Callable[[int], published.Reference], m2fp: Path | None, photos: list[Path],
    found: Comparison,
) -> None:  # fmt: skip
    print(name, flush=True)
    kind = NETWORKS[name]
    classes = kind.classes or [f"Class-{index}" for index in range(CLASSES)]
    reference = make(len(classes))
    with Image.open(EXAMPLE) as photo:
        published.seed_weights(reference, photo.convert("RGB"), kind.size)
    ours = kind.make(len(classes)).eval()
    checkpoint.load_strictly(ours, reference.network.state_dict())
    for height, width in (*SIZES, (kind.size, kind.size)):
        image = torch.randn(
            1, 3, height, width, generator=torch.Generator().manual_seed(height + width)
        )
        a, b = exact_logits(reference, image), ours(image)
        found.check(f"logits at {width}x{height}", (a - b).abs().max().item(), LOGIT_TOLERANCE)
        wrong = (a.argmax(1) != b.argmax(1)).float().mean().item()
        found.check(f"labels at {width}x{height} that differ", wrong, LABEL_TOLERANCE)
    if m2fp is None or name not in PARSED:
        return
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        weights, labels, archive = (folder / x for x in ("w.pth", "labels.json", "model.pt"))
        torch.save(reference.checkpoint(), weights)
        labels.write_text(json.dumps({"classes": classes}))
        arguments = argparse.Namespace(
            config=name, checkpoint=weights, seed=None, size=None, licence="MIT", out=archive,
            labels=None if kind.classes else labels, crops=False, crop_network=None,
        )  # fmt: skip
        export_dense.export(arguments)
        parse(m2fp, photos, archive, folder)
        for path in photos:
            check_map(folder, path, reference.labels(upright(path), kind.size), found)
        if name != SEVERAL:
            return
        print(f"{name} --crops", flush=True)
        arguments.crops = True
        export_dense.export(arguments)
        persons = folder / "persons"
        parse(m2fp, photos, FINDER, persons)
        parse(m2fp, photos, archive, folder)
        for path in photos:
            photo = upright(path)
            found_there = json.loads((persons / f"{path.stem}.m2fp.json").read_text())["persons"]
            boxes = [wider(person["box"], photo.size) for person in found_there]
            wanted = reference.labels_of_several(photo, kind.size, boxes)
            check_map(folder, path, wanted, found)


def exact_logits(reference: published.Reference, image: torch.Tensor) -> torch.Tensor:
    """What the published code computes, without the rounding of single precision: that of
    Lite-HRNet-30 alone comes to 0.002."""
    reference.network.double()
    logits = reference.logits(image.double()).float()
    reference.network.float()
    return logits


def parse(m2fp: Path, photos: list[Path], model: Path, out: Path) -> None:
    command = [m2fp, "parse", *photos, "--model", model, "--out", out, "--masks", "none", "--force"]
    subprocess.run(list(map(str, command)), check=True)


def wider(box: list[int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A person's box as a crop (x0, y0, x1, y1) within a photo."""
    ends = []
    for start, length, limit in zip(box[:2], box[2:], size):
        margin = math.floor(export_dense.CROPS["margin"] * length + 0.5)
        ends.append((max(start - margin, 0), min(start + length + margin, limit)))
    (x0, x1), (y0, y1) = ends
    return x0, y0, x1, y1


def upright(path: Path) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def check_map(folder: Path, path: Path, wanted: np.ndarray, found: Comparison) -> None:
    result = np.asarray(Image.open(folder / f"{path.stem}.m2fp.png"))
    share = float((wanted != result).mean())
    what = f"{path.name}: labels of {len(np.unique(wanted))} classes that differ"
    found.check(what, share, LABEL_TOLERANCE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--m2fp", type=Path, help="the program, to parse photos as well")
    parser.add_argument(
        "--schp", type=Path, help="a checkout of GoGoDuck912/Self-Correction-Human-Parsing"
    )
    parser.add_argument("--only", help="names of networks that begin like this")
    parser.add_argument("photos", type=Path, nargs="*", help="photos to parse")
    arguments = parser.parse_args()
    makers: dict[str, Callable[[int], published.Reference]] = {}
    for name, config in segformer.CONFIGS.items():
        makers[name] = lambda classes, config=config: published.SegFormer(config, classes)
    for name, config in lite_hrnet.CONFIGS.items():
        makers[name] = lambda classes, config=config: published.LiteHRNetOCR(config, classes)
    if arguments.schp is not None:
        for name in NETWORKS:
            if name.startswith("schp-"):
                makers[name] = lambda classes: published.SCHP(arguments.schp.resolve(), classes)
    found = Comparison()
    for name, make in makers.items():
        if name.startswith(arguments.only or ""):
            compare(name, make, arguments.m2fp, arguments.photos, found)
    if arguments.schp is None:
        print("SCHP was not compared: that takes a checkout of its repository (--schp)")
    print("all within their bounds" if not found.failures else f"{found.failures} beyond")
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
