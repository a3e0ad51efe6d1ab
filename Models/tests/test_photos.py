import hashlib
import unittest

import numpy as np

from evaluation import coarse, photos
from evaluation.metrics import IGNORED
from m2fp.contract import CLASSES


class AnnotationTests(unittest.TestCase):
    def test_every_photo_with_people_is_annotated_with_known_parts(self):
        people = photos.catalogue()["people"]
        self.assertGreaterEqual(len(people), 12)
        known = {*range(len(coarse.NAMES)), IGNORED}
        for name in people:
            with self.subTest(name):
                truth = photos.truth(name)
                self.assertLessEqual(set(np.unique(truth.parts)), known)
                self.assertTrue((truth.parts[truth.persons > 0] > 0).all())
                self.assertTrue((truth.persons[truth.ignored] == 0).all())
                # No person is lost behind another.
                self.assertEqual(len(np.unique(truth.persons)), truth.persons.max() + 1)

    def test_enough_photos_without_people(self):
        self.assertGreaterEqual(len(photos.catalogue()["people-free"]), 20)

    def test_photos_of_the_repository_are_those_annotated(self):
        for source in photos.catalogue()["people"].values():
            if photos.is_free(source):
                content = (photos.REPOSITORY / source["repository"]).read_bytes()
                self.assertEqual(hashlib.sha256(content).hexdigest(), source["sha256"])


class CoarseTests(unittest.TestCase):
    def test_every_class_belongs_to_one_coarse_part(self):
        names = [name for group in coarse.COARSE_PARTS.values() for name in group]
        self.assertCountEqual(names, CLASSES["cihp"][1:])

    def test_mapping(self):
        labels = np.array([[0, 1, 2, 13, 7, 14, 9, 18]])
        parts = coarse.to_coarse(labels, CLASSES["cihp"])
        names = [coarse.NAMES[k] for k in parts[0]]
        expected = ["background", "hair", "hair", "face", "upper", "arms", "legs", "shoes"]
        self.assertEqual(names, expected)


if __name__ == "__main__":
    unittest.main()
