r"""Measure a model on held-out renders and on real photos.

The photos are a few annotated here (`evaluation`), and with --labelled those that other people
labelled and that no training sees (`photos.split`): street photos, everyday photos, and clothes
that nobody wears.

The same figures come from a network run here (--archive, --checkpoint) or from what `m2fp parse`
wrote (--predictions). For the latter:

    python3 Models evaluate --gather [--scenes SHARDS] [--labelled LABELLED]
    m2fp parse DATA --out PREDICTIONS --masks none --persons \
      --min-person-score 0 --min-person-size 1 --max-person-overlap 1
    python3 Models evaluate --predictions PREDICTIONS [--scenes SHARDS] [--labelled LABELLED]

where DATA is the folder of --data. Persons are counted as upstream's evaluator does, so the command
is told to leave none out. Without --persons the measures of instances are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image

from evaluation import coarse, everyday, metrics, photos, street
from m2fp import archive, checkpoint
from m2fp.config import CONFIGS
from m2fp.contract import CLASSES, PALETTE, make_contract
from m2fp.model import M2FP
from m2fp.postprocess import parse
from m2fp.preprocess import picture, prepare
from photos import split
from photos.street import read_image as read_labelled
from synthetic import shards

NAMES = CLASSES["cihp"]
SCENES = "scenes"
# Of each labelled source, the folder of its validation photos below DATA, and in names.
LABELLED = {"ccp": "street", "coco": "everyday", "clothes": "clothes"}


class Found(NamedTuple):
    """What was found in an image.

    labels : (H, W) uint8 class ids.
    persons : (H, W) uint8, 0 for none, then 1...; None where unknown.
    scores : of the persons.
    """

    labels: np.ndarray
    persons: np.ndarray | None
    scores: np.ndarray | None


# From the image's name, as "people/bus", and its pixels, (H, W, 3) RGB.
Parser = Callable[[str, np.ndarray], Found]


def network_parser(network: torch.nn.Module, contract: dict, max_side: int) -> Parser:
    """Run a network as the product does, capped at ``max_side`` like its default."""
    preprocess = dict(contract["preprocess"])
    if max_side:
        preprocess["max_side"] = min(preprocess["max_side"], max_side)

    @torch.no_grad()
    def run(_: str, rgb: np.ndarray) -> Found:
        image, resized = prepare(rgb, preprocess)
        logits, masks = (x[0] for x in network(image))
        found = parse(
            logits, masks, image.shape[2:], resized, rgb.shape[:2], contract["postprocess"],
            picture(image, resized, preprocess),
        )  # fmt: skip
        return Found(*(x.numpy() for x in found))

    return run


def output_parser(folder: Path) -> Parser:
    """Read the maps that ``m2fp parse`` wrote below ``folder``: of labels, and of persons if any."""

    def read(path: Path, rgb: np.ndarray) -> np.ndarray:
        found = np.asarray(Image.open(path))
        if found.shape != rgb.shape[:2]:
            raise ValueError(f"{path}: {found.shape} pixels for an image of {rgb.shape[:2]}")
        return found

    def run(name: str, rgb: np.ndarray) -> Found:
        labels = read(folder / f"{name}.m2fp.png", rgb)
        persons = folder / f"{name}.m2fp.persons.png"
        if not persons.exists():
            return Found(labels, None, None)
        sidecar = json.loads((folder / f"{name}.m2fp.json").read_text())
        scores = np.array([person["score"] for person in sidecar["persons"]])
        return Found(labels, read(persons, rgb), scores)

    return run


def read_image(path: Path) -> np.ndarray:
    """(H, W, 3) RGB; transparent pixels over white, as the product shows them."""
    image = Image.open(path)
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))


def write_scenes(folder: Path, scenes: Path, count: int) -> None:
    """Write held-out scenes as PNG for ``m2fp parse``: the pixels that the network sees here."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, scene in zip(range(count), read_scenes(scenes)):
        cv2.imwrite(str(folder / f"{number:04d}.png"), scene.rgb[:, :, ::-1])


def write_labelled(folder: Path, data: Path) -> None:
    """Write the validation photos of ``data`` as PNG for ``m2fp parse``, which reads no WebP."""
    for source, name in LABELLED.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for path in split.photo_paths(data, source, "validation"):
            rgb = read_labelled(path)
            cv2.imwrite(str(folder / name / f"{path.stem}.png"), rgb[:, :, ::-1])


def evaluate_labelled(parser: Parser, data: Path) -> dict:
    """Figures on the validation photos of ``data``, by kind."""
    clothes = []
    for path in split.photo_paths(data, "clothes", "validation"):
        found = parser(f"{LABELLED['clothes']}/{path.stem}", read_labelled(path))
        clothes.append(float((found.labels > 0).mean()))
    return {
        "street": street.evaluate(parser, data),
        "everyday": everyday.evaluate(parser, data),
        "clothes": {"photos": len(clothes), "labelled": float(np.mean(clothes))},
    }


def read_scenes(folder: Path) -> Iterator[shards.Scene]:
    for path in sorted(folder.glob("*.npz")):
        yield from shards.read(path)


def evaluate_scenes(parser: Parser, scenes: Path, count: int) -> dict:
    """Figures on held-out scenes; those of instances only where persons are known."""
    confusion = metrics.Confusion(len(NAMES))
    instances = metrics.Instances(len(NAMES))
    foreground, matched, evaluated = [], [], 0
    for number, scene in zip(range(count), read_scenes(scenes)):
        found = parser(f"{SCENES}/{number:04d}", scene.rgb)
        evaluated += 1
        confusion.add(scene.labels, found.labels)
        foreground.append((np.count_nonzero((scene.labels > 0) & (found.labels > 0)),
                           np.count_nonzero((scene.labels > 0) | (found.labels > 0))))
        if found.persons is not None:
            matched += metrics.matched_iou(scene.persons, found.persons)
            instances.add(
                metrics.Persons(scene.labels, scene.persons),
                metrics.Persons(found.labels, found.persons, found.scores),
            )
    if not evaluated:
        raise FileNotFoundError(f"no scenes in {scenes}")
    iou = confusion.iou()
    overlap, union = np.sum(foreground, axis=0)
    figures = {
        "scenes": evaluated,
        "miou": float(np.nanmean(iou)),
        "pixel_accuracy": confusion.accuracy(),
        "person_mask_iou": float(overlap / max(union, 1)),
        "class_iou": dict(zip(NAMES, iou.tolist())),
    }
    if matched:
        figures |= {
            "person_iou_matched": float(np.mean(matched)),
            "app": float(np.mean([instances.app(t) for t in metrics.THRESHOLDS])),
            "app50": instances.app(0.5),
            "apr": float(np.mean([instances.apr(t) for t in metrics.THRESHOLDS])),
            "apr50": instances.apr(0.5),
            "pcp50": instances.pcp(0.5),
        }
    return figures


def evaluate_photos(parser: Parser, data: Path) -> tuple[dict, dict[str, Found]]:
    """Figures on the real photos, and what was found in each."""
    catalogue = photos.catalogue()
    confusion = metrics.Confusion(len(coarse.NAMES))
    people, people_free, results = {}, {}, {}
    for name in catalogue["people"]:
        rgb, found = parse_photo(parser, data, "people", name)
        truth = photos.truth(name)
        results[name] = found
        parts = coarse.to_coarse(found.labels, NAMES)
        # Each photo counts alike, whatever its resolution.
        confusion.add(truth.parts, parts, 1 / parts.size)
        own = metrics.Confusion(len(coarse.NAMES))
        own.add(truth.parts, parts)
        iou = own.iou()[1:]
        people[name] = {
            "person_iou": metrics.foreground_iou(truth.persons > 0, parts > 0, truth.ignored),
            "coarse_miou": float(np.nanmean(iou)),
            "parts": {n: None if np.isnan(x) else float(x) for n, x in zip(coarse.COARSE_PARTS, iou)},
        }
        if found.persons is not None:
            matched = metrics.matched_iou(truth.persons, found.persons, truth.ignored)
            people[name]["person_iou_matched"] = float(np.mean(matched))
    for name in catalogue["people-free"]:
        _, found = parse_photo(parser, data, "people-free", name)
        results[name] = found
        people_free[name] = float((found.labels > 0).mean())
    iou = confusion.iou()[1:]
    figures = {
        "person_iou": mean_of(people, "person_iou"),
        "coarse_miou": float(iou.mean()),
        "coarse_iou": dict(zip(coarse.COARSE_PARTS, iou.tolist())),
        "false_positive_share": float(np.mean(list(people_free.values()))),
        "people": people,
        "people_free": people_free,
    }
    if all("person_iou_matched" in photo for photo in people.values()):
        figures["person_iou_matched"] = mean_of(people, "person_iou_matched")
    return figures, results


def parse_photo(parser: Parser, data: Path, kind: str, name: str) -> tuple[np.ndarray, Found]:
    path = photos.find(data, kind, name)
    if path is None:
        raise FileNotFoundError(f"{data}/{kind}/{name}: no such photo; --gather fetches it")
    rgb = read_image(path)
    return rgb, parser(f"{kind}/{name}", rgb)


def mean_of(people: dict[str, dict], key: str) -> float:
    return float(np.mean([photo[key] for photo in people.values()]))


def table(rows: list[tuple[str, str]], head: tuple[str, str]) -> str:
    return "\n".join(f"| {a} | {b} |" for a, b in (head, ("---", "---:"), *rows))


def report(figures: dict) -> str:
    """The figures in Markdown."""
    blocks = []
    labels = {
        "miou": "mIoU, 20 classes", "pixel_accuracy": "pixel accuracy",
        "person_mask_iou": "person-mask IoU, all persons as one mask",
        "person_iou_matched": "person-mask IoU, person by person",
        "app": "APp, mean over 0.1–0.9", "app50": "APp at 0.5", "apr": "APr, mean over 0.1–0.9",
        "apr50": "APr at 0.5", "pcp50": "PCP50",
    }  # fmt: skip
    if scenes := figures.get("scenes"):
        rows = [(text, f"{scenes[key]:.3f}") for key, text in labels.items() if key in scenes]
        blocks.append(table(rows, (f"{scenes['scenes']} held-out scenes", "")))
        rows = [(name, f"{x:.3f}") for name, x in scenes["class_iou"].items()]
        blocks.append(table(rows, ("class", "IoU")))
    if labelled := figures.get("labelled"):
        blocks += report_labelled(labelled)
    if real := figures.get("photos"):
        rows = [("person IoU, mean over photos", f"{real['person_iou']:.3f}")]
        if "person_iou_matched" in real:
            rows.append(("person IoU, person by person", f"{real['person_iou_matched']:.3f}"))
        rows.append(("coarse-part mIoU", f"{real['coarse_miou']:.3f}"))
        rows += [(f"— {name}", f"{x:.3f}") for name, x in real["coarse_iou"].items()]
        share = f"{100 * real['false_positive_share']:.2f} %"
        rows.append((f"false positives, {len(real['people_free'])} people-free photos", share))
        blocks.append(table(rows, (f"{len(real['people'])} photos with people", "")))
        rows = [(name, f"{100 * x:.2f} %") for name, x in real["people_free"].items()]
        blocks.append(table(rows, ("people-free photo", "false positives")))
        head = ["photo", "person", "parts", *coarse.COARSE_PARTS]
        lines = [head, ["---", *["---:"] * (len(head) - 1)]]
        for name, photo in real["people"].items():
            parts = ["" if x is None else f"{x:.2f}" for x in photo["parts"].values()]
            scores = [f"{photo[key]:.2f}" for key in ("person_iou", "coarse_miou")]
            lines.append([name, *scores, *parts])
        blocks.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    return "\n\n".join(blocks) + "\n"


def report_labelled(figures: dict) -> list[str]:
    """Tables of the labelled photos, in Markdown."""

    def rows(source: dict, texts: dict[str, str]) -> list[tuple[str, str]]:
        result = []
        for key, text in texts.items():
            if key in source:
                value = f"{source[key]:.3f}"
                if key in source["intervals"]:
                    value += " ({:.3f}–{:.3f})".format(*source["intervals"][key])
                result.append((text, value))
        return result

    def each(values: dict[str, float], text: str) -> list[tuple[str, str]]:
        return [(f"{text} {name}", f"{x:.3f}") for name, x in values.items()]

    found = figures["street"]
    lines = rows(found, {
        "miou_14": "mIoU, 14 label sets", "miou_9": "mIoU, the nine larger", "person_iou":
        "persons", "garment_iou": "all garments as one", "held_as_person": "bags labelled as person",
    })  # fmt: skip
    lines += each(found["set_iou"], "—") + each(found["one_sided"], "of one side only:")
    lines += [
        (f"skin, {name} third ({part['angle'][0]:.0f}° to {part['angle'][1]:.0f}°)",
         "{:.3f} ({:.3f}–{:.3f})".format(part["iou"], *part["interval"]))
        for name, part in found["skin_iou_by_tone"].items()
    ]  # fmt: skip
    gap = found["skin_gap"]
    lines.append(
        ("skin, darkest less lightest third",
         "{:+.3f} ({:+.3f} to {:+.3f})".format(gap["iou"], *gap["interval"]))
    )  # fmt: skip
    lines += [
        (f"skin that is {name}, {part['photos']} photos",
         "{:.3f} ({:.3f}–{:.3f})".format(part["iou"], *part["interval"]))
        for name, part in found["skin_iou_by_group"].items()
    ]  # fmt: skip
    lines += each(found["person_iou_by_light"], "persons, light:")
    blocks = [table(lines, (f"{found['photos']} street photos", "IoU"))]
    found = figures["everyday"]
    lines = rows(found, {
        "person_iou": "persons, mean over photos", "person_iou_pooled": "persons, all pixels",
        "missed": "of people missed", "labelled_outside": "of the labelled outside of people",
        "ap50": "person AP at 0.5", "sides_right": "side right at limb joints that say one",
        "noses_face": "noses that are face", "nobody_labelled": "nobody there, labelled",
    })  # fmt: skip
    lines += each(found.get("person_iou_by_size", {}), "person by person, size:")
    lines += each(found["person_iou_by_light"], "persons, light:")
    head = f"{found['photos']} everyday photos, {found['with_people']} with people"
    blocks.append(table(lines, (head, "")))
    found = figures["clothes"]
    head = f"{found['photos']} photos of clothes that nobody wears"
    return [*blocks, table([("labelled", f"{100 * found['labelled']:.2f} %")], (head, ""))]


def draw_panel(path: Path, data: Path, results: dict[str, Found], names: list[str]) -> None:
    """Pairs of photo and its colours over it, in rows of equal height, as PNG."""
    height, gap, widest = 280, 8, 1600
    kinds = {name: kind for kind, group in photos.catalogue().items() for name in group}
    palette = np.array(PALETTE, np.uint8)
    rows: list[list[np.ndarray]] = [[]]
    for name in names:
        rgb = read_image(photos.find(data, kinds[name], name))
        labels = results[name].labels
        overlay = np.where(labels[..., None] > 0, 0.3 * rgb + 0.7 * palette[labels], 0.6 * rgb)
        pair = np.hstack((rgb, overlay.astype(np.uint8)))
        width = max(1, round(pair.shape[1] * height / pair.shape[0]))
        pair = cv2.resize(pair, (width, height), interpolation=cv2.INTER_AREA)
        if rows[-1] and sum(tile.shape[1] + gap for tile in rows[-1]) + width > widest:
            rows.append([])
        rows[-1].append(pair)
    width = max(sum(tile.shape[1] + gap for tile in row) for row in rows) - gap
    canvas = np.full((len(rows) * (height + gap) - gap, width, 3), 255, np.uint8)
    for r, row in enumerate(rows):
        top, left = r * (height + gap), 0
        for tile in row:
            canvas[top : top + height, left : left + tile.shape[1]] = tile
            left += tile.shape[1] + gap
    Image.fromarray(canvas).save(path)


def parse_arguments() -> argparse.Namespace:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "m2fp/evaluation"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--gather", action="store_true", help="only complete the folder of --data")
    source.add_argument("--archive", type=Path, help="a TorchScript archive with its contract")
    source.add_argument("--checkpoint", type=Path, help="weights for --config")
    source.add_argument("--predictions", type=Path, help="the --out folder of m2fp parse DATA")
    parser.add_argument("--config", choices=CONFIGS, default="m2fp-tiny", help="default: m2fp-tiny")
    parser.add_argument(
        "--data", type=Path, default=cache, help=f"folder of the photos (default: {cache})"
    )
    parser.add_argument("--scenes", type=Path, help="folder of held-out shards; none: skip them")
    parser.add_argument(
        "--labelled",
        type=Path,
        help="folder of labelled photos, as photos/__init__.py says; none: skip them",
    )
    parser.add_argument(
        "--no-photos", action="store_true", help="skip the photos that are annotated here"
    )
    parser.add_argument("--count", type=int, default=500, help="scenes at most (default: 500)")
    parser.add_argument("--max-side", type=int, default=800, help="as of m2fp parse (default: 800)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--panel", type=Path, help="draw the results on photos into this PNG")
    parser.add_argument(
        "--panel-photos",
        nargs="+",
        metavar="NAME",
        help="photos of the panel, or 'all' (default: those that may be passed on)",
    )
    return parser.parse_args()


def load_parser(arguments: argparse.Namespace) -> Parser:
    if arguments.predictions:
        return output_parser(arguments.predictions)
    if arguments.archive:
        network, contract = archive.load_archive(arguments.archive)
        if contract is None:
            raise checkpoint.CheckpointError(f"{arguments.archive}: holds no contract")
    else:
        network = M2FP(CONFIGS[arguments.config])
        checkpoint.load_strictly(network, checkpoint.read_state_dict(arguments.checkpoint))
        network.eval()
        contract = make_contract(network.config, "cihp", "", network.config.licence, "")
    return network_parser(network, contract, arguments.max_side)


def main() -> int:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    try:
        if not arguments.no_photos:
            photos.fetch(arguments.data)
        if arguments.gather:
            if arguments.labelled:
                write_labelled(arguments.data, arguments.labelled)
            if arguments.scenes:
                write_scenes(arguments.data / SCENES, arguments.scenes, arguments.count)
            return 0
        parser = load_parser(arguments)
        start, figures = time.monotonic(), {}
        if arguments.scenes:
            figures["scenes"] = evaluate_scenes(parser, arguments.scenes, arguments.count)
        if arguments.labelled:
            figures["labelled"] = evaluate_labelled(parser, arguments.labelled)
        if not arguments.no_photos:
            figures["photos"], results = evaluate_photos(parser, arguments.data)
        if arguments.panel and not arguments.no_photos:
            names = arguments.panel_photos
            if names is None:
                people = photos.catalogue()["people"]
                names = [name for name, source in people.items() if photos.is_free(source)]
            elif names == ["all"]:
                names = list(results)
            draw_panel(arguments.panel, arguments.data, results, names)
    except (checkpoint.CheckpointError, photos.PhotoError, OSError, ValueError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    print(report(figures), end="")
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0
