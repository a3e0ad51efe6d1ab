"""The measures of human parsing.

mIoU, per-class IoU and pixel accuracy come from one confusion matrix over all pixels (Long et al.
2015, section 5). The instance measures are those of the multi-person parsing benchmarks:

- AP^r (Hariharan et al. 2014; for parsing Gong et al. 2018, "PGN", section 4.1): every part of
  every person is a region; a found region is right if its IoU with a true region of its class
  exceeds a threshold. AP for each class, mean over the classes that occur, then over thresholds.
- AP^p (Zhao et al. 2018, "MHP v2", section 4.2): as AP of persons, with the mean IoU of a person's
  parts in place of the IoU of boxes. Mean over the thresholds.
- PCP (Zhao et al. 2018, section 4.2): the share of a true person's parts found with an IoU above
  the threshold, in the found person that matches with at least that mean part IoU; 0 for a person
  that none matches. Mean over persons.

M2FP's published evaluator departs from these definitions (it counts the background among a person's parts,
lets one truth be found many times over, and counts classes that occur nowhere as 0); `m2fp eval` gives its
figures, these are the papers'.

Thresholds are 0.1 to 0.9 in steps of 0.1. AP is the area under the precision envelope (Everingham
et al. 2010, as of VOC 2010). A part's mean runs over the classes that either person shows; the
background is never a part.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

THRESHOLDS = tuple(round(0.1 * k, 1) for k in range(1, 10))
IGNORED = 255


class Confusion:
    """Pixel counts, true class by found class.

    Attributes
    ----------
    counts : (C, C) float64
        ``counts[t, f]``: weight of the pixels of class t that were labelled f.
    """

    def __init__(self, classes: int):
        self.counts = np.zeros((classes, classes))

    def add(self, truth: np.ndarray, found: np.ndarray, weight: float = 1) -> None:
        """Count one image: two (H, W) label maps. Pixels of truth ``IGNORED`` do not count."""
        classes = len(self.counts)
        valid = truth != IGNORED
        pairs = truth[valid].astype(np.int64) * classes + found[valid]
        new = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
        self.counts += weight * new

    def iou(self) -> np.ndarray:
        """(C,) IoU of each class; NaN where the class is neither true nor found anywhere."""
        right = np.diag(self.counts)
        union = self.counts.sum(0) + self.counts.sum(1) - right
        return np.divide(right, union, out=np.full(len(right), np.nan), where=union > 0)

    def accuracy(self) -> float:
        """Share of the pixels labelled right."""
        return float(np.trace(self.counts) / self.counts.sum())


def foreground_iou(truth: np.ndarray, found: np.ndarray, ignored: np.ndarray | None = None) -> float:
    """IoU of two (H, W) masks outside ``ignored``; 1 if both are empty."""
    truth, found = truth.astype(bool), found.astype(bool)
    if ignored is not None:
        truth, found = truth & ~ignored, found & ~ignored
    union = np.count_nonzero(truth | found)
    return np.count_nonzero(truth & found) / union if union else 1.0


def matched_iou(truth: np.ndarray, found: np.ndarray, ignored: np.ndarray | None = None) -> list[float]:
    """For each true person the mask IoU of the found person given to it; 0 if it gets none.

    Parameters
    ----------
    truth, found : (H, W) integers
        Person maps: 0 for none, then 1...
    ignored : (H, W) bool, optional
        Pixels that do not count.

    Notes
    -----
    Pairs are taken one to one in descending order of IoU.
    """
    if ignored is not None:
        truth, found = np.where(ignored, 0, truth), np.where(ignored, 0, found)
    persons = [k for k in np.unique(truth) if k]
    overlap, truth_area, found_area = _overlaps(truth, found)
    union = truth_area[:, None] + found_area[None] - overlap
    iou = np.where(overlap > 0, overlap / np.maximum(union, 1), 0)
    iou[0] = iou[:, 0] = 0
    result = dict.fromkeys(persons, 0.0)
    while iou.size and (best := iou.max()) > 0:
        t, f = np.unravel_index(iou.argmax(), iou.shape)
        result[t] = float(best)
        iou[t], iou[:, f] = 0, 0
    return list(result.values())


def _overlaps(truth: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, columns = int(truth.max()) + 1, int(found.max()) + 1
    pairs = truth.astype(np.int64) * columns + found
    overlap = np.bincount(pairs.ravel(), minlength=rows * columns).reshape(rows, columns)
    return overlap, overlap.sum(1), overlap.sum(0)


class Persons(NamedTuple):
    """The persons of one image by their parts.

    labels : (H, W) class ids.
    persons : (H, W) person ids: 0 for none, then 1...
    scores : (N,) of persons 1...N; a true person needs none.
    """

    labels: np.ndarray
    persons: np.ndarray
    scores: np.ndarray | None = None


class Instances:
    """Collects images and gives AP^r, AP^p and PCP over all of them.

    Parameters
    ----------
    classes : int
        Parsing classes, background included.
    """

    def __init__(self, classes: int):
        self.classes = classes
        self.person_truths = 0
        self.part_truths = np.zeros(classes, np.int64)
        # Each finding: its score, the best IoU with a truth, and which truth (unique over images).
        self._persons: list[tuple[float, float, int]] = []
        self._parts: list[list[tuple[float, float, int]]] = [[] for _ in range(classes)]
        # For each pair of a finding and its best truth: that person's share of parts found.
        self._shares: list[np.ndarray] = []

    def add(self, truth: Persons, found: Persons) -> None:
        """Count one image. A found part's score is its person's."""
        classes = self.classes
        true_area, found_area = _part_areas(truth, classes), _part_areas(found, classes)
        overlap = _part_overlaps(truth, found, len(true_area), len(found_area), classes)
        union = true_area[:, None] + found_area[None] - overlap
        part_iou = np.divide(overlap, union, out=np.zeros(union.shape), where=union > 0)
        shown = np.count_nonzero(union[:, :, 1:], axis=2)
        mean_iou = part_iou[:, :, 1:].sum(2) / np.maximum(shown, 1)

        true_persons = [k for k in range(1, len(true_area)) if true_area[k, 1:].any()]
        found_persons = [k for k in range(1, len(found_area)) if found_area[k].any()]
        first = self.person_truths
        for f in found_persons:
            score = float(found.scores[f - 1])
            best = max(true_persons, key=lambda t: mean_iou[t, f], default=None)
            if best is None:
                self._persons.append((score, 0.0, -1))
                self._shares.append(np.zeros(len(THRESHOLDS)))
            else:
                number = first + true_persons.index(best)
                self._persons.append((score, float(mean_iou[best, f]), number))
                has = true_area[best, 1:] > 0
                hits = part_iou[best, f, 1:][has][None] > np.array(THRESHOLDS)[:, None]
                self._shares.append(hits.mean(1))
            for c in np.flatnonzero(found_area[f, 1:]) + 1:
                t = max(true_persons, key=lambda t: part_iou[t, f, c], default=-1)
                value = float(part_iou[t, f, c]) if t >= 0 else 0.0
                number = first + true_persons.index(t) if value > 0 else -1
                self._parts[c].append((score, value, number))
        self.person_truths += len(true_persons)
        self.part_truths += (true_area[true_persons] > 0).sum(0)

    def apr(self, threshold: float) -> float:
        """AP^r at one threshold: mean over the classes that occur in the truth."""
        values = [
            average_precision(self._parts[c], int(self.part_truths[c]), threshold)
            for c in range(1, self.classes)
            if self.part_truths[c]
        ]
        return float(np.mean(values)) if values else float("nan")

    def app(self, threshold: float) -> float:
        """AP^p at one threshold."""
        return average_precision(self._persons, self.person_truths, threshold)

    def pcp(self, threshold: float) -> float:
        """PCP at one of ``THRESHOLDS``."""
        column = THRESHOLDS.index(threshold)
        order, right = _assign(self._persons, threshold)
        total = sum(self._shares[k][column] for k, ok in zip(order, right) if ok)
        return float(total / self.person_truths) if self.person_truths else float("nan")


def _part_areas(image: Persons, classes: int) -> np.ndarray:
    """(persons + 1, C) pixels of each person with each label."""
    rows = int(image.persons.max()) + 1
    pairs = image.persons.astype(np.int64) * classes + image.labels
    return np.bincount(pairs.ravel(), minlength=rows * classes).reshape(rows, classes)


def _part_overlaps(truth: Persons, found: Persons, rows: int, columns: int, classes: int) -> np.ndarray:
    """(true persons + 1, found persons + 1, C) pixels that agree on the label."""
    same = truth.labels == found.labels
    index = truth.persons[same].astype(np.int64) * columns + found.persons[same]
    index = index * classes + truth.labels[same]
    return np.bincount(index, minlength=rows * columns * classes).reshape(rows, columns, classes)


def _assign(found: list[tuple[float, float, int]], threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Order of descending score, and which of those are right: each truth is found once."""
    order = np.argsort([-score for score, _, _ in found], kind="stable")
    right = np.zeros(len(found), bool)
    taken = set()
    for rank, k in enumerate(order):
        _, iou, truth = found[k]
        if iou > threshold and truth not in taken:
            taken.add(truth)
            right[rank] = True
    return order, right


def average_precision(found: list[tuple[float, float, int]], truths: int, threshold: float) -> float:
    """Area under the envelope of precision over recall; NaN without truths."""
    if not truths:
        return float("nan")
    right = _assign(found, threshold)[1]
    hits = np.cumsum(right)
    recall = np.concatenate(([0], hits / truths))
    precision = np.concatenate(([0], hits / np.arange(1, len(right) + 1)))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * envelope[1:]).sum())
