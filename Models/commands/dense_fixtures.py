"""Write Tests/Fixtures/dense: logits of dense networks, the maps that torch makes of them, and
small archives of each family with what torch and OpenCV make of a picture.

The format is described in the README.md beside the files.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from commands.export_dense import freeze
from commands.fixture_models import counting_image
from dense import lite_hrnet, schp, segformer
from dense.networks import NETWORKS
from m2fp import archive
from m2fp.contract import make_dense_contract
from reference.dense import Reference, normalised, seed_weights

FIXTURES = Path(__file__).resolve().parents[2] / "Tests" / "Fixtures"
FOLDER = FIXTURES / "dense"
CLASSES = 6
# What the families parse.
PICTURE = "rgb-8bit.png"
# Pixels whose two best logits are this close may have either class.
MARGIN = 1e-4
UNDECIDED = 255


@dataclasses.dataclass(frozen=True)
class Case:
    """Sizes are (height, width)."""

    name: str
    stride: int
    network: tuple[int, int]
    photo: tuple[int, int]
    # (x0, y0, x1, y1) of the photo in the network's input; all of it if none.
    crop: tuple[int, int, int, int] | None = None
    align_corners: bool = False
    # The photo was warped into the input as SCHP does, and is warped back by OpenCV.
    warped: bool = False


CASES = (
    Case("stretched", 4, (64, 48), (150, 97)),
    Case("stretched-reduced", 4, (96, 96), (41, 61)),
    Case("corners-aligned", 8, (112, 96), (203, 140), align_corners=True),
    Case("padded", 4, (64, 96), (97, 180), (0, 0, 93, 50)),
    Case("centred", 8, (96, 64), (90, 43), (10, 3, 53, 93), align_corners=True),
    Case("every-pixel", 1, (33, 40), (99, 120)),
    Case("begun-strides", 16, (70, 90), (140, 180)),
    Case("warped", 4, (89, 89), (130, 97), align_corners=True, warped=True),
    Case("warped-reduced", 4, (64, 48), (31, 60), align_corners=True, warped=True),
)


@dataclasses.dataclass(frozen=True)
class CropCase:
    """A photo, and boxes of it (x, y, width, height) that are parsed as well, all of one input's
    size."""

    photo: Case
    boxes: tuple[tuple[int, int, int, int], ...]
    # Whether outside of all boxes is background, as SCHP has it, or what the photo's logits say.
    background: bool


CROP_CASES = (
    CropCase(
        Case("crops", 4, (64, 48), (150, 97)),
        ((10, 20, 40, 100), (35, 60, 62, 90), (0, 0, 30, 33), (45, 70, 7, 5)),
        background=True,
    ),
    CropCase(
        Case("crops-warped", 4, (89, 89), (130, 97), align_corners=True, warped=True),
        ((0, 0, 97, 60), (20, 30, 50, 100)),
        background=False,
    ),
)


def make_logits(case: Case, seed: int) -> torch.Tensor:
    """Logits (1, C, h, w): smooth, with noise, of both signs."""
    generator = torch.Generator().manual_seed(seed)
    height, width = (-(-side // case.stride) for side in case.network)
    coarse = torch.randn(1, CLASSES, 4, 4, generator=generator) * 6
    smooth = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
    return smooth + 0.5 * torch.randn(1, CLASSES, height, width, generator=generator)


@dataclasses.dataclass(frozen=True)
class Family:
    """A small member of a family of networks. `like` is the one whose contract it has."""

    name: str
    like: str
    network: torch.nn.Module
    classifier: str
    size: int


def make_families() -> list[Family]:
    config = lite_hrnet.Config((1, 1, 1), stem=4, branches=(8, 8, 16, 16), places=8, attention=4)
    with mock.patch.object(lite_hrnet, "BLOCKS", 1):
        lite = lite_hrnet.LiteHRNetOCR(config, CLASSES)
    ce2p = schp.Config((1, 1, 1, 1), stem=4, width=2, context=4, branch=8, detail=4)
    mit = segformer.Config((2, 4, 10, 16), (1, 1, 1, 1), 8)
    return [
        Family(
            "segformer", "segformer-b0", segformer.SegFormer(mit, CLASSES),
            "decode_head.classifier", 64,
        ),
        Family(
            "lite-hrnet-ocr", "lite-hrnet-18-ocr", lite, "decode_head.1.conv_seg", 64,
        ),
        Family("schp", "schp-lip", schp.SCHP(ce2p, CLASSES), "fushion.3", 65),
    ]  # fmt: skip


class Small(Reference):
    def __init__(self, family: Family):
        self.network = family.network.eval()
        self.classifier = self.network.get_submodule(family.classifier)

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(image)


def picture_logits(network: torch.nn.Module, picture: Image.Image, family: Family) -> torch.Tensor:
    """Logits (C, H, W) at the picture's size."""
    size = (family.size, family.size)
    if NETWORKS[family.like].mode == "stretch":
        logits = network(normalised(picture, family.size)).double()
        logits = F.interpolate(logits, size=size, mode="bilinear")
        return F.interpolate(logits, size=picture.size[::-1], mode="bilinear")[0]
    to_input = np.vstack((to_network(picture.size[::-1], size), (0, 0, 1)))
    warped = cv2.warpAffine(np.asarray(picture), to_input[:2], size, flags=cv2.INTER_LINEAR)
    image = normalised(Image.fromarray(warped), family.size).flip(1)
    logits = F.interpolate(network(image), size=size, mode="bilinear", align_corners=True)
    return warp_back(logits[0].double(), picture.size[::-1])


def write_labels(name: str, logits: torch.Tensor) -> None:
    """The map of logits (C, H, W)."""
    best, labels = logits.topk(2, dim=0)
    undecided = best[0] - best[1] < MARGIN
    labels = labels[0].to(torch.uint8).masked_fill(undecided, UNDECIDED)
    (FOLDER / f"{name}.labels.u8").write_bytes(labels.numpy().tobytes())
    print(f"{name}: {int(undecided.sum())} undecided, {labels.unique().tolist()}")


@torch.no_grad()
def write_families() -> None:
    picture = Image.open(FIXTURES / "images" / PICTURE).convert("RGB")
    for family in make_families():
        kind = NETWORKS[family.like]
        seed_weights(Small(family), picture, family.size)
        frozen = freeze(family.network, family.size)
        archive.halve(frozen, lossy=True)
        contract = make_dense_contract(
            f"{family.name}-fixture", [f"Class-{index}" for index in range(CLASSES)],
            kind.preprocess(family.size), kind.stride, kind.align_corners, "seed:0", "MIT",
            torch.__version__,
        )  # fmt: skip
        path = FOLDER / f"{family.name}.pt"
        archive.save_archive(frozen, contract, path)
        network, _ = archive.load_archive(path)
        logits = network(counting_image(family.size, family.size))
        (FOLDER / f"{family.name}.logits.f32").write_bytes(logits.numpy().tobytes())
        write_labels(family.name, picture_logits(network, picture, family))


def to_network(photo: tuple[int, int], network: tuple[int, int]) -> np.ndarray:
    """The affine map, 2 × 3, from pixels of a photo to those of an input that it is warped into,
    from the first pixel's centre to the last's. Sizes are (height, width)."""
    (rows, columns), (height, width) = photo, network
    step = (width - 1) / max(columns - 1, (rows - 1) * width / height)
    return np.array(
        [
            [step, 0, (width - 1) / 2 - (columns - 1) / 2 * step],
            [0, step, (height - 1) / 2 - (rows - 1) / 2 * step],
        ]
    )


def warp_back(logits: torch.Tensor, photo: tuple[int, int]) -> torch.Tensor:
    """Logits (C, H, W) of the input at a photo that was warped into it."""
    matrix = to_network(photo, logits.shape[1:])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    planes = [cv2.warpAffine(x, matrix, photo[::-1], flags=flags) for x in logits.numpy()]
    return torch.from_numpy(np.stack(planes))


def at_photo(logits: torch.Tensor, case: Case) -> torch.Tensor:
    """Logits (1, C, h, w) at the photo's size, (C, H, W), in double precision."""
    x0, y0, x1, y1 = case.crop or (0, 0, case.network[1], case.network[0])
    at_input = F.interpolate(
        logits.double(), size=case.network, mode="bilinear", align_corners=case.align_corners
    )
    if case.warped:
        return warp_back(at_input[0], case.photo)
    return F.interpolate(
        at_input[:, :, y0:y1, x0:x1], size=case.photo, mode="bilinear", align_corners=False
    )[0]


def fused(photo: torch.Tensor, crops: list[torch.Tensor], case: CropCase) -> torch.Tensor:
    """Logits (C, H, W) of a photo and its crops as SCHP puts them together."""
    total, count = torch.zeros_like(photo), torch.zeros_like(photo[0])
    total[0] = torch.inf
    for (x, y, width, height), crop in zip(case.boxes, crops):
        place = (slice(y, y + height), slice(x, x + width))
        count[place] += 1
        total[0][place] = torch.minimum(total[0][place], crop[0])
        for plane, added in zip(total[1:], crop[1:]):
            plane[place] += added
    total[1:] /= count.clamp(min=1)
    return photo + total if case.background else torch.where(count > 0, photo + total, photo)


def save(name: str, logits: list[torch.Tensor], result: torch.Tensor) -> None:
    (FOLDER / f"{name}.logits.f32").write_bytes(b"".join(x.numpy().tobytes() for x in logits))
    write_labels(name, result)


def describe(case: Case, grid: torch.Size) -> dict:
    return {
        "name": case.name,
        "stride": case.stride,
        "align_corners": case.align_corners,
        "grid": list(grid),
        "network": list(case.network),
        "crop": list(case.crop or (0, 0, case.network[1], case.network[0])),
        "photo": list(case.photo),
        "warped": case.warped,
    }


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    index, crops = [], []
    for seed, case in enumerate(CASES):
        logits = make_logits(case, seed)
        save(case.name, [logits], at_photo(logits, case))
        index.append(describe(case, logits.shape[2:]))
    for number, case in enumerate(CROP_CASES):
        sizes = [case.photo.photo] + [(height, width) for *_, width, height in case.boxes]
        pieces = [dataclasses.replace(case.photo, photo=size) for size in sizes]
        logits = [make_logits(x, 100 * (number + 1) + seed) for seed, x in enumerate(pieces)]
        resized = [at_photo(*x) for x in zip(logits, pieces)]
        save(case.photo.name, logits, fused(resized[0], resized[1:], case))
        crops.append(
            {
                "photo": describe(case.photo, logits[0].shape[2:]),
                "boxes": case.boxes,
                "outside": "background" if case.background else "whole",
            }
        )
    (FOLDER / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    (FOLDER / "crops.json").write_text(json.dumps(crops, indent=1) + "\n")
    write_families()


if __name__ == "__main__":
    main()
