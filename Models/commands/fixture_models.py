"""Write Tests/Fixtures/models: archives small enough for git that obey the contract or break it.

The network of most is made by hand, so that tests can know its answer: each part is a corner of the
colour cube, and what is not black in the left or right half of the network's input is one human.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from m2fp import archive, model
from m2fp.config import CONFIGS
from m2fp.contract import CLASSES, for_dataset, make_contract, make_dense_contract

ROOT = Path(__file__).resolve().parents[2]
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


class DenseColourParser(nn.Module):
    """Normalised image (1, 3, H, W), blue first, to logits (1, 20, H/4, W/4), by colour."""

    def __init__(self):
        super().__init__()
        corners = torch.tensor(list(COLOURS), dtype=torch.float32).flip(1)
        weights = torch.zeros(20, 3, 1, 1)
        weights[torch.tensor(list(COLOURS.values())), :, 0, 0] = 2 * corners - 1
        self.register_buffer("signs", weights)
        bias = torch.full((20,), -3.0)
        bias[torch.tensor(list(COLOURS.values()))] = -2
        self.register_buffer("bias", bias)
        self.register_buffer("mean", torch.tensor(CONFIG.mean).flip(0)[:, None, None])
        self.register_buffer("std", torch.tensor(CONFIG.std).flip(0)[:, None, None])

    def forward(self, image: Tensor) -> Tensor:
        colour = F.avg_pool2d(image * self.std + self.mean, 4) / 255
        return F.conv2d(2 * colour - 1, self.signs, self.bias) * SHARPNESS


class Senseless(nn.Module):
    """Normalised image (1, 3, H, W) to logits (1, 20, H/4, W/4) that are no numbers."""

    def forward(self, image: Tensor) -> Tensor:
        undefined = F.avg_pool2d(image, 4).mean(1, keepdim=True) / 0.0 * 0.0
        return undefined.expand(-1, 20, -1, -1) + 0.0


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


class LayerKinds(nn.Module):
    """Every kind of layer that the shim replaces by a kernel of its own, and those it must leave.

    Each gives one mask: odd and even widths, strides, paddings, activations, residuals that match
    and that broadcast, values used twice.
    """

    CONVOLUTIONS = (
        # outputs, kernel, stride, padding, groups, bias
        (32, 3, 1, 1, 1, True),  # Winograd
        (40, 3, 1, 1, 1, False),  # Winograd
        (24, 3, 1, 0, 1, True),
        (33, 3, 2, 1, 1, True),
        (17, 1, 1, 0, 1, True),
        (5, 1, 2, 0, 1, False),
        (16, 5, 2, 2, 1, True),
        (32, 3, 1, 1, 32, True),  # depthwise
        (32, 5, 2, 2, 32, False),  # depthwise
        (32, 3, 1, 1, 4, True),  # grouped: torch's
        (40, 1, 1, 0, 1, True),
        (34, 1, 2, 0, 1, False),
        (32, 3, 2, 1, 32, True),  # depthwise
        (32, 5, 1, 2, 32, True),  # depthwise
        (32, 3, 1, 0, 32, True),  # depthwise
        (32, 7, 3, 2, 32, True),  # depthwise
    )

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(
            nn.Conv2d(32, outputs, kernel, stride, padding, groups=groups, bias=bias)
            for outputs, kernel, stride, padding, groups, bias in self.CONVOLUTIONS
        )
        self.narrow = nn.Conv2d(24, 24, 3, padding=1, groups=24)  # depthwise
        self.dilated = nn.Conv2d(32, 32, 3, padding=2, dilation=2)
        self.first = nn.Linear(32, 70)
        self.second = nn.Linear(70, 32, bias=False)
        self.row = nn.Parameter(torch.randn(32))
        self.deep = nn.Linear(17 * 32, 34)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.relu(self.stem(image))
        maps = [layer(x) for layer in self.layers]
        maps += [F.relu6(3 * layer(x)) for layer in self.layers[:2]]
        maps += [F.relu6(layer(x)) for layer in self.layers[4:9]]
        maps.append(torch.relu(self.layers[0](x) + x))
        maps.append(torch.relu(x + self.layers[0](x[:, :, :, 1:-1])[:, :, :1, :1]))
        maps.append(self.layers[7](x) + self.layers[0](x))
        maps.append(torch.add(self.layers[0](x), x, alpha=2))
        twice = self.layers[1](x)
        maps.append(torch.relu(twice) + twice)
        maps.append(F.relu6(self.narrow(x[:, :24])))
        maps.append(self.dilated(x))
        tokens = x.flatten(2).transpose(1, 2)
        mixed = tokens + self.second(torch.relu(self.first(tokens)))
        mixed = self.second(self.first(mixed)) + self.row
        maps.append(mixed.transpose(1, 2).unflatten(2, x.shape[-2:]))
        deep = torch.relu(self.deep(tokens.repeat(1, 1, 17)))
        maps.append(deep.transpose(1, 2).unflatten(2, x.shape[-2:]))
        size = [side // 4 for side in image.shape[-2:]]
        masks = [F.interpolate(m.mean(1, keepdim=True), size=size, mode="bilinear") for m in maps]
        masks = torch.cat(masks, dim=1)
        return masks.mean((2, 3))[:, :, None].expand(-1, -1, 22) + 0.0, masks


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
    network = {
        "mode": "stretch", "width": 96, "height": 128, "divisor": 32, "channel_order": "bgr",
        "mean": list(CONFIG.mean), "std": list(CONFIG.std),
    }  # fmt: skip
    dense = make_dense_contract(
        "dense-fixture", CLASSES["cihp"], network, 4, False, "seed:0", "MIT", torch.__version__
    )
    save("colour-dense", archive.freeze(DenseColourParser().eval()), dense)
    rules = dense["postprocess"]
    crops = {"finder": "colour-multi", "margin": 0.1, "outside": "background"}
    several = dense | {"model": "crops-fixture", "postprocess": rules | {"crops": crops}}
    save("colour-crops", archive.freeze(DenseColourParser().eval()), several)
    apart = several | {"postprocess": rules | {"crops": crops | {"network": "colour-dense"}}}
    save("colour-crops-apart", archive.freeze(DenseColourParser().eval()), apart)
    # What its contract says of its logits, it does not return.
    broken = dense | {"postprocess": dense["postprocess"] | {"stride": 8}}
    save("mismatched-dense", archive.freeze(DenseColourParser().eval()), broken)
    fewer = dense | {"classes": dense["classes"][:18], "palette": dense["palette"][:18]}
    save("miscounted-dense", archive.freeze(DenseColourParser().eval()), fewer)
    save("senseless-dense", archive.freeze(Senseless().eval()), dense)
    save("no-contract", networks["cihp"], None)
    save("future-contract", networks["cihp"], contracts["cihp"] | {"format_version": 99})
    save("mismatched-contract", networks["cihp"], contracts["lip"])

    small = make_small_m2fp()
    archive.prepare(small, half=True)
    save("random", archive.freeze(small, half=True), contracts["cihp"])
    torch.manual_seed(0)
    layers = LayerKinds().eval()
    save("layers", archive.freeze(layers), contracts["cihp"])
    sizes = [(96, 128), (160, 64)]
    for height, width in sizes:
        for model_name, network in (("random", small), ("layers", layers)):
            with torch.no_grad():
                outputs = network(counting_image(height, width))
            for name, x in zip(("logits", "masks"), outputs):
                file = FOLDER / f"{model_name}-{height}x{width}.{name}.f32"
                file.write_bytes(x.numpy().astype("<f4").tobytes())
    index = {"queries": 10, "network_classes": 22, "sizes": sizes}
    (FOLDER / "random.json").write_text(json.dumps(index) + "\n")
    make_in_place(contracts["cihp"])
    make_overflowing(contracts["cihp"])


@torch.jit.script
def whole(x: Tensor) -> Tensor:
    """x, by an addition of integers, which is an operator of the same name as that of tensors."""
    return x[..., : x.shape[-1] + 1]


class InPlace(nn.Module):
    """Networks that write to what a layer has read, before what follows the layer runs.

    What follows may be taken into the layer only where the layer need not read again. Each case gives
    one mask.
    """

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 4, stride=4)
        self.layer = nn.Conv2d(32, 32, 3, padding=1)
        self.dense = nn.Linear(32, 32)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, late: Tensor | None) -> Tensor:
        weights = (q @ k.transpose(-2, -1)).softmax(-1)
        if late is not None:
            late.mul_(0.5)
        return weights @ v

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(image)
        maps = []
        # Before an activation: the input itself, a view of it, and what it is a view of.
        y = x + 0.5
        z = self.layer(y)
        y.add_(1)
        maps += [torch.relu(z), y]
        y = x + 0.5
        z = self.layer(y)
        y[:, :16].mul_(2)
        maps += [torch.relu(z), y]
        base = x + 0.5
        y = base[:, :, :]
        z = self.layer(y)
        base.sub_(3)
        maps += [F.relu6(z), base]
        # Before an addition, and between it and an activation: the input, and what is added.
        y, r = x + 0.5, x - 0.25
        z = self.layer(y)
        y.add_(1)
        maps.append(torch.relu(z + r) + y)
        y, r = x + 0.5, x - 0.25
        s = self.layer(y) + r
        r.mul_(3)
        maps.append(torch.relu(s) + r)
        y = x + 0.5
        tokens = y.flatten(2).transpose(1, 2)
        s = self.dense(tokens) + tokens
        y.neg_()
        maps.append(torch.relu(s).transpose(1, 2).reshape(y.shape) + y)
        # What is written afterwards or before forbids nothing.
        y = x + 0.5
        y.add_(1)
        z = torch.relu(self.layer(y))
        y.add_(1)
        maps += [z, y]
        # Attention reads the queries and the keys at its end.
        heads = x.flatten(2).reshape(x.shape[0], 4, 8, -1).transpose(2, 3)
        for late in range(4):
            q, k, v = heads + 0.1, heads * 0.3, heads - 0.2
            out = self.attend(q, k, v, (q, k, v, None)[late])
            maps.append((out + q + k).transpose(2, 3).reshape(x.shape))
        masks = torch.cat([m.mean(1, keepdim=True) for m in maps], dim=1)
        masks = whole(masks)
        return masks.mean((2, 3))[:, :, None].expand(-1, -1, 22) + 0.0, masks


def make_in_place(contract: dict) -> None:
    torch.manual_seed(0)
    network = InPlace().eval()
    archive.save_archive(archive.freeze(network), contract, FOLDER / "in-place.pt")
    with torch.no_grad():
        masks = network(counting_image(96, 128))[1]
    (FOLDER / "in-place-96x128.masks.f32").write_bytes(masks.numpy().astype("<f4").tobytes())


class Overflowing(nn.Module):
    """Names a level of 2^32 x 2^32 tokens, which 64 bits count as none, beside one of all four."""

    def __init__(self):
        super().__init__()
        self.register_buffer("shapes", torch.tensor([[2**32, 2**32], [2, 2]]))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = image.flatten()
        attended = torch.ops.m2fp.deformable_attention(
            x[:32].reshape(1, 4, 1, 8), self.shapes, x[:8].reshape(1, 4, 2),
            x[:16].reshape(1, 4, 1, 2, 1, 2), x[:8].reshape(1, 4, 1, 2))
        return attended, attended[:, :, None]


def make_overflowing(contract: dict) -> None:
    from m2fp import deformable_attention  # noqa: F401  # registers the operator

    network = torch.jit.freeze(torch.jit.script(Overflowing().eval()))
    archive.save_archive(network, contract, FOLDER / "overflowing-shapes.pt")
