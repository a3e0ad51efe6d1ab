"""Clean masks: each step of the specification against loops that follow its words."""

import json
import unittest
from pathlib import Path

import numpy as np
import torch

from m2fp import refine
from m2fp.config import Refinement
from m2fp.postprocess import parse
from m2fp.preprocess import picture, prepare
from m2fp.refine import GIVEN, LEAST

from .test_postprocess import CONTRACT, SIDE, box, classes

FIXTURES = Path(__file__).resolve().parents[2] / "Tests" / "Fixtures" / "refine"
OPTIONS = Refinement(
    radius=2, epsilon=1e-3, fill_threshold=0.3, hole_area=0.02, island_area=0.005, least_cover=0.4
)
NO_CLEANING = OPTIONS._replace(
    fill_threshold=1.0, hole_area=0.0, island_area=0.0, least_cover=0.0
)


def filter_by_loops(image: np.ndarray, chance: np.ndarray, radius: int, epsilon: float):
    """The guided filter in float64, window by window."""
    height, width = image.shape
    image, chance = image.astype(np.float64), chance.astype(np.float64)

    def windows():
        for y in range(height):
            for x in range(width):
                rows = slice(max(0, y - radius), y + radius + 1)
                yield y, x, (rows, slice(max(0, x - radius), x + radius + 1))

    slope, offset, result = (np.zeros(image.shape) for _ in range(3))
    for y, x, w in windows():
        covariance = (image[w] * chance[w]).mean() - image[w].mean() * chance[w].mean()
        slope[y, x] = covariance / (image[w].var() + epsilon)
        offset[y, x] = chance[w].mean() - slope[y, x] * image[w].mean()
    for y, x, w in windows():
        result[y, x] = slope[w].mean() * image[y, x] + offset[w].mean()
    return result


class FilterTests(unittest.TestCase):
    def test_is_he_sun_and_tangs(self):
        rng = np.random.default_rng(0)
        image, chances = rng.random((14, 11), np.float32), rng.random((2, 14, 11), np.float32)
        for radius in (1, 3):
            found = refine.guided_filter(image, chances, radius, 1e-2)
            self.assertEqual(found.dtype, np.float32)
            for plane, chance in zip(found, chances):
                wanted = filter_by_loops(image, chance, radius, 1e-2)
                np.testing.assert_allclose(plane, wanted, atol=2e-5)

    def test_an_edge_of_the_chance_moves_to_the_pictures(self):
        image = np.zeros((40, 40), np.float32)
        image[:, 20:] = 1
        chance = np.zeros((1, 40, 40), np.float32)
        chance[:, :, 18:] = 0.8
        found = refine.guided_filter(image, chance, 3, 1e-3)[0, 20]
        self.assertLess(found[18], 0.45)
        self.assertGreater(found[20], 0.75)

    def test_a_picture_smaller_than_the_window_is_filtered(self):
        chances = np.full((1, 2, 3), 0.5, np.float32)
        image = np.array(((0, 0.5, 1), (1, 0.2, 0)), np.float32)
        np.testing.assert_allclose(refine.guided_filter(image, chances, 3, 1e-3), 0.5, atol=1e-5)


class CleanTests(unittest.TestCase):
    def setUp(self):
        self.labels = np.zeros((40, 50), np.uint8)  # 2000 pixels: holes to 40, islands to 10
        self.labels[5:35, 10:40] = 5
        self.covered = self.labels > 0

    def clean(self, **changes) -> np.ndarray:
        return refine.clean(self.labels, self.covered, OPTIONS._replace(**changes))

    def test_a_hole_takes_what_is_commonest_around_it(self):
        self.labels[10:14, 15:20] = 0
        self.labels[10:14, 14] = 9
        found = self.clean()
        self.assertTrue((found[10:14, 15:20] == 5).all())
        self.assertTrue((self.labels[10:14, 15:20] == 0).all(), "the argument changed")

    def test_a_large_hole_and_one_at_the_border_stay(self):
        self.labels[10:17, 15:21] = 0  # 42 pixels
        self.labels[:3, :3] = 7
        self.labels[0, 0] = 0
        found = self.clean(least_cover=0.0)
        self.assertTrue((found[10:17, 15:21] == 0).all())
        self.assertEqual(found[0, 0], 0)

    def test_holes_that_touch_at_corners_are_apart(self):
        self.labels[10:15, 15:20] = 0
        self.labels[15:20, 20:25] = 0  # 25 pixels each
        self.assertTrue((self.clean()[10:20, 15:25] == 5).all())

    def test_an_island_takes_the_label_round_it_unless_that_is_none(self):
        self.labels[10:12, 15:18] = 9
        self.labels[20:24, 15:18] = 9  # 12 pixels
        self.labels[1:3, 1:3] = 9
        found = self.clean(least_cover=0.0)
        self.assertTrue((found[10:12, 15:18] == 5).all())
        self.assertTrue((found[20:24, 15:18] == 9).all())
        self.assertTrue((found[1:3, 1:3] == 9).all())

    def test_islands_in_each_other_are_decided_at_once(self):
        self.labels[10:13, 15:18] = 9
        self.labels[11, 16] = 7  # an island in an island
        found = self.clean()
        self.assertEqual(found[11, 16], 9)
        self.assertEqual(found[10, 15], 5)

    def test_of_equally_common_labels_the_lowest_counts(self):
        self.labels[5:35, 10:40] = 9
        self.labels[5:35, 10:25] = 5
        self.labels[20, 24:26] = 7  # five pixels of either around it
        self.assertTrue((self.clean()[20, 24:26] == 5).all())

    def test_what_persons_cover_too_little_of_is_dropped(self):
        self.labels[36:40, 45:50] = 3
        self.covered[36:38, 45:49] = True  # 8 of 20 pixels
        self.assertEqual(self.clean()[39, 49], 3)
        self.covered[36, 45] = False
        self.assertEqual(self.clean()[39, 49], 0)
        self.assertEqual(self.clean()[20, 20], 5)


class RefineTests(unittest.TestCase):
    def refine(self, masks, labels, scores, covered, options=OPTIONS, image=None):
        masks = np.stack(masks).astype(np.float32)
        image = np.full(masks.shape[1:], 0.5, np.float32) if image is None else image
        return refine.refine(
            masks, np.array(labels), np.array(scores, np.float32), image, covered, 0.5, options
        )

    def test_changed_pixels_are_given_to_the_first_query_of_their_class(self):
        masks = np.full((3, 40, 40), -6.0)
        masks[0, 5:35, 5:35] = masks[1, 5:35, 5:35] = 6
        masks[:, 18:22, 18:22] = -6  # a hole
        masks[2, :3, :3] = 6  # a stray
        covered = np.zeros((40, 40), bool)
        covered[5:35, 5:35] = True
        options = OPTIONS._replace(radius=0)
        logits = self.refine(masks, (5, 5, 9), (0.9, 0.8, 0.9), covered, options)
        chance = 1 / (1 + np.exp(-logits[:, 20, 20]))
        np.testing.assert_allclose(chance, (GIVEN, LEAST, LEAST), atol=1e-6)
        np.testing.assert_allclose(1 / (1 + np.exp(-logits[:, 1, 1])), LEAST, atol=1e-6)

    def test_weak_chances_count_under_persons(self):
        masks = np.full((2, 20, 20), -6.0)
        masks[0, 5:15, 5:15] = masks[1, 5:15, 5:15] = 6
        masks[0, 5:15, 10:15] = -0.4  # 0.36 of 0.9
        masks[1, 5:15, 10:15] = -0.6
        masks[:, 5:15, 14] = -2
        covered = np.zeros((20, 20), bool)
        covered[5:13, 5:15] = True
        options = NO_CLEANING._replace(radius=0, fill_threshold=0.3)
        logits = self.refine(masks, (5, 9), (0.9, 0.85), covered, options)
        self.assertGreater(logits[0, 10, 12], 2)
        self.assertLess(logits[1, 10, 12], -3)
        self.assertAlmostEqual(logits[0, 14, 12], -0.4, delta=1e-3)  # beside the person
        self.assertAlmostEqual(logits[0, 10, 14], -2, delta=1e-3)  # too weak

    def test_without_filter_and_cleaning_masks_stay_as_they_are(self):
        rng = np.random.default_rng(0)
        masks = rng.normal(0, 1.5, (2, 12, 12)).clip(-3.5, 3.5)
        everywhere = np.ones((12, 12), bool)
        options = NO_CLEANING._replace(radius=0, epsilon=1e-9)
        image = rng.random((12, 12), np.float32)
        logits = self.refine(masks, (5, 9), (0.9, 0.7), everywhere, options, image)
        np.testing.assert_allclose(logits, masks, atol=1e-4)

    def test_no_part_gives_none(self):
        empty = np.zeros((0, 8, 8), np.float32)
        found = refine.refine(
            empty, np.zeros(0, int), np.zeros(0), empty, np.zeros((8, 8), bool), 0.5, OPTIONS
        )
        self.assertEqual(found.shape, (0, 8, 8))

    def test_grey_is_rounded_as_specified(self):
        rgb = np.array((((255, 255, 255), (1, 2, 3), (0, 0, 0)),), np.uint8)
        np.testing.assert_array_equal(refine.grey(rgb) * 255, [[255, 2, 0]])


class ContractTests(unittest.TestCase):
    """The option in `postprocess.parse`."""

    def parse(self, contract: dict):
        # Hair and a stray of trousers far from the only person.
        masks = torch.stack([box(0, 0, 4, 4), box(6, 6, 8, 8), box(0, 0, 4, 5)])
        logits = classes((2, 0.95), (9, 0.95), (20, 0.95))
        rgb = np.full((SIDE, SIDE, 3), 90, np.uint8)
        return parse(logits, masks, (SIDE,) * 2, (SIDE,) * 2, (2 * SIDE,) * 2, contract, rgb)

    def test_strays_go_and_persons_stay_exactly(self):
        plain = self.parse(CONTRACT)
        clean = self.parse(CONTRACT | {"refine": OPTIONS._asdict()})
        self.assertEqual(set(plain.labels.unique().tolist()), {0, 2, 9})
        self.assertEqual(set(clean.labels.unique().tolist()), {0, 2})
        self.assertTrue(torch.equal(plain.persons, clean.persons))
        self.assertTrue(torch.equal(plain.scores, clean.scores))
        self.assertLess((plain.labels == 2).ne(clean.labels == 2).float().mean(), 0.1)

    def test_the_picture_of_an_input_is_the_resized_one(self):
        rgb = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
        contract = {"short_side": 40, "max_side": 64, "divisor": 32}
        for mean, std in (((127.0,) * 3, (128.0,) * 3), ((123.675, 116.28, 103.53), (58.4, 57.1, 57.4))):
            image, size = prepare(rgb, contract | {"mean": mean, "std": std})
            found = picture(image, size, {"mean": mean, "std": std})
            self.assertEqual(found.shape[:2], size)
            plain, _ = prepare(rgb, contract | {"mean": (0.0,) * 3, "std": (1.0,) * 3})
            wanted = plain[0, :, : size[0], : size[1]].numpy().transpose(1, 2, 0)
            np.testing.assert_array_equal(found, wanted)


class FixtureTests(unittest.TestCase):
    """Tests/Fixtures/refine, which the Swift tests compare with."""

    @classmethod
    def setUpClass(cls):
        index = json.loads((FIXTURES / "index.json").read_text())
        cls.contract, cls.cases = index["contract"], index["cases"]

    def parsed(self, case: dict, **changes) -> np.ndarray:
        def read(suffix: str, kind: str, *shape: int) -> np.ndarray:
            return np.fromfile(FIXTURES / f"{case['name']}.{suffix}", kind).reshape(shape)

        queries = case["queries"]
        logits = read("logits.f32", "<f4", queries, case["network_classes"])
        masks = read("masks.f32", "<f4", queries, *case["mask_size"])
        rgb = read("picture.u8", "u1", *case["image_size"], 3)
        contract = self.contract | {"refine": self.contract["refine"] | changes}
        sizes = (case["network_size"], case["image_size"], case["output_size"])
        found = parse(
            *map(torch.from_numpy, (logits, masks)), *map(tuple, sizes), contract, rgb
        )
        return found.labels.numpy()

    def test_are_what_the_reference_makes(self):
        for case in self.cases:
            with self.subTest(case["name"]):
                wanted = np.fromfile(FIXTURES / f"{case['name']}.labels.u8", "u1")
                # Another machine's exp may round otherwise.
                self.assertGreater((self.parsed(case).ravel() == wanted).mean(), 0.9995)

    def test_every_step_does_something_in_them(self):
        without = {
            "radius": 0, "fill_threshold": 1.0, "hole_area": 0.0, "island_area": 0.0,
            "least_cover": 0.0,
        }  # fmt: skip
        for option, none in without.items():
            with self.subTest(option):
                changed = sum(
                    (self.parsed(case, **{option: none}) != self.parsed(case)).sum()
                    for case in self.cases
                    if case["name"] != "nobody"
                )
                self.assertGreater(changed, 5)


if __name__ == "__main__":
    unittest.main()
