"""The measures on labelled photos, where the right figures can be told by counting."""

import unittest

import numpy as np

from commands import evaluate
from evaluation import everyday, street
from evaluation.intervals import interval
from evaluation.metrics import IGNORED
from m2fp.samples import UNKNOWN_PERSON
from photos.everyday import LEFT_WRIST, NOSE
from photos.street import StreetPhotos
from synthetic.classes import (
    COAT, DRESS, FACE, LEFT_ARM, LEFT_LEG, LEFT_SHOE, RIGHT_ARM, RIGHT_LEG, RIGHT_SHOE, UPPER_CLOTHES,
)  # fmt: skip

from .test_labelled_photos import PhotosTests

GREY = np.full((160, 120, 3), 120, np.uint8)


def perfect() -> np.ndarray:
    """The labels of the photos that ``write_street`` writes, as a network should find them."""
    labels = np.zeros((160, 120), np.uint8)
    labels[20:80, 20:60] = COAT
    labels[80:130, 20:60] = DRESS
    labels[130:140, 20:40], labels[130:140, 40:60] = RIGHT_SHOE, LEFT_SHOE
    return labels


class StreetTests(PhotosTests):
    def truth(self, name: str) -> street.Truth:
        for part in ("train", "validation"):
            photos = StreetPhotos(self.data, part)
            for path in photos.paths:
                if path.stem == name:
                    return street.truth(photos, path)
        raise KeyError(name)

    def test_the_truth_scores_one(self):
        figures = [street.measure(GREY, self.truth("0002"), perfect())]
        self.assertEqual(street.mean_iou(figures, street.SETS), 1)
        self.assertEqual(street.pooled(figures, "person"), 1)
        self.assertEqual(street.pooled(figures, "garment"), 1)
        self.assertEqual(figures[0].held.tolist(), [200, 0])

    def test_what_no_set_measures_and_bystanders_do_not_count(self):
        truth = self.truth("0000")
        self.assertEqual(truth.sets[24, 32], IGNORED)  # a necklace
        self.assertEqual(truth.person[24, 32], 1)
        self.assertEqual(truth.person[32, 32], IGNORED)  # a tag of which nothing is known
        self.assertEqual(truth.sets[60, 110], IGNORED)  # a bystander
        labels = perfect()
        labels[:, 100:] = FACE
        labels[22:26, 30:34] = FACE
        figures = [street.measure(GREY, truth, labels)]
        self.assertEqual(street.pooled(figures, "person"), 1)
        self.assertEqual(street.mean_iou(figures, street.SETS), 1)

    def test_one_garment_for_another_is_wrong_but_a_garment(self):
        labels = perfect()
        labels[labels == COAT] = UPPER_CLOTHES
        figures = [street.measure(GREY, self.truth("0002"), labels)]
        iou = dict(zip(street.SETS, street.set_iou(figures)))
        self.assertEqual((iou["Coat"], iou["UpperClothes"], iou["Dress"]), (0, 0, 1))
        self.assertEqual(street.pooled(figures, "garment"), 1)

    def test_bags_that_are_labelled_count(self):
        labels = perfect()
        labels[90:100, 60:70] = DRESS
        figures = street.measure(GREY, self.truth("0002"), labels)
        self.assertEqual(figures.held.tolist(), [200, 100])

    def test_a_pair_of_one_side_is_told(self):
        labels = perfect()
        labels[labels == LEFT_SHOE] = RIGHT_SHOE
        labels[20:30, 20:60] = LEFT_LEG
        labels[20:30, 40:60] = RIGHT_LEG
        figures = street.measure(GREY, self.truth("0002"), labels)
        self.assertEqual(figures.one_sided, {"arms": None, "legs": False, "shoes": True})
        self.assertEqual(street.share_one_sided([figures, figures], "shoes"), 1)

    def test_darker_skin_has_a_smaller_angle(self):
        skin = np.ones((20, 20), bool)
        angles = [
            street.tone(np.full((20, 20, 3), rgb, np.uint8), skin)
            for rgb in ((70, 45, 35), (150, 105, 80), (235, 205, 190))
        ]
        self.assertEqual(sorted(angles), angles)
        self.assertLess(angles[0], -30)
        self.assertGreater(angles[2], 28)
        self.assertTrue(np.isnan(street.tone(GREY, np.zeros((160, 120), bool))))

    def tones(self, angles, labels=None):
        figures = street.measure(GREY, self.truth("0002"), perfect() if labels is None else labels)
        return [figures._replace(tone=angle) for angle in angles]

    def test_tones_have_the_names_of_their_angles(self):
        photos = self.tones([60, 55, 41, 27.9, -30, -31, -89, float("nan")])
        counts = {name: len(part) for name, part in street.by_tone(photos).items()}
        self.assertEqual(
            counts,
            {"very light": 2, "light": 1, "intermediate": 0, "tan": 1, "brown": 1, "dark": 2},
        )

    def test_a_gap_is_what_one_part_lacks(self):
        confusion = np.zeros((len(street.SETS),) * 2, np.int64)
        skin = street.SETS.index("Skin")
        confusion[skin, skin] = 90
        full = self.tones([0])[0]._replace(sets=confusion)
        confusion = confusion.copy()
        confusion[skin, 0] = 30  # of 120 pixels of skin, 90 are found
        gap = street.tone_gap([full._replace(sets=confusion)] * 3, [full] * 3)
        self.assertAlmostEqual(gap["iou"], -0.25)
        self.assertAlmostEqual(gap["interval"][0], -0.25)
        self.assertAlmostEqual(gap["interval"][1], -0.25)

    def test_thirds_leave_out_what_is_not_known(self):
        parts = street.thirds([3.0, float("nan"), 1.0, 2.0])
        self.assertEqual([part.tolist() for part in parts], [[2], [3], [0]])


class EverydayTests(unittest.TestCase):
    def setUp(self):
        self.truth = np.zeros((100, 100), np.uint8)
        self.truth[10:50, 10:40] = 1  # 12 % of the photo
        self.truth[60:70, 60:70] = 2  # 1 %: may be found
        self.truth[:, 90:] = UNKNOWN_PERSON
        self.persons = np.zeros((100, 100), np.uint8)
        self.persons[10:50, 10:40] = 1
        self.labels = np.where(self.persons > 0, FACE, 0).astype(np.uint8)

    def measure(self, persons, scores, labels=None, joints=()):
        labels = self.labels if labels is None else labels
        rgb = np.full((100, 100, 3), 90, np.uint8)
        return everyday.measure("persons", rgb, self.truth, joints, labels, persons, scores)

    def test_unknown_pixels_do_not_count(self):
        self.labels[:, 90:] = FACE
        self.labels[60:70, 60:70] = FACE
        figures = self.measure(self.persons, np.array([0.9]))
        self.assertEqual(figures.iou(), 1)
        self.assertEqual(figures.outside, 0)

    def test_small_persons_and_unknown_ones_may_be_found(self):
        self.persons[60:70, 60:70] = 2
        self.persons[20:40, 90:] = 3
        figures = self.measure(self.persons, np.array([0.5, 0.9, 0.8]))
        self.assertEqual(everyday.precision([figures], 0.5), 1)
        self.assertEqual([round(i, 3) for _, i in figures.sizes], [1, 1])

    def test_a_person_where_nobody_is_costs_precision(self):
        self.persons[80:90, 10:80] = 2
        figures = self.measure(self.persons, np.array([0.5, 0.9]))
        self.assertAlmostEqual(everyday.precision([figures], 0.5), 0.5)

    def test_persons_of_two_photos_are_not_confused(self):
        one = self.measure(self.persons, np.array([0.9]))
        self.assertEqual(everyday.precision([one, one], 0.5), 1)
        nobody = self.measure(np.zeros((100, 100), np.uint8), np.zeros(0))
        self.assertEqual(everyday.precision([one, nobody], 0.5), 0.5)

    def test_sides_and_noses_are_read_at_joints(self):
        self.labels[20, 20], self.labels[20, 30], self.labels[30, 20] = LEFT_ARM, LEFT_ARM, FACE
        self.labels[40, 20] = RIGHT_ARM
        joints = [
            (1, LEFT_WRIST, 20, 20), (1, LEFT_WRIST + 1, 30, 20), (1, NOSE, 20, 30),
            (1, NOSE, 20, 40), (1, LEFT_WRIST, 15, 15),
        ]  # fmt: skip
        figures = self.measure(self.persons, np.array([0.9]), joints=joints)
        self.assertEqual(figures.sides, (2, 1))  # at the last one no side is said
        self.assertEqual(figures.noses, (2, 1))


class IntervalTests(unittest.TestCase):
    def test_it_is_about_two_standard_errors_to_either_side(self):
        values = np.random.default_rng(0).normal(5, 2, 400).tolist()
        low, high = interval(values, lambda x: float(np.mean(x)))
        self.assertAlmostEqual(high - low, 4 * 2 / 20, delta=0.06)
        self.assertTrue(low < np.mean(values) < high)

    def test_one_photo_leaves_no_doubt_and_nothing_is_nothing(self):
        self.assertEqual(interval([3.0], lambda x: x[0]), (3.0, 3.0))
        self.assertTrue(np.isnan(interval([3.0], lambda x: float("nan"))[0]))


class ReportTests(PhotosTests):
    def test_all_sources_are_measured_and_reported(self):
        import cv2

        from photos import split

        split.VALIDATION = {"ccp": 2, "coco": 1, "clothes": 1}
        (self.data / "clothes/photos").mkdir(parents=True, exist_ok=True)
        for number in range(2):
            cv2.imwrite(str(self.data / f"clothes/photos/{number}.webp"), GREY)

        def parser(name, rgb):
            return evaluate.Found(
                perfect(), (perfect() > 0).astype(np.uint8), np.array([0.9])
            )

        figures = evaluate.evaluate_labelled(parser, self.data)
        self.assertEqual(figures["street"]["photos"], 2)
        self.assertEqual(figures["street"]["person_iou"], 1)
        self.assertEqual(figures["everyday"]["ap50"], 1)
        self.assertAlmostEqual(figures["clothes"]["labelled"], 120 * 40 / (160 * 120))
        text = evaluate.report({"labelled": figures})
        self.assertIn("| persons | 1.000 (1.000–1.000) |", text)
        self.assertIn("| person AP at 0.5 | 1.000 (1.000–1.000) |", text)
        self.assertIn("| labelled | 25.00 % |", text)

        evaluate.write_labelled(self.data / "png", self.data)
        for name, count in (("street", 2), ("everyday", 1), ("clothes", 1)):
            self.assertEqual(len(list((self.data / "png" / name).glob("*.png"))), count)


if __name__ == "__main__":
    unittest.main()
