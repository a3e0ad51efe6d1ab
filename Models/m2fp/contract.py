"""What an archive says of itself: how to feed it and how to read it."""

from __future__ import annotations

import dataclasses

from .config import Config

FORMAT_VERSION = 2

CLASSES = {
    "cihp": (
        "Background Hat Hair Gloves Sunglasses UpperClothes Dress Coat Socks Pants Torso-skin"
        " Scarf Skirt Face Left-arm Right-arm Left-leg Right-leg Left-shoe Right-shoe"
    ).split(),
    "lip": (
        "Background Hat Hair Glove Sunglasses UpperClothes Dress Coat Socks Pants Jumpsuits"
        " Scarf Skirt Face Left-arm Right-arm Left-leg Right-leg Left-shoe Right-shoe"
    ).split(),
}

# The colours of the CIHP_PGN and LIP tools.
PALETTE = [
    [0, 0, 0], [128, 0, 0], [255, 0, 0], [0, 85, 0], [170, 0, 51], [255, 85, 0], [0, 0, 85],
    [0, 119, 221], [85, 85, 0], [0, 85, 85], [85, 51, 0], [52, 86, 128], [0, 128, 0], [0, 0, 255],
    [51, 170, 221], [0, 255, 255], [85, 255, 170], [170, 255, 85], [255, 255, 0], [255, 170, 0],
]  # fmt: skip


def make_palette(classes: int) -> list[list[int]]:
    """Colours that are told apart, black first: those of the PASCAL VOC tools, which spread bits."""
    palette = []
    for label in range(classes):
        colour = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                colour[channel] |= (label >> (3 * bit + channel) & 1) << (7 - bit)
        palette.append(colour)
    return palette


def for_dataset(config: Config, dataset: str) -> Config:
    """The configuration with the class count of ``cihp`` (parts and Human) or ``lip`` (parts)."""
    return dataclasses.replace(config, num_classes=len(CLASSES[dataset]) + (dataset == "cihp"))


def _assemble(
    name: str,
    classes: list[str],
    palette: list[list[int]],
    preprocess: dict,
    postprocess: dict,
    licence: str,
    source: str,
    torch_version: str,
) -> dict:
    return {
        "format_version": FORMAT_VERSION,
        "model": name,
        "classes": classes,
        "palette": palette,
        "preprocess": preprocess,
        "postprocess": postprocess,
        "licence": licence,
        "commercial_use": "-NC" not in licence,
        "source_sha256": source,
        "torch_version": torch_version,
    }


def make_contract(
    config: Config, dataset: str, source: str, licence: str, torch_version: str
) -> dict:
    """The contract of an archive.

    Parameters
    ----------
    config : Config
        The network.
    dataset : {"cihp", "lip"}
        Which classes it was trained on: multi-person with instances, or single-person.
    source : str
        SHA-256 of the checkpoint, or ``seed:N``.
    licence : str
        SPDX identifier. Commercial use counts as allowed unless it is a non-commercial one.
    torch_version : str
        Version of torch that wrote the archive.

    Returns
    -------
    dict
        Ready for JSON.
    """
    if dataset == "cihp":
        geometry = {"mode": "multi", "short_side": config.short_side, "max_side": config.max_side}
        postprocess = {
            "mode": "instances",
            "top_k": 100,
            "part_score_threshold": 0.1,
            "human_score_threshold": config.human_score_threshold,
            "semantic_score_threshold": config.semantic_score_threshold,
            "mask_threshold": config.mask_threshold,
        }
        if config.person_queries:
            postprocess["max_persons"] = config.person_queries
        if config.refine is not None:
            postprocess["refine"] = config.refine._asdict()
    else:
        geometry = {
            "mode": "single",
            "width": config.single_width,
            "height": config.single_height,
            "pad_value": 128,
        }
        postprocess = {"mode": "query_semantic"}
    preprocess = {
        **geometry,
        "divisor": 32,
        "mean": list(config.mean),
        "std": list(config.std),
    }
    contract = _assemble(
        config.name, CLASSES[dataset], PALETTE, preprocess, postprocess, licence, source,
        torch_version,
    )  # fmt: skip
    if config.notice:
        contract["notice"] = config.notice
    return contract


def make_dense_contract(
    name: str,
    classes: list[str],
    network: dict,
    stride: int,
    align_corners: bool,
    source: str,
    licence: str,
    torch_version: str,
    palette: list[list[int]] | None = None,
) -> dict:
    """The contract of an archive whose network returns logits (1, C, h, w).

    Parameters
    ----------
    name : str
        The model's.
    classes : list of str
        In the order of the logits, the background first.
    network : dict
        The contract's ``preprocess``: ``mode`` and its sizes, ``divisor``, ``mean``, ``std`` and, for
        planes in the order blue, green, red, ``channel_order``.
    stride : int
        Pixels of the input to a place of the logits.
    align_corners : bool
        How the logits lie over the input, as in torch's ``interpolate``.
    source : str
        SHA-256 of the weights, or ``seed:N``.
    licence : str
        SPDX identifier. Commercial use counts as allowed unless it is a non-commercial one.
    torch_version : str
        Version of torch that wrote the archive.
    palette : list of three integers each, optional
        The colours of the classes.

    Returns
    -------
    dict
        Ready for JSON.
    """
    postprocess = {"mode": "dense", "stride": stride, "align_corners": align_corners}
    return _assemble(
        name, classes, palette or make_palette(len(classes)), network, postprocess, licence, source,
        torch_version,
    )  # fmt: skip
