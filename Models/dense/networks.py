"""The networks that can be exported, by name, and what their contracts say."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

from torch import nn

from . import lite_hrnet, schp, segformer

# ImageNet's, of levels up to 255: what all published weights were trained with.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


@dataclasses.dataclass(frozen=True)
class Network:
    """A network and its contract.

    `make` takes the number of classes; `size` is the side of the input that the published weights
    take, `divisor` what any side is a multiple of; `classes` are those of the published weights,
    None where these differ. The rest is as in docs/contract.md.
    """

    make: Callable[[int], nn.Module]
    stride: int
    size: int = 512
    divisor: int = 32
    mode: str = "stretch"
    channel_order: str = "rgb"
    align_corners: bool = False
    classes: tuple[str, ...] | None = None

    def preprocess(self, size: int) -> dict:
        """The contract's field of that name, for an input of size × size."""
        result = {
            "mode": self.mode, "width": size, "height": size, "divisor": self.divisor,
            "mean": list(MEAN), "std": list(STD),
        }  # fmt: skip
        if self.channel_order != "rgb":
            result["channel_order"] = self.channel_order
        return result


NETWORKS = {
    name: Network(functools.partial(segformer.SegFormer, config), segformer.STRIDE)
    for name, config in segformer.CONFIGS.items()
}
NETWORKS |= {
    name: Network(functools.partial(lite_hrnet.LiteHRNetOCR, config), lite_hrnet.STRIDE)
    for name, config in lite_hrnet.CONFIGS.items()
}
# The extractor that comes with the weights warps a photo in and its logits back, in BGR.
NETWORKS |= {
    f"schp-{name}": Network(
        functools.partial(schp.SCHP, schp.CONFIG), schp.STRIDE, schp.SIZES[name], divisor=1,
        mode="affine", channel_order="bgr", align_corners=True, classes=classes,
    )
    for name, classes in schp.CLASSES.items()
}  # fmt: skip
