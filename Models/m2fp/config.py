"""The sizes of each model: nothing in the network's code fixes a width or a count."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Sizes of one M2FP network.

    Attributes
    ----------
    name : str
        Name of the model, written into the archive's contract.
    backbone : str
        Kind of feature extractor: ``resnet50``, ``resnet101`` or ``pose``.
    num_classes : int
        Parsing classes plus, for multi-person models, the instance class Human. The class head
        has one more output, "no object".
    hidden_dim : int
        Width of both transformers.
    mask_dim : int
        Width of the mask features and mask embeddings whose product is a mask.
    num_heads : int
        Attention heads, in both transformers.
    norm_groups : int
        Groups of each GroupNorm in the pixel decoder.
    encoder_layers, encoder_ffn, encoder_points : int
        Pixel decoder: layers, feed-forward width, sampling points of a head on each level.
    decoder_layers, decoder_ffn, num_queries : int
        Transformer decoder: layers, feed-forward width, queries.
    """

    name: str
    backbone: str
    num_classes: int = 21
    hidden_dim: int = 256
    mask_dim: int = 256
    num_heads: int = 8
    norm_groups: int = 32
    encoder_layers: int = 6
    encoder_ffn: int = 1024
    encoder_points: int = 4
    decoder_layers: int = 9
    decoder_ffn: int = 2048
    num_queries: int = 100


CONFIGS = {
    config.name: config
    for config in (
        Config(name="m2fp-r101", backbone="resnet101"),
        Config(name="m2fp-r50", backbone="resnet50"),
        Config(
            name="m2fp-tiny",
            backbone="pose",
            hidden_dim=128,
            mask_dim=128,
            encoder_layers=3,
            encoder_ffn=512,
            decoder_layers=6,
            decoder_ffn=512,
            num_queries=50,
        ),
    )
}
