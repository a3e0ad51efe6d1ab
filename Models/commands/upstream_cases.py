"""Generated evaluation cases, with the answers of M2FP's published evaluator.

`m2fp eval` must give the figures that papers report. So the evaluator of https://github.com/soeaver/M2FP
is run, from a checkout that is named, on cases made here, and its answers are kept in
Tests/Fixtures/evaluation/cases.json, where the Swift and the Python tests read them. Nothing of that code is
in this repository: it is CC BY-NC.

    python3 Models upstream_cases --upstream CHECKOUT           compares the kept answers with the evaluator's
    python3 Models upstream_cases --upstream CHECKOUT --write   makes the file anew

All scores of a case differ: the order of equal ones is that of NumPy's unstable sort.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import types
import warnings
from pathlib import Path

import numpy as np

FILE = Path(__file__).parents[2] / "Tests" / "Fixtures" / "evaluation" / "cases.json"
IGNORED = 255
TOLERANCE = 1e-9


class Scene:
    """One image: what is true of it and what was found. Regions are ids in a map."""

    def __init__(self, rng: np.random.Generator, height: int = 16, width: int = 20):
        self.rng = rng
        shape = (height, width)
        self.true_labels, self.true_persons, self.true_parts = (np.zeros(shape, np.int64) for _ in range(3))
        self.part_classes: dict[int, int] = {}
        self.found_labels, self.found_persons, self.found_parts = (np.zeros(shape, np.int64) for _ in range(3))
        self.part_scores: list[list] = []  # id, class, score
        self.person_scores: list[list] = []  # id, score of the mask, score of the parsing

    def score(self, low: float = 0.05, high: float = 1) -> float:
        return round(float(self.rng.uniform(low, high)), 6)

    def add_true_person(self, box: tuple[int, int, int, int], classes: list[int], person: int | None = None,
                        first_part: int | None = None) -> None:
        """A person in box (top, left, bottom, right), its parts stacked from top to bottom."""
        person = person or int(self.true_persons.max()) + 1
        top, left, bottom, right = box
        edges = np.linspace(top, bottom, len(classes) + 1).round().astype(int)
        part = first_part or max(self.part_classes, default=0) + 1
        self.true_persons[top:bottom, left:right] = person
        self.true_labels[top:bottom, left:right] = 0
        for label, start, stop in zip(classes, edges, edges[1:]):
            self.true_labels[start:stop, left:right] = label
            self.true_parts[start:stop, left:right] = part
            self.part_classes[part] = label
            part += 1

    def find(self, noise: float = 0, shift: tuple[int, int] = (0, 0)) -> None:
        """Finds the truth: moved, and with a share of the labels replaced in small patches."""
        def moved(a: np.ndarray) -> np.ndarray:
            result = np.zeros_like(a)
            dy, dx = shift
            h, w = a.shape
            result[max(dy, 0):h + min(dy, 0), max(dx, 0):w + min(dx, 0)] = a[
                max(-dy, 0):h + min(-dy, 0), max(-dx, 0):w + min(-dx, 0)]
            return result

        labels = np.where(self.true_labels == IGNORED, 0, self.true_labels)
        self.found_labels = moved(labels)
        self.found_persons = moved(self.true_persons)
        parts = moved(self.true_parts)
        for source, label in self.part_classes.items():
            if (parts == source).any():
                self.found_parts[parts == source] = len(self.part_scores) + 1
                self.part_scores.append([len(self.part_scores) + 1, label, self.score()])
        self.person_scores = [
            [int(p), self.score(), self.score()] for p in np.unique(self.found_persons) if p
        ]
        height, width = labels.shape
        classes = sorted(set(self.part_classes.values())) or [1]
        for _ in range(int(noise * height * width / 6)):
            y, x = int(self.rng.integers(height)), int(self.rng.integers(width))
            patch = np.s_[y:y + 2, x:x + 3]
            self.found_labels[patch] = self.rng.choice([0, *classes])
            if self.part_scores:
                self.found_parts[patch] = self.rng.choice([0, *(row[0] for row in self.part_scores)])
            self.found_persons[patch] = self.rng.choice([0, *(row[0] for row in self.person_scores)])

    def find_person(self, box: tuple[int, int, int, int], classes: list[int], low: float = 0.05,
                    high: float = 1) -> None:
        """Finds a person that may not be there, over what was found before."""
        top, left, bottom, right = box
        edges = np.linspace(top, bottom, len(classes) + 1).round().astype(int)
        person = max((row[0] for row in self.person_scores), default=0) + 1
        self.person_scores.append([person, self.score(low, high), self.score(low, high)])
        self.found_persons[top:bottom, left:right] = person
        for label, start, stop in zip(classes, edges, edges[1:]):
            part = max((row[0] for row in self.part_scores), default=0) + 1
            self.part_scores.append([part, label, self.score(low, high)])
            self.found_labels[start:stop, left:right] = label
            self.found_parts[start:stop, left:right] = part


def random_scene(rng: np.random.Generator, persons: int, classes: int, noise: float) -> Scene:
    """Persons in random, often overlapping boxes; some are missed, some are found where none is."""
    scene = Scene(rng)
    height, width = scene.true_labels.shape
    for _ in range(persons):
        top, left = int(rng.integers(0, height - 6)), int(rng.integers(0, width - 5))
        bottom, right = int(rng.integers(top + 4, height + 1)), int(rng.integers(left + 3, width + 1))
        chosen = rng.choice(np.arange(1, classes), min(classes - 1, int(rng.integers(1, 5))), replace=False)
        scene.add_true_person((top, left, bottom, right), [int(c) for c in chosen])
    scene.find(noise, (int(rng.integers(-1, 2)), int(rng.integers(-1, 2))))
    if rng.random() < 0.5:
        scene.find_person((0, 0, 5, 4), [int(c) for c in rng.integers(1, classes, 2)])
    return scene


def make_cases() -> dict[str, tuple[int, list[Scene]]]:
    """Name of each case -> number of classes, images."""
    cases: dict[str, tuple[int, list[Scene]]] = {}
    rng = np.random.default_rng(20261125)

    def case(name: str, images: int = 1, classes: int = 5) -> list[Scene]:
        scenes = [Scene(rng) for _ in range(images)]
        cases[name] = (classes, scenes)
        return scenes

    (one,) = case("perfect")
    one.add_true_person((2, 2, 14, 8), [1, 2, 3, 4])
    one.add_true_person((2, 11, 14, 18), [2, 3, 4])
    one.find()

    (one,) = case("noisy")
    one.add_true_person((1, 2, 15, 12), [1, 2, 3, 4])
    one.find(noise=0.3)

    (one,) = case("shifted")
    one.add_true_person((3, 3, 13, 10), [1, 2, 3])
    one.find(shift=(2, 1))

    first, second = case("nothing found in one image", 2)
    first.add_true_person((2, 2, 14, 8), [1, 2, 3])
    first.find()
    second.add_true_person((1, 4, 15, 12), [2, 3, 4])

    (one,) = case("nothing found")
    one.add_true_person((2, 2, 14, 8), [1, 2])

    first, second = case("nobody there in one image", 2)
    first.find_person((2, 2, 9, 9), [1, 4])
    second.add_true_person((2, 2, 14, 8), [1, 2, 3])
    second.find(shift=(0, 1))

    (one,) = case("nobody there")
    one.find_person((2, 2, 9, 9), [1, 2])

    case("empty")

    (one,) = case("two overlap")
    one.add_true_person((2, 2, 14, 11), [1, 2, 3])
    one.add_true_person((4, 8, 16, 18), [1, 2, 4])
    one.find(noise=0.1)

    (one,) = case("three overlap, found in one")
    one.add_true_person((1, 1, 15, 8), [1, 2, 3])
    one.add_true_person((1, 6, 15, 13), [1, 2, 3])
    one.add_true_person((1, 11, 15, 19), [1, 2, 4])
    one.find_person((1, 1, 15, 19), [1, 2, 3])

    (one,) = case("one found as two")
    one.add_true_person((1, 1, 15, 19), [1, 2])
    one.find_person((1, 1, 15, 10), [1, 2])
    one.find_person((1, 10, 15, 19), [1, 2])

    (one,) = case("parts swapped between two")
    one.add_true_person((2, 2, 14, 9), [1, 2])
    one.add_true_person((2, 11, 14, 18), [3, 4])
    one.find_person((2, 2, 14, 9), [3, 4])
    one.find_person((2, 11, 14, 18), [1, 2])

    (one,) = case("ignored band")
    one.add_true_person((2, 2, 14, 10), [1, 2, 3])
    one.true_labels[6:9, :] = IGNORED
    one.find(noise=0.1)

    (one,) = case("ignored person")
    one.add_true_person((2, 2, 14, 8), [1, 2])
    one.add_true_person((2, 11, 14, 18), [1, 3])
    one.find(noise=0.1)
    one.true_labels[one.true_persons == 1] = IGNORED

    (one,) = case("ignored border of persons that overlap", classes=6)
    one.add_true_person((1, 1, 15, 11), [1, 2, 5])
    one.add_true_person((3, 9, 16, 19), [1, 2, 5])
    one.find(noise=0.2)
    one.true_labels[:, 9:11] = IGNORED

    first, second = case("all of one image ignored", 2)
    first.true_labels[:] = IGNORED
    first.find_person((1, 1, 9, 9), [1, 2])
    second.add_true_person((2, 2, 14, 8), [1, 2, 3])
    second.find(noise=0.2)

    (one,) = case("class found that is not there", classes=7)
    one.add_true_person((2, 2, 14, 8), [1, 2])
    one.find()
    one.find_person((3, 12, 12, 18), [1, 6])

    (one,) = case("classes that occur nowhere", classes=20)
    one.add_true_person((2, 2, 14, 8), [2, 13, 5, 9])
    one.find(noise=0.1)

    (one,) = case("a truth found twice")
    one.add_true_person((0, 0, 16, 20), [1])
    one.find_person((0, 0, 16, 10), [1])
    one.find_person((0, 10, 16, 20), [1])

    (one,) = case("persons scored too low to count")
    one.add_true_person((2, 2, 14, 8), [1, 2])
    one.add_true_person((2, 11, 14, 18), [3, 4])
    one.find_person((2, 2, 14, 8), [1, 2], 0.001, 0.0099)
    one.find_person((2, 11, 14, 18), [3, 4])
    one.find_person((0, 0, 2, 20), [1], 0.001, 0.0099)

    (one,) = case("true person without parts")
    one.add_true_person((2, 2, 14, 8), [1, 2])
    one.true_persons[2:14, 11:18] = 2
    one.find(noise=0.1)

    (one,) = case("found person without parts")
    one.add_true_person((2, 2, 14, 8), [1, 2])
    one.find()
    one.found_persons[2:14, 11:18] = 2
    one.person_scores.append([2, 0.4, 0.3])

    (one,) = case("found part without pixels")
    one.add_true_person((2, 2, 14, 8), [1, 2])
    one.find()
    one.part_scores.append([9, 1, 0.91])

    (one,) = case("ids far apart")
    one.add_true_person((2, 2, 14, 8), [1, 2], person=7, first_part=300)
    one.add_true_person((2, 11, 14, 18), [1, 2], person=40, first_part=1000)
    one.find(noise=0.1)

    # IoUs of exactly 0.5 and 0.9: a threshold must be exceeded.
    (one,) = case("on the threshold")
    one.true_labels[0, :10], one.true_persons[0, :10], one.true_parts[0, :10] = 1, 1, 1
    one.true_labels[5, :10], one.true_persons[5, :10], one.true_parts[5, :10] = 2, 2, 2
    one.part_classes = {1: 1, 2: 2}
    one.find_person((0, 0, 1, 9), [1])
    one.find_person((5, 0, 6, 5), [2])

    (one,) = case("a crowd", classes=6)
    for row in range(3):
        for column in range(4):
            one.add_true_person((row * 5, column * 5, row * 5 + 4 + row % 2, column * 5 + 4), [1 + column, 5])
    one.find(noise=0.2)

    cases["one pixel"] = (3, [Scene(rng, 1, 1)])
    (one,) = cases["one pixel"][1]
    one.add_true_person((0, 0, 1, 1), [2])
    one.find()

    for number, (images, persons, classes, noise) in enumerate(
        [(3, 2, 5, 0.1), (4, 3, 8, 0.3), (5, 2, 20, 0.2), (6, 4, 20, 0.4)], 1
    ):
        cases[f"random {number}"] = (classes, [random_scene(rng, persons, classes, noise) for _ in range(images)])
    return cases


def _runs(a: np.ndarray) -> list[int]:
    """Value, length, value, length..."""
    flat = a.ravel()
    starts = np.concatenate(([0], np.flatnonzero(np.diff(flat)) + 1))
    lengths = np.diff(np.concatenate((starts, [flat.size])))
    return [int(v) for pair in zip(flat[starts], lengths) for v in pair]


def as_json(scene: Scene) -> dict:
    height, width = scene.true_labels.shape
    return {
        "height": height,
        "width": width,
        "truth": {
            "labels": _runs(scene.true_labels),
            "persons": _runs(scene.true_persons),
            "parts": _runs(scene.true_parts),
            "part_classes": [[part, label] for part, label in scene.part_classes.items()],
        },
        "found": {
            "labels": _runs(scene.found_labels),
            "persons": _runs(scene.found_persons),
            "person_scores": scene.person_scores,
            "parts": _runs(scene.found_parts),
            "part_scores": scene.part_scores,
        },
    }


def load_evaluator(checkout: Path) -> type:
    """Upstream's class, with stand-ins for what it imports and these cases do not use."""
    np.float, np.int = float, int  # NumPy took these names away after it was written
    if not _installed("tqdm"):
        bar = types.ModuleType("tqdm")

        class Silent(list):
            def __init__(self, items=(), **_):
                super().__init__(items)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                pass

            def set_description(self, _):
                pass

            def update(self, _):
                pass

        bar.tqdm, bar.trange = Silent, lambda count, **_: range(count)
        sys.modules["tqdm"] = bar
    if not _installed("pycocotools"):
        sys.modules["pycocotools"] = types.ModuleType("pycocotools")
        sys.modules["pycocotools.mask"] = types.ModuleType("pycocotools.mask")
    folder = checkout / "m2fp" / "evaluation" / "parsing_eval"
    spec = importlib.util.spec_from_file_location(
        "upstream_parsing_eval", folder / "__init__.py", submodule_search_locations=[str(folder)])
    if spec is None or not folder.is_dir():
        raise SystemExit(f"{checkout} is no checkout of https://github.com/soeaver/M2FP")
    module = importlib.util.module_from_spec(spec)
    sys.modules["upstream_parsing_eval"] = module
    spec.loader.exec_module(module)
    return module.ParsingEval


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def answers(evaluator: type, classes: int, scenes: list[Scene]) -> dict:
    """What upstream says. A measure that it cannot take (it stops with an error) is left out."""
    import cv2
    from scipy.sparse import csr_matrix

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("category", "instance", "persons", "found/semantic", "found/part", "found/human"):
            (root / folder).mkdir(parents=True)
        parsings = []
        for number, scene in enumerate(scenes):
            image = f"image{number:02}"
            instance_type = np.uint16 if scene.true_parts.max() > 255 else np.uint8
            for folder, values, kind in (
                ("category", scene.true_labels, np.uint8), ("persons", scene.true_persons, np.uint8),
                ("instance", scene.true_parts, instance_type), ("found/semantic", scene.found_labels, np.uint8),
                ("found/part", scene.found_parts, np.uint8), ("found/human", scene.found_persons, np.uint8),
            ):
                assert cv2.imwrite(str(root / folder / f"{image}.png"), values.astype(kind))
            (root / "instance" / f"{image}.txt").write_text(
                "".join(f"{part} {label} 1\n" for part, label in scene.part_classes.items()))
            (root / "found/part" / f"{image}.json").write_text(json.dumps(
                [{"part_id": part, "category_id": label, "score": score} for part, label, score in scene.part_scores]))
            (root / "found/human" / f"{image}.json").write_text(json.dumps(
                [{"human_id": person, "score": score} for person, score, _ in scene.person_scores]))
            for person, _, score in scene.person_scores:
                parsing = np.where(scene.found_persons == person, scene.found_labels, 0)
                parsings.append({"img_name": image, "parsing": csr_matrix(parsing), "score": score})
        metadata = types.SimpleNamespace(
            category_gt_root=str(root / "category"), instance_gt_root=str(root / "instance"),
            human_gt_root=str(root / "persons"), num_parsing=classes,
            semseg={"semseg_format": "mask", "ignore_label": IGNORED, "label_shift": 0, "name_trans": ("jpg", "png")})
        found = evaluator(parsings, metadata, str(root / "found"), 0.01, metrics=("mIoU",))
        result = {
            "iou": found.stats["IoU"], "mean_iou": found.stats["mIoU"], "mean_accuracy": found.stats["MeanACC"],
            "pixel_accuracy": found.stats["PixelACC"], "f1": found.stats["F1Score"],
            "mean_f1": found.stats["MeanF1Score"],
        }
        overall, by_class = found.computeAPr()
        result |= {"apr": list(overall.values()), "apr_by_class": by_class}
        result |= {"aph": list(found.computeAPh().values())}
        if parsings:  # it takes the maximum of an empty array otherwise
            precision, correct = found.computeAPp()
            result |= {"app": list(precision.values()), "pcp": list(correct.values())}
    return {key: _plain(value) for key, value in result.items()}


def _plain(value):
    if np.ndim(value):
        return [_plain(v) for v in value]
    return None if np.isnan(value) else float(value)


def build(evaluator: type) -> list[dict]:
    result = []
    for name, (classes, scenes) in make_cases().items():
        for index in (1, 2):
            scores = [row[index] for scene in scenes for row in scene.person_scores]
            assert len(set(scores)) == len(scores), name
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            expected = answers(evaluator, classes, scenes)
        result.append(
            {"name": name, "classes": classes, "images": [as_json(s) for s in scenes], "expected": expected})
    return result


def differences(kept, new, path: str = "") -> list[str]:
    """Where two JSON values differ by more than ``TOLERANCE``."""
    if isinstance(kept, dict) and isinstance(new, dict) and kept.keys() == new.keys():
        return [d for key in kept for d in differences(kept[key], new[key], f"{path}/{key}")]
    if isinstance(kept, list) and isinstance(new, list) and len(kept) == len(new):
        return [d for i, pair in enumerate(zip(kept, new)) for d in differences(*pair, f"{path}/{i}")]
    if isinstance(kept, float) and isinstance(new, float):
        return [] if abs(kept - new) <= TOLERANCE else [f"{path}: {kept} kept, {new} new"]
    return [] if kept == new else [f"{path}: {kept} kept, {new} new"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", type=Path, required=True, help="a checkout of soeaver/M2FP")
    parser.add_argument("--write", action="store_true", help="keep the evaluator's answers")
    arguments = parser.parse_args()
    cases = build(load_evaluator(arguments.upstream))
    if arguments.write:
        FILE.parent.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
        FILE.write_text(f"[\n{lines}\n]\n")
        print(f"{len(cases)} cases written to {FILE}")
        return
    found = differences(json.loads(FILE.read_text()), json.loads(json.dumps(cases)))
    for difference in found:
        print(difference)
    print(f"{len(cases)} cases, {len(found)} differences")
    sys.exit(1 if found else 0)
