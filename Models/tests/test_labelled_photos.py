"""Photos with labels, read from folders that look like the data sets', in small."""

import csv
import hashlib
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from PIL import Image

from m2fp import samples
from m2fp.samples import FAR, HELD, PERSON, UNKNOWN, UNKNOWN_PERSON, UNKNOWN_SIDE
from photos import cutouts, everyday, sides, split
from photos.cutouts import Groups, cut_out
from photos.everyday import BAND, LEFT_WRIST, NOSE, EverydayPhotos, joint_classes
from photos.street import StreetPhotos, may_be_several
from synthetic.classes import (
    CLASSES, COAT, DRESS, FACE, GLOVES, LEFT_ARM, LEFT_SHOE, RIGHT_ARM, RIGHT_SHOE, SKIRT,
    UPPER_CLOTHES,
)

NULL, BAG, COAT_TAG, DRESS_TAG, SHOES, NECKLACE, ODD = range(7)
HEIGHT, WIDTH = 160, 120


def write_street(data: Path, count: int, skirts: tuple[str, ...] = ()) -> None:
    """Photos of one person: coat above dress above shoes, with a bag; noise."""
    folder = data / "ccp"
    for name in ("photos", "labels", "bystanders"):
        (folder / name).mkdir(parents=True)
    person = [c for c in CLASSES if c != "Background"]
    tags = (
        ("null", ["Background"], "Background"),
        ("bag", ["Background"], "Background"),
        ("coat", ["Coat"], "Coat"),
        ("dress", ["Dress"], "Dress"),
        ("shoes", ["Left-shoe", "Right-shoe"], "Shoes"),
        ("necklace", person, ""),
        ("odd", None, ""),
    )
    table = {
        "cihp": CLASSES,
        "tags": [
            {"index": i, "name": n, "classes": c, "measured in": m}
            for i, (n, c, m) in enumerate(tags)
        ],
        "held": ["bag"],
        "dress may be skirt": skirts,
    }
    (folder / "labels.json").write_text(json.dumps(table))
    rng = np.random.default_rng(0)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[20:80, 20:60] = COAT_TAG
    labels[80:130, 20:60] = DRESS_TAG
    labels[130:140, 20:60] = SHOES
    labels[22:26, 30:34] = NECKLACE
    labels[30:34, 30:34] = ODD
    labels[90:110, 60:70] = BAG
    for number in range(count):
        name = f"{number:04d}"
        rgb = rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        cv2.imwrite(str(folder / "photos" / f"{name}.webp"), rgb)
        image = Image.fromarray(labels)
        image.putpalette(rng.integers(0, 255, 768, np.uint8).tobytes())
        image.save(folder / "labels" / f"{name}.png")
    bystander = np.zeros((HEIGHT, WIDTH), bool)
    bystander[:, 100:] = True
    Image.fromarray(bystander).save(folder / "bystanders" / "0000.png")


def write_everyday(data: Path, count: int) -> None:
    """Photos of one person with a nose, a left wrist and a hidden right wrist, and a thing."""
    folder = data / "coco"
    for name in ("photos", "persons", "things"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(1)
    persons = np.zeros((HEIGHT, WIDTH), np.uint8)
    persons[20:140, 20:80] = 1
    persons[:, 110:] = UNKNOWN_PERSON
    things = np.zeros_like(persons)
    things[60:80, 70:95] = 27
    joints = [[0, 0, 0] for _ in range(17)]
    joints[NOSE], joints[LEFT_WRIST], joints[LEFT_WRIST + 1] = [50, 30, 2], [30, 90, 2], [60, 90, 1]
    rows = []
    for number in range(count):
        name = f"{number:012d}"
        rgb = rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        cv2.imwrite(str(folder / "photos" / f"{name}.webp"), rgb)
        Image.fromarray(persons).save(folder / "persons" / f"{name}.png")
        Image.fromarray(things).save(folder / "things" / f"{name}.png")
        rows.append({"id": name, "kind": "persons"})
    (folder / "keypoints.json").write_text(json.dumps({row["id"]: [joints] for row in rows}))
    with open(folder / "sources.tsv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "kind"], delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)


def allowed(kind: int) -> set[int]:
    return set(np.flatnonzero(samples.kind_classes()[kind]).tolist())


class PhotosTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.data = Path(cls.temporary.name)
        cls.known = split.VALIDATION
        split.VALIDATION = {"ccp": 2, "coco": 1}
        write_street(cls.data, 5, skirts=("0001",))
        write_everyday(cls.data, 3)

    @classmethod
    def tearDownClass(cls):
        split.VALIDATION = cls.known
        cls.temporary.cleanup()

    def street(self, name: str) -> samples.Sample:
        for part in ("train", "validation"):
            photos = StreetPhotos(self.data, part)
            for index, path in enumerate(photos.paths):
                if path.stem == name:
                    return photos[index]
        raise KeyError(name)


class SplitTests(PhotosTests):
    def test_the_smallest_digests_validate_and_no_photo_is_in_both(self):
        train, validation = (
            split.photo_paths(self.data, "ccp", part) for part in ("train", "validation")
        )
        everyone = sorted(
            train + validation, key=lambda p: hashlib.sha256(p.read_bytes()).hexdigest()
        )
        self.assertEqual(sorted(everyone[:2]), validation)
        self.assertEqual(sorted(everyone[2:]), train)
        self.assertFalse(set(train) & set(validation))

    def test_a_folder_without_photos_is_refused(self):
        with self.assertRaises(FileNotFoundError):
            split.photo_paths(self.data / "elsewhere", "ccp", "train")


class StreetTests(PhotosTests):
    def test_tags_are_sets_of_classes(self):
        sample = self.street("0002")
        self.assertEqual(allowed(sample.kinds[60, 40]), {COAT})
        self.assertEqual(allowed(sample.kinds[100, 40]), {DRESS})
        self.assertEqual(allowed(sample.kinds[135, 40]), {LEFT_SHOE, RIGHT_SHOE})
        self.assertEqual(allowed(sample.kinds[24, 32]), set(range(1, 20)))
        self.assertEqual(sample.kinds[100, 65], HELD)
        self.assertEqual(sample.kinds[32, 32], UNKNOWN)
        self.assertEqual(sample.kinds[15, 40], 0)
        self.assertEqual(sample.kinds[5, 115], FAR)

    def test_a_dress_may_be_a_skirt_where_the_list_says_so(self):
        self.assertEqual(allowed(self.street("0001").kinds[100, 40]), {DRESS, SKIRT})

    def test_the_person_is_who_wears_things_and_bystanders_are_unknown(self):
        sample = self.street("0000")
        self.assertEqual(sample.persons[60, 40], 1)
        self.assertEqual(sample.persons[24, 32], 1)  # a necklace
        self.assertEqual(sample.persons[100, 65], 0)  # a bag
        self.assertEqual(sample.persons[32, 32], UNKNOWN_PERSON)
        self.assertEqual(sample.persons[60, 110], UNKNOWN_PERSON)
        self.assertEqual(sample.kinds[60, 110], UNKNOWN)
        self.assertEqual(self.street("0002").persons[60, 110], 0)

    def test_two_pieces_side_by_side_may_be_two_persons(self):
        person = np.zeros((100, 100), bool)
        person[10:90, 10:30] = True
        self.assertFalse(may_be_several(person))
        above = person.copy()
        above[45:60] = False  # a bag in front of one
        self.assertFalse(may_be_several(above))
        person[10:90, 60:80] = True
        self.assertTrue(may_be_several(person))

    def test_photos_of_rare_garments_are_drawn_more_often(self):
        photos = StreetPhotos(self.data, "train")
        self.assertAlmostEqual(photos.chances.sum(), 1)
        changed = next(i for i, path in enumerate(photos.paths) if path.stem != "0001")
        other = next(i for i, path in enumerate(photos.paths) if i != changed and path.stem != "0001")
        path = photos.folder / "labels" / f"{photos.paths[changed].stem}.png"
        before = path.read_bytes()
        self.addCleanup(path.write_bytes, before)
        tags = photos.labels(photos.paths[changed])
        Image.fromarray(np.where(tags == DRESS_TAG, NULL, tags).astype(np.uint8)).save(path)
        chances = StreetPhotos(self.data, "train").chances
        self.assertLess(chances[changed], chances[other])


class EverydayTests(PhotosTests):
    def setUp(self):
        self.sample = EverydayPhotos(self.data, "train")[0]

    def test_inside_is_anything_but_background_and_the_outline_is_left_out(self):
        kinds, persons = self.sample.kinds, self.sample.persons
        self.assertEqual((kinds[120, 50], persons[120, 50]), (PERSON, 1))
        self.assertEqual((kinds[10, 10], persons[10, 10]), (0, 0))
        for x in range(20 - BAND, 20 + BAND):
            self.assertEqual((kinds[120, x], persons[120, x]), (UNKNOWN, UNKNOWN_PERSON))
        self.assertEqual((kinds[120, 20 + BAND], kinds[120, 19 - BAND]), (PERSON, 0))
        self.assertEqual((kinds[120, 115], persons[120, 115]), (UNKNOWN, UNKNOWN_PERSON))

    def test_joints_allow_what_may_be_there(self):
        kinds = self.sample.kinds
        self.assertEqual(allowed(kinds[30, 50]), {FACE})
        self.assertEqual(
            allowed(kinds[90, 30]), {LEFT_ARM, GLOVES, UPPER_CLOTHES, DRESS, COAT}
        )
        self.assertEqual(kinds[90, 60], PERSON)  # hidden
        self.assertGreater(samples.kind_weights()[kinds[90, 30]], 10)

    def test_joints_of_the_right_are_those_of_the_left_with_sides_exchanged(self):
        joints = joint_classes()
        self.assertEqual(joints[LEFT_WRIST] - joints[LEFT_WRIST + 1], {LEFT_ARM})
        self.assertEqual(joints[LEFT_WRIST + 1] - joints[LEFT_WRIST], {RIGHT_ARM})
        mirrored = self.sample.mirrored()
        self.assertEqual(allowed(mirrored.kinds[90, WIDTH - 31]), joints[LEFT_WRIST + 1])

    def test_things_are_background_beside_a_person_and_unknown_over_one(self):
        self.assertEqual(self.sample.kinds[70, 90], HELD)
        self.assertEqual(self.sample.kinds[70, 74], UNKNOWN)


class CutOutTests(PhotosTests):
    def test_a_cut_out_is_the_person_and_what_is_held(self):
        person = cut_out(self.street("0002"), 1)
        self.assertEqual(person.kinds.shape, (120, 50))  # rows 20 to 139, columns 20 to 69
        self.assertEqual(person.persons.sum(), 120 * 40 + 20 * 10)

    def test_groups_have_instances_over_each_other_and_background_elsewhere(self):
        photos = StreetPhotos(self.data, "train")
        grey = np.full((1, 1, 3), 90, np.uint8)
        others = EverydayPhotos(self.data, "train")
        groups = Groups(photos, others, lambda rng, h, w: np.broadcast_to(grey, (h, w, 3)))
        rng = np.random.default_rng(0)
        with (
            mock.patch.object(cutouts, "ONTO_EVERYDAY", 0),
            mock.patch.object(cutouts, "EVERYDAY", 0),
        ):
            drawn = [groups.draw(rng) for _ in range(6)]
        self.assertGreater(max(len(np.unique(s.persons)) for s in drawn), 3)
        for sample in drawn:
            background = samples.kind_classes()[:, 0][sample.kinds] & (sample.kinds != UNKNOWN)
            np.testing.assert_array_equal(sample.persons == 0, background)
            far = sample.kinds == FAR
            self.assertTrue((np.abs(sample.rgb[far].astype(int) - 90) <= 1).all())

    def test_persons_of_everyday_photos_are_pasted_onto_them_as_further_ones(self):
        photos, others = StreetPhotos(self.data, "train"), EverydayPhotos(self.data, "train")
        groups = Groups(photos, others, lambda rng, h, w: np.zeros((h, w, 3), np.uint8))
        rng = np.random.default_rng(3)
        with (
            mock.patch.object(cutouts, "ONTO_EVERYDAY", 1),
            mock.patch.object(cutouts, "EVERYDAY", 1),
        ):
            drawn = [groups.draw(rng) for _ in range(8)]
        # Whoever was there is 1, and pasted ones count on.
        self.assertGreater(max(s.persons[s.persons != UNKNOWN_PERSON].max() for s in drawn), 2)
        for sample in drawn:
            known = sample.kinds[(sample.persons > 0) & (sample.persons != UNKNOWN_PERSON)]
            self.assertFalse((samples.kind_classes()[known, 0] & (known != UNKNOWN)).any())

    def test_someone_wider_than_the_picture_is_pasted_too(self):
        lying = np.zeros((60, 400), np.uint8)
        person = samples.Sample(
            np.zeros((60, 400, 3), np.uint8), lying + COAT, lying + 1, samples.no_opinion(lying.shape)
        )
        groups = Groups(None, None, lambda rng, h, w: np.zeros((h, w, 3), np.uint8))
        rng = np.random.default_rng(0)
        with (
            mock.patch.object(cutouts, "ONTO_EVERYDAY", 0),
            mock.patch.object(Groups, "_person", lambda self, rng: person),
        ):
            for _ in range(10):
                groups.draw(rng)


class MosaicTests(PhotosTests):
    def test_four_photos_side_by_side_have_persons_of_their_own(self):
        photos = EverydayPhotos(self.data, "train")
        with mock.patch.object(everyday, "MOSAICS", 1):
            sample = photos.draw(np.random.default_rng(0))
        numbers = set(np.unique(sample.persons).tolist()) - {0, UNKNOWN_PERSON}
        self.assertEqual(numbers, {1, 2, 3, 4})
        for number in numbers:
            kinds = sample.kinds[sample.persons == number]
            self.assertFalse(samples.kind_classes()[kinds, 0][kinds != UNKNOWN].any())


class SidesTests(unittest.TestCase):
    def test_a_piece_that_is_mostly_left_is_left_and_divided_ones_stay_so(self):
        chances = np.zeros((20, 30, 60), np.float32)
        chances[0] = 1
        chances[:, 5:25, 5:25] = 0
        chances[LEFT_SHOE, 5:25, 5:25], chances[RIGHT_SHOE, 5:25, 5:25] = 0.9, 0.1
        chances[:, 5:25, 35:55] = 0
        chances[LEFT_ARM, 5:25, 35:45], chances[RIGHT_ARM, 5:25, 35:45] = 0.8, 0.2
        chances[LEFT_ARM, 5:25, 45:55], chances[RIGHT_ARM, 5:25, 45:55] = 0.2, 0.8
        left = sides.opinion(chances)
        self.assertEqual(left[0, 0], UNKNOWN_SIDE)
        self.assertTrue((left[5:25, 5:25] == 255).all())
        self.assertTrue((left[5:25, 35:45] == 204).all())
        self.assertTrue((left[5:25, 45:55] == 51).all())


if __name__ == "__main__":
    unittest.main()
