import json
import math
import unittest
from pathlib import Path

import numpy as np

from evaluation.metrics import IGNORED, Confusion, Instances, Persons, foreground_iou, matched_iou


class ConfusionTests(unittest.TestCase):
    def test_iou_and_accuracy_by_hand(self):
        confusion = Confusion(3)
        confusion.add(np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 1]]))
        np.testing.assert_allclose(confusion.iou(), [1 / 2, 2 / 3, np.nan])
        self.assertEqual(confusion.accuracy(), 3 / 4)

    def test_images_add_up_before_the_ratio(self):
        confusion = Confusion(2)
        confusion.add(np.array([[1]]), np.array([[1]]))
        confusion.add(np.array([[1, 1, 1]]), np.array([[0, 0, 0]]))
        self.assertEqual(confusion.iou()[1], 1 / 4)

    def test_weights_make_images_count_alike(self):
        confusion = Confusion(2)
        confusion.add(np.array([[1]]), np.array([[1]]), 1)
        confusion.add(np.array([[1, 1, 1, 1]]), np.array([[0, 0, 0, 0]]), 1 / 4)
        self.assertEqual(confusion.iou()[1], 1 / 2)

    def test_ignored_pixels_do_not_count(self):
        confusion = Confusion(2)
        confusion.add(np.array([[1, IGNORED]], np.uint8), np.array([[1, 1]], np.uint8))
        self.assertEqual(confusion.iou()[1], 1)
        self.assertEqual(confusion.counts.sum(), 1)


class PublishedCasesTests(unittest.TestCase):
    """The generated cases with the answers of M2FP's evaluator, which `swift test` checks `m2fp eval` by."""

    def test_confusion_gives_the_published_figures(self):
        path = Path(__file__).parents[2] / "Tests" / "Fixtures" / "evaluation" / "cases.json"
        for case in json.loads(path.read_text()):
            with self.subTest(case["name"]):
                confusion = Confusion(case["classes"])
                for image in case["images"]:
                    truth, found = (np.repeat(runs[::2], runs[1::2]) for runs in
                                    (image["truth"]["labels"], image["found"]["labels"]))
                    confusion.add(truth, found)
                # Upstream counts a class that occurs nowhere as 0.
                np.testing.assert_allclose(np.nan_to_num(confusion.iou()), case["expected"]["iou"], atol=1e-6)
                if case["expected"]["pixel_accuracy"] is not None:
                    self.assertAlmostEqual(confusion.accuracy(), case["expected"]["pixel_accuracy"], places=9)


class MaskTests(unittest.TestCase):
    def test_foreground(self):
        truth, found = np.array([[1, 1, 0, 0]]), np.array([[0, 1, 1, 0]])
        self.assertAlmostEqual(foreground_iou(truth, found), 1 / 3)
        ignored = np.array([[False, False, True, False]])
        self.assertAlmostEqual(foreground_iou(truth, found, ignored), 1 / 2)

    def test_foreground_of_nothing_in_nothing_is_perfect(self):
        self.assertEqual(foreground_iou(np.zeros((2, 2)), np.zeros((2, 2))), 1)

    def test_a_found_person_matches_one_true_person_only(self):
        truth = np.array([[1, 1, 1, 2, 2]])
        found = np.array([[1, 1, 1, 1, 0]])
        self.assertEqual(matched_iou(truth, found), [3 / 4, 0])

    def test_persons_match_whatever_their_order(self):
        truth = np.array([[1, 1, 2, 2]])
        self.assertEqual(matched_iou(truth, np.array([[2, 2, 1, 1]])), [1, 1])

    def test_true_persons_without_any_found(self):
        self.assertEqual(matched_iou(np.array([[1, 2]]), np.array([[0, 0]])), [0, 0])

    def test_no_true_persons(self):
        self.assertEqual(matched_iou(np.array([[0, 0]]), np.array([[0, 1]])), [])


def persons(labels, ids, scores=None):
    return Persons(np.array([labels], np.uint8), np.array([ids], np.uint8), scores)


class InstanceTests(unittest.TestCase):
    # Two persons of two parts each.
    truth = persons([1, 1, 2, 2, 0, 1, 1, 2, 2], [1, 1, 1, 1, 0, 2, 2, 2, 2])

    def test_perfect(self):
        instances = Instances(3)
        instances.add(self.truth, self.truth._replace(scores=np.array([0.9, 0.8])))
        for threshold in (0.1, 0.5, 0.9):
            self.assertEqual(instances.app(threshold), 1)
            self.assertEqual(instances.apr(threshold), 1)
            self.assertEqual(instances.pcp(threshold), 1)

    def test_one_person_missed(self):
        instances = Instances(3)
        instances.add(self.truth, persons([1, 1, 2, 2, 0, 0, 0, 0, 0], [1] * 4 + [0] * 5, [0.9]))
        self.assertEqual(instances.app(0.5), 0.5)
        self.assertEqual(instances.apr(0.5), 0.5)
        self.assertEqual(instances.pcp(0.5), 0.5)

    def test_a_false_person_that_scores_best_halves_the_precision(self):
        truth = persons([1, 0, 0], [1, 0, 0])
        found = persons([1, 0, 1], [1, 0, 2], [0.5, 0.9])
        instances = Instances(2)
        instances.add(truth, found)
        self.assertEqual(instances.app(0.5), 0.5)
        self.assertEqual(instances.apr(0.5), 0.5)

    def test_a_false_person_that_scores_worst_costs_nothing(self):
        instances = Instances(2)
        instances.add(persons([1, 0, 0], [1, 0, 0]), persons([1, 0, 1], [1, 0, 2], [0.9, 0.5]))
        self.assertEqual(instances.app(0.5), 1)

    def test_a_person_found_twice_is_right_once(self):
        truth = persons([1, 1, 1, 1], [1, 1, 1, 1])
        found = persons([1, 1, 1, 1], [2, 1, 1, 1], [0.5, 0.9])
        instances = Instances(2)
        instances.add(truth, found)
        # IoU 3/4 and 1/4: above 0.2 both, but the second claims a truth that is taken.
        self.assertEqual(instances.app(0.2), 1)
        found = found._replace(scores=np.array([0.5, 0.4]), persons=3 - found.persons)
        instances = Instances(2)
        instances.add(truth, found)
        self.assertEqual(instances.app(0.5), 0.5)

    def test_mean_part_iou_decides(self):
        # Part 1 found at IoU 1, part 2 missed, part 3 invented: (1 + 0 + 0) / 3.
        instances = Instances(4)
        instances.add(persons([1, 2, 0], [1, 1, 0]), persons([1, 3, 0], [1, 1, 0], [0.9]))
        self.assertEqual(instances.app(0.3), 1)
        self.assertEqual(instances.app(0.4), 0)
        # Of the two true parts one is found; the classes that occur are 1 and 2.
        self.assertEqual(instances.pcp(0.3), 0.5)
        self.assertEqual(instances.apr(0.5), 0.5)

    def test_background_inside_a_person_is_no_part(self):
        instances = Instances(2)
        instances.add(persons([1, 1], [1, 1]), persons([1, 0], [1, 1], [0.9]))
        self.assertEqual(instances.app(0.4), 1)
        self.assertEqual(instances.app(0.5), 0)

    def test_persons_of_different_images_do_not_meet(self):
        one = persons([1, 0], [1, 0])
        other = persons([0, 1], [0, 1])
        instances = Instances(2)
        instances.add(one, other._replace(scores=[0.9]))
        instances.add(other, one._replace(scores=[0.9]))
        self.assertEqual(instances.app(0.1), 0)

    def test_without_truths_there_is_no_figure(self):
        instances = Instances(2)
        instances.add(persons([0], [0]), persons([1], [1], [0.9]))
        self.assertTrue(math.isnan(instances.app(0.5)))
        self.assertTrue(math.isnan(instances.apr(0.5)))


if __name__ == "__main__":
    unittest.main()
