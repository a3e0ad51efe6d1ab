"""The sizes of each model: nothing in the network's code fixes a width or a count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Refinement(NamedTuple):
    """How masks are cleaned (`refine` says in which steps); areas and covers are shares in 0…1."""

    radius: int
    epsilon: float
    fill_threshold: float
    hole_area: float
    island_area: float
    least_cover: float


@dataclass(frozen=True)
class Config:
    """Sizes of one M2FP network.

    Attributes
    ----------
    name : str
        Name of the model, written into the archive's contract.
    backbone : str
        Kind of feature extractor: ``resnet50``, ``resnet101`` or
        ``efficientnet-lite2``.
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
        Transformer decoder: layers, feed-forward width, learned queries.
    person_queries : int
        Queries in addition, chosen from the image at likely centres of persons; 0 for the
        published architecture.
    short_side, max_side : int
        Multi-person input: the short side is resized to the first, unless that makes the long
        side longer than the second.
    single_width, single_height : int
        Single-person input: images are fitted into this.
    mean, std : tuple of float
        RGB normalisation on the scale 0 to 255.
    human_score_threshold, semantic_score_threshold, mask_threshold : float
        Of the postprocess; the defaults are ModelScope's.
    refine : Refinement or None
        How masks are cleaned, if at all; the official models' stay as the reference has them.
    licence : str
        SPDX identifier of the licence of this model's published weights.
    notice : str
        What users of these weights should know of the data behind them; empty for the official
        models, whose authors say it.
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
    person_queries: int = 0
    short_side: int = 640
    max_side: int = 1333
    single_width: int = 384
    single_height: int = 512
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    human_score_threshold: float = 0.1
    semantic_score_threshold: float = 0.5
    mask_threshold: float = 0.5
    refine: Refinement | None = None
    licence: str = "CC-BY-NC-4.0"
    notice: str = ""


CONFIGS = {
    config.name: config
    for config in (
        Config(name="m2fp-r101", backbone="resnet101"),
        Config(name="m2fp-r50", backbone="resnet50"),
        Config(
            name="m2fp-tiny",
            backbone="efficientnet-lite2",
            hidden_dim=128,
            mask_dim=128,
            encoder_layers=3,
            encoder_ffn=384,
            encoder_points=4,
            decoder_layers=4,
            decoder_ffn=512,
            num_queries=19,  # one for each part class
            person_queries=24,
            # As large as training ended; larger ones measured worse on real photos.
            short_side=384,
            max_side=576,
            mean=(127.0, 127.0, 127.0),
            std=(128.0, 128.0, 128.0),
            human_score_threshold=0.35,
            semantic_score_threshold=0.3,
            mask_threshold=0.35,
            # Chosen on photos that validate. Filling below the mask threshold finds more of people on
            # everyday photos, and more bags and clothes that nobody wears: so none.
            refine=Refinement(
                radius=3,
                epsilon=1e-3,
                fill_threshold=0.35,
                hole_area=0.001,
                island_area=0.0001,
                least_cover=0.4,
            ),
            licence="Apache-2.0 AND CC0-1.0",
            notice=(
                "Trained on rendered people (CC0-1.0 bodies and garments) and on real photos:"
                " 697 street photos of Clothing Co-Parsing (Apache-2.0 as its authors state; they"
                " name neither photographers nor people), 190 everyday photos of MS COCO (CC BY 2.0"
                " photos, CC BY 4.0 outlines) and 440 of clothes (CC0-1.0). The people in them are"
                " recognisable, and nothing shows that they agreed. Models/README.md has figures,"
                " limits and whom it may fail."
            ),
        ),
    )
}
