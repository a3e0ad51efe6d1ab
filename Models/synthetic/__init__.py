"""Synthetic people: labelled multi-person scenes rendered from CC0 body data (see SOURCES.md).

`synthetic.sample(seed, width, height, split="train") -> Scene`; the modules are imported when first
needed, so that reading shards requires neither a compiler nor assets.
"""

from __future__ import annotations

from synthetic.classes import Scene


def sample(
    seed: int, width: int, height: int, split: str = "train", people_free: bool = False
) -> Scene:
    """See `synthetic.scene.sample`."""
    from synthetic import scene

    return scene.sample(seed, width, height, split, people_free)
