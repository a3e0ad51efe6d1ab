"""Clean masks: part masks that follow the picture, without holes, crumbs and strays.

An option of the contract, ``postprocess.refine``, for our own models; without it the postprocess is
the reference's, exactly. This is the specification: another implementation gives the same numbers up
to the rounding of exp and log where it says float32, and the same labels.

It works at the network's size, on the picture as resized for the network (h rows, w columns) without
padding, after the scores of instances are known and before they are merged:

0. *Picture.* grey = (77 R + 150 G + 29 B + 128) >> 8 of the resized 8-bit picture, divided by 255.
1. *Chances.* Of each query with a part instance, its best one: class k and score s (`parse` says how
   scores are made, at the photo's size from unrefined masks). Its mask logits are resized as for the
   merge (bilinear, corners not aligned, to the padded size, then cropped). p = s / (1 + exp(-logit)).
2. *Guided filter* (He, Sun and Tang 2013) of p by the grey picture, ``radius`` r and ``epsilon``. With
   box(x) the sum over the (2r + 1)² window, cut off at the picture's border, and n the number of
   pixels in it: m = box(I)/n, v = box(I²)/n − m², a = (box(I p)/n − m box(p)/n) / (v + epsilon),
   b = box(p)/n − a m, q = box(a)/n I + box(b)/n, cut to 0…s. All in float32, every division by n a
   product with 1/n; a box adds columns from left to right, then rows from top to bottom.
3. *Label map* L: the class of the largest q, the query that comes first of equal ones, where that
   exceeds ``mask_threshold``; else 0. The queries are in the order of their classes, and of their
   numbers within a class.
4. *Fill.* Where L is 0 and an accepted person's mask logit, resized in the same way, is above 0: the
   class of the largest q if that exceeds ``fill_threshold``.
5. *Holes.* A piece of L = 0 (4-connected) that touches no border of the picture and has no more than
   ``hole_area`` of its pixels gets the commonest label around it.
6. *Islands.* A piece of one label other than 0 (8-connected) with no more than ``island_area`` of the
   picture's pixels, whose commonest label around is not 0, gets that. All are decided on the map as
   it was before this step.
7. *Strays.* A piece of L > 0 (8-connected) of which accepted persons' masks cover less than the share
   ``least_cover`` becomes 0.
8. *Masks.* A query's refined mask logit is log(c / (1 − c)), c = q / s cut to `LEAST`…1 − `LEAST`.
   Where steps 4 to 7 changed L, c is `GIVEN` for the first query of the new class, and `LEAST` for
   all others.

"Around" a piece are the pixels outside it that touch one of its own: at a side for holes, at a side or
a corner for islands. Of labels that are equally common the lowest counts. Areas are compared as
pixels with the share of h w, in float64.

The merge then takes these logits in place of the query's mask, on a grid as large as the picture.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .config import Refinement

LEAST = np.float32(0.02)
GIVEN = np.float32(0.9)
SIDES = ndimage.generate_binary_structure(2, 1)
CORNERS = ndimage.generate_binary_structure(2, 2)


def grey(rgb: np.ndarray) -> np.ndarray:
    """(h, w) float32 in 0…1 of a picture (h, w, 3) uint8."""
    weighted = rgb.astype(np.int32) @ np.array((77, 150, 29), np.int32)
    return ((weighted + 128) >> 8).astype(np.float32) / np.float32(255)


def box(values: np.ndarray, radius: int) -> np.ndarray:
    """(h, w) float32: sums over windows of 2 ``radius`` + 1 pixels, cut off at the border."""
    height, width = values.shape
    padded = np.pad(values, radius)
    rows = padded[:, :width].copy()
    for shift in range(1, 2 * radius + 1):
        rows += padded[:, shift : shift + width]
    result = rows[:height].copy()
    for shift in range(1, 2 * radius + 1):
        result += rows[shift : shift + height]
    return result


def guided_filter(
    picture: np.ndarray, chances: np.ndarray, radius: int, epsilon: float
) -> np.ndarray:
    """Chances (K, h, w) float32 smoothed within the regions of a picture (h, w) float32."""
    share = 1 / box(np.ones_like(picture), radius)

    def mean(values: np.ndarray) -> np.ndarray:
        return box(values, radius) * share

    average = mean(picture)
    spread = mean(picture * picture) - average * average + np.float32(epsilon)
    result = np.empty_like(chances)
    for plane, chance in zip(result, chances):
        own = mean(chance)
        slope = (mean(picture * chance) - average * own) / spread
        plane[:] = mean(slope) * picture + mean(own - slope * average)
    return result


def best_labels(chances: np.ndarray, classes: np.ndarray, threshold: float) -> np.ndarray:
    """(h, w) uint8: the class of the largest chance (K, h, w) where that exceeds a threshold."""
    return np.where(chances.max(0) > np.float32(threshold), classes[chances.argmax(0)], 0)


def pieces(mask: np.ndarray, structure: np.ndarray, most: float):
    """Of each connected piece of ``mask`` (h, w) with at most ``most`` pixels: the window of it and
    its surroundings, which pixels in there are the piece, and which surround it."""
    numbers, count = ndimage.label(mask, structure)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    for number, window in enumerate(ndimage.find_objects(numbers), 1):
        if sizes[number] <= most:
            window = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in window)
            piece = numbers[window] == number
            yield window, piece, ndimage.binary_dilation(piece, structure) & ~piece


def commonest(labels: np.ndarray) -> int:
    """The label that occurs most often, the lowest of equals; 0 of none."""
    return int(np.bincount(labels).argmax()) if labels.size else 0


def clean(labels: np.ndarray, covered: np.ndarray, options: Refinement) -> np.ndarray:
    """Steps 5 to 7 on a label map (h, w) uint8; ``covered`` (h, w) bool is where persons are."""
    labels = labels.copy()
    height, width = labels.shape
    for window, piece, around in pieces(labels == 0, SIDES, options.hole_area * labels.size):
        rows, columns = np.nonzero(piece)
        rows, columns = rows + window[0].start, columns + window[1].start
        inside = 0 < rows.min() and rows.max() < height - 1
        if inside and 0 < columns.min() and columns.max() < width - 1:
            labels[window][piece] = commonest(labels[window][around])
    before = labels.copy()
    for label in np.unique(before[before > 0]):
        own = before == label
        for window, piece, around in pieces(own, CORNERS, options.island_area * labels.size):
            other = commonest(before[window][around])
            if other:
                labels[window][piece] = other
    numbers, count = ndimage.label(labels > 0, CORNERS)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    cover = np.bincount(numbers.ravel(), covered.ravel(), count + 1)
    labels[(cover < options.least_cover * sizes)[numbers]] = 0
    return labels


def refine(
    masks: np.ndarray,
    classes: np.ndarray,
    scores: np.ndarray,
    picture: np.ndarray,
    covered: np.ndarray,
    mask_threshold: float,
    options: Refinement,
) -> np.ndarray:
    """Refined mask logits of part queries.

    Parameters
    ----------
    masks : ndarray
        (K, h, w) float32, mask logits at the network's size, of queries in the order of step 3.
    classes, scores : ndarray
        (K,) integers 1… and float32, of each query's best instance.
    picture : ndarray
        (h, w) float32, as `grey` makes it.
    covered : ndarray
        (h, w) bool, where the mask of an accepted person is.

    Returns
    -------
    ndarray
        (K, h, w) float32.
    """
    if not len(masks):
        return masks
    scores = scores.astype(np.float32)[:, None, None]
    chances = scores / (1 + np.exp(-masks))
    chances = guided_filter(picture, chances, options.radius, options.epsilon)
    chances = chances.clip(0, scores)
    before = best_labels(chances, classes, mask_threshold)
    labels = before.copy()
    weak = (labels == 0) & covered
    labels[weak] = best_labels(chances, classes, options.fill_threshold)[weak]
    labels = clean(labels, covered, options)
    chances = (chances / scores).clip(LEAST, 1 - LEAST)
    changed = labels != before
    if changed.any():
        first = np.unique(classes, return_index=True)[1]
        for number, (chance, label) in enumerate(zip(chances, classes)):
            given = (labels == label) & (number in first)
            chance[changed] = np.where(given, GIVEN, LEAST)[changed]
    return np.log(chances / (1 - chances))
