#!/usr/bin/env python3
"""Write Tests/Fixtures/models: archives small enough for git that obey the contract or break it.

The network of most is made by hand, so that tests can know its answer: each part is a corner of the
colour cube, and what is not black in the left or right half of the network's input is one human.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Models"))

from m2fp import archive, model  # noqa: E402
from m2fp.config import CONFIGS  # noqa: E402
from m2fp.contract import for_dataset, make_contract  # noqa: E402

FOLDER = ROOT / "Tests" / "Fixtures" / "models"
CONFIG = dataclasses.replace(
    CONFIGS["m2fp-r50"],
    name="m2fp-fixture",
    short_side=96,
    max_side=192,
    single_width=96,
    single_height=128,
    licence="MIT",
)
# Class of each full colour (R, G, B).
COLOURS = {
    (0, 0, 0): 0,  # Background
    (1, 0, 0): 5,  # UpperClothes
    (0, 1, 0): 9,  # Pants
    (0, 0, 1): 2,  # Hair
    (1, 1, 0): 13,  # Face
    (1, 0, 1): 6,  # Dress
    (0, 1, 1): 14,  # Left-arm
    (1, 1, 1): 15,  # Right-arm
}
HUMAN = 20
SHARPNESS = 8.0


class ColourParser(nn.Module):
    """Normalised image (1, 3, H, W) to ten queries (eight for single-person), by colour."""

    def __init__(self, humans: bool, num_classes: int):
        super().__init__()
        corners = torch.tensor(list(COLOURS), dtype=torch.float32)
        classes = [*COLOURS.values()] + [HUMAN, HUMAN] * humans
        logits = torch.zeros(1, len(classes), num_classes + 1)
        logits[0, torch.arange(len(classes)), torch.tensor(classes)] = 10
        self.humans = humans
        self.register_buffer("logits", logits)
        self.register_buffer("mean", torch.tensor(CONFIG.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(CONFIG.std)[:, None, None])
        # At its own corner a colour scores 3 - 2, at every other at most 1 - 2.
        self.register_buffer("signs", (2 * corners - 1)[:, :, None, None])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        colour = F.avg_pool2d(image * self.std + self.mean, 4) / 255
        masks = F.conv2d(2 * colour - 1, self.signs) - 2
        if self.humans:
            width = colour.shape[3]
            x = (torch.arange(width, dtype=torch.float32) + 0.5) / width
            side = torch.stack((0.5 - x, x - 0.5))[:, None] * 8
            lit = 2 * colour.sum(dim=1, keepdim=True) - 1
            masks = torch.cat((masks, torch.minimum(lit, side)), dim=1)
        return self.logits + 0.0, masks * SHARPNESS


class SmallBackbone(nn.Module):
    """Four strided convolutions."""

    channels = {"res2": 8, "res3": 8, "res4": 8, "res5": 8}

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        for name in self.channels:
            self.add_module(name, nn.Conv2d(8, 8, 3, stride=2, padding=1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.stem(x)
        features = {}
        for name in self.channels:
            x = features[name] = getattr(self, name)(torch.relu(x))
        return features


def make_small_m2fp() -> model.M2FP:
    """A whole M2FP with every kind of layer and few weights, seeded."""
    config = dataclasses.replace(
        for_dataset(CONFIG, "cihp"),
        hidden_dim=32,
        mask_dim=32,
        num_heads=4,
        norm_groups=4,
        encoder_layers=2,
        encoder_ffn=32,
        decoder_layers=3,
        decoder_ffn=32,
        num_queries=10,
    )
    torch.manual_seed(0)
    with mock.patch.object(model, "make_backbone", lambda kind: SmallBackbone()):
        network = model.M2FP(config)
    # As initialised, sampling offsets and attention do not depend on the image.
    for name, x in network.named_parameters():
        if "sampling_offsets.weight" in name or "attention_weights.weight" in name:
            nn.init.normal_(x, std=0.5)
    return network


def counting_image(height: int, width: int) -> Tensor:
    """An image (1, 3, height, width) that needs no file: value i is (i * 7919 % 1009) / 504 - 1."""
    count = 3 * height * width
    values = (torch.arange(count, dtype=torch.int64) * 7919 % 1009).float() / 504 - 1
    return values.reshape(1, 3, height, width)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    contracts, networks = {}, {}
    for dataset in ("cihp", "lip"):
        config = for_dataset(CONFIG, dataset)
        contracts[dataset] = make_contract(
            config, dataset, "seed:0", config.licence, torch.__version__
        )
        network = ColourParser(dataset == "cihp", config.num_classes)
        networks[dataset] = archive.freeze(network.eval(), half=True)

    def save(name: str, network: torch.jit.ScriptModule, contract: dict | None) -> None:
        archive.save_archive(network, contract, FOLDER / f"{name}.pt")

    save("colour-multi", networks["cihp"], contracts["cihp"])
    save("colour-single", networks["lip"], contracts["lip"])
    save("no-contract", networks["cihp"], None)
    save("future-contract", networks["cihp"], contracts["cihp"] | {"format_version": 99})
    save("mismatched-contract", networks["cihp"], contracts["lip"])

    small = make_small_m2fp()
    archive.prepare(small, half=True)
    save("random", archive.freeze(small, half=True), contracts["cihp"])
    sizes = [(96, 128), (160, 64)]
    for height, width in sizes:
        with torch.no_grad():
            outputs = small(counting_image(height, width))
        for name, x in zip(("logits", "masks"), outputs):
            file = FOLDER / f"random-{height}x{width}.{name}.f32"
            file.write_bytes(x.numpy().astype("<f4").tobytes())
    index = {"queries": 10, "network_classes": 22, "sizes": sizes}
    (FOLDER / "random.json").write_text(json.dumps(index) + "\n")


if __name__ == "__main__":
    main()
