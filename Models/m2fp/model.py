"""The whole network."""

from __future__ import annotations

from torch import Tensor, nn

from .config import Config
from .layers import Conv2d
from .person_queries import PersonQueries
from .pixel_decoder import LEVELS, PixelDecoder
from .transformer_decoder import TransformerDecoder


def make_backbone(kind: str) -> nn.Module:
    """The feature extractor that a configuration names.

    It maps an image (B, 3, H, W) to ``{"res2", "res3", "res4", "res5"}`` at strides 4, 8, 16 and
    32; its attribute ``channels`` gives their widths by the same names.
    """
    if kind == "efficientnet-lite2":
        from .efficientnet_lite import EfficientNetLite

        return EfficientNetLite()
    from .resnet import ResNet

    return ResNet(kind)


class Head(nn.Module):
    """Both decoders, in a module of their own because the checkpoints name one."""

    def __init__(self, config: Config, channels: dict[str, int]):
        super().__init__()
        self.pixel_decoder = PixelDecoder(config, channels)
        self.predictor = TransformerDecoder(config)
        self.person_queries = PersonQueries(config) if config.person_queries else None


class M2FP(nn.Module):
    """Image (B, 3, H, W) to one class distribution and one mask a query.

    The image is normalised as the contract says and has sides that are multiples of 32. Shapes
    follow the image, traced or not.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.backbone = make_backbone(config.backbone)
        self.sem_seg_head = Head(config, self.backbone.channels)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (B, Q, C+1), "no object" last, and mask logits (B, Q, H/4, W/4)."""
        return self._decode(image, all_layers=False)[-1]

    def forward_layers(self, image: Tensor) -> list[tuple[Tensor, Tensor]]:
        """What ``forward`` returns, from the initial queries and after every decoder layer."""
        return self._decode(image, all_layers=True)

    def _decode(self, image: Tensor, all_layers: bool) -> list[tuple[Tensor, Tensor]]:
        features = self.backbone(image)
        mask_features, tokens, positions = self.sem_seg_head.pixel_decoder(features)
        sizes = [features[name].shape[-2:] for name in LEVELS]
        chosen = None
        if self.sem_seg_head.person_queries is not None:
            mask_features = self.sem_seg_head.person_queries.locate(mask_features)
            chosen = self.sem_seg_head.person_queries(tokens[-1], sizes[-1])
        return self.sem_seg_head.predictor(
            mask_features, tokens, positions, sizes, all_layers, chosen
        )

    def fold_batch_norms(self) -> None:
        """Fold every BatchNorm into the convolution before it; for inference only."""
        for module in self.modules():
            if isinstance(module, Conv2d):
                module.fold_batch_norm()
