"""What a picture for training shows, as far as it is known.

A pixel's label is a *kind*: a set of classes that may be right there. A render knows one class at
most pixels; a photo labelled "skin" knows that it is one of six. One loss serves all (`criterion`),
and what nothing is known of is the set of every class.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from synthetic import classes
from synthetic.classes import CLASSES, MIRRORED, Scene

UNKNOWN_PERSON = 255
UNKNOWN_SIDE = 128


class Kind(NamedTuple):
    """A set of classes, and how often a pixel of it is drawn for the loss beside others."""

    classes: frozenset[int]
    weight: float


def _weight(label: int) -> float:
    """Small things are drawn more often, or a batch would hardly meet them."""
    often = {
        classes.GLOVES: 8.0, classes.SUNGLASSES: 8.0, classes.HAT: 5.0, classes.SOCKS: 5.0,
        classes.SCARF: 4.0, classes.LEFT_SHOE: 3.0, classes.RIGHT_SHOE: 3.0, classes.SKIRT: 1.5,
        classes.DRESS: 1.5, classes.HAIR: 2.0, classes.FACE: 2.0, classes.LEFT_ARM: 2.0,
        classes.RIGHT_ARM: 2.0, classes.LEFT_LEG: 1.5, classes.RIGHT_LEG: 1.5,
    }  # fmt: skip
    return often.get(label, 1.0)


_kinds: list[Kind] = []
_numbers: dict[Kind, int] = {}


def kind(members: Iterable[int], weight: float | None = None) -> int:
    """The number of a kind in this process, in 0...255; by default its smallest class's weight."""
    members = frozenset(int(x) for x in members)
    wanted = Kind(members, max(map(_weight, members)) if weight is None else weight)
    if wanted not in _numbers:
        if len(_kinds) > 255:
            raise OverflowError("more kinds than a byte can tell apart")
        _numbers[wanted] = len(_kinds)
        _kinds.append(wanted)
        # Its mirror image as well, so that `mirrored_kinds` never needs a number not yet given.
        kind(MIRRORED[list(members)], wanted.weight)
    return _numbers[wanted]


# The first are the classes alone: a render's labels are kinds as they are.
for _label in range(len(CLASSES)):
    _kinds.append(Kind(frozenset((_label,)), _weight(_label)))
    _numbers[_kinds[-1]] = _label
EVERY_CLASS = range(len(CLASSES))
UNKNOWN = kind(EVERY_CLASS, 0.0)
PERSON = kind(EVERY_CLASS[1:], 1.0)
# Far from people there is much background, and it is soon learned.
FAR = kind((classes.BACKGROUND,), 0.3)
# Bags, umbrellas and other things that people hold or wear and that CIHP counts as background.
HELD = kind((classes.BACKGROUND,), 4.0)


def mirrored_kinds() -> np.ndarray:
    """(K,) uint8: the kind of each kind's pixels after a flip from left to right."""
    return np.array(
        [_numbers[Kind(frozenset(MIRRORED[list(k.classes)].tolist()), k.weight)] for k in _kinds],
        np.uint8,
    )


def kind_weights() -> np.ndarray:
    """(K,) float64: how often a pixel of each kind is drawn."""
    return np.array([k.weight for k in _kinds])


def kind_classes() -> np.ndarray:
    """(K, 20) bool: the classes of each kind."""
    result = np.zeros((len(_kinds), len(CLASSES)), bool)
    for row, k in zip(result, _kinds):
        row[list(k.classes)] = True
    return result


class Sample(NamedTuple):
    """A picture for training.

    rgb : (H, W, 3) uint8.
    kinds : (H, W) uint8, numbers of `kind`.
    persons : (H, W) uint8, 0 for nobody, then 1...; `UNKNOWN_PERSON` where it is not known who.
    left : (H, W) uint8, the chance times 255 that the arm, leg or shoe there is the person's left
        one, as a teacher sees it; `UNKNOWN_SIDE` where there is no opinion.
    """

    rgb: np.ndarray
    kinds: np.ndarray
    persons: np.ndarray
    left: np.ndarray

    def mirrored(self) -> Sample:
        """The same with left and right exchanged: sides are the person's own."""
        left = np.where(self.left == UNKNOWN_SIDE, self.left, 255 - self.left)
        maps = (self.rgb, mirrored_kinds()[self.kinds], self.persons, left)
        return Sample(*(np.ascontiguousarray(x[:, ::-1]) for x in maps))


def no_opinion(shape: tuple[int, int]) -> np.ndarray:
    """`Sample.left` of a picture without a teacher."""
    return np.full(shape, UNKNOWN_SIDE, np.uint8)


def from_scene(scene: Scene) -> Sample:
    """A render: everything is known, but which of two names some garments have."""
    kinds = _render_kinds()[scene.labels]
    return Sample(scene.rgb, kinds, scene.persons, no_opinion(scene.labels.shape))


@functools.cache
def _render_kinds() -> np.ndarray:
    """(20,) uint8: the kind of each of a render's labels.

    Rendered coats look like shirts, rendered dresses like tops with skirts: which of the two it is
    photos teach.
    """
    result = np.arange(len(CLASSES), dtype=np.uint8)
    for pair in ((classes.UPPER_CLOTHES, classes.COAT), (classes.DRESS, classes.SKIRT)):
        result[list(pair)] = kind(pair)
    return result


def without_people(rgb: np.ndarray) -> Sample:
    """A picture that shows nobody."""
    nobody = np.zeros(rgb.shape[:2], np.uint8)
    return Sample(rgb, nobody, nobody.copy(), no_opinion(nobody.shape))
