"""Street photos in which people wear other things."""

import unittest
from types import SimpleNamespace
from unittest import mock

import numpy as np

from m2fp import samples
from m2fp.samples import UNKNOWN_PERSON, UNKNOWN_SIDE, Sample, kind
from photos import poses, wardrobe
from photos.limbs import SKIN
from photos.wardrobe import Wardrobe, put_on, recolour_cloth, similarity
from synthetic.classes import COAT, GLOVES, HAT, SOCKS

from .test_limbs import HEIGHT, WIDTH, pose


def person(hat: bool) -> Sample:
    """Skin from head to toe, under a coat, before a grey wall."""
    rgb = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    kinds, persons = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    kinds[30:290, 30:170] = kind(SKIN)
    kinds[80:150, 60:140] = COAT
    persons[30:290, 30:170] = 1
    rgb[30:290, 30:170] = (200, 150, 120)
    rgb[80:150, 60:140] = (30, 60, 130)
    if hat:
        kinds[20:35, 85:115] = HAT
        persons[20:35, 85:115] = 1
        rgb[20:35, 85:115] = (250, 240, 10)
    return Sample(rgb, kinds, persons, samples.no_opinion(kinds.shape))


class Photos(list):
    """Two photos, the second with a hat, as `Wardrobe` asks for them."""

    def __init__(self):
        super().__init__([person(False), person(True)])
        self.paths = [SimpleNamespace(stem=name) for name in "ab"]
        ears = pose()
        ears[poses.EAR][:2], ears[poses.EAR + 1][:2] = [115, 45], [85, 45]
        self.poses = {"a": ears, "b": ears}
        self.areas = np.array([np.bincount(s.kinds.ravel(), minlength=256)[:20] for s in self])
        self.chances = np.array((1.0, 0.0))


class WardrobeTests(unittest.TestCase):
    def test_a_hat_of_another_photo_sits_where_it_sat_on_the_other_head(self):
        photos = Photos()
        rng = np.random.default_rng(0)
        only_hats = {HAT: (1.0, wardrobe.ANCHORS[HAT][1])}
        with (
            mock.patch.multiple(wardrobe, RECOLOURED=0, BORROWED=1, GLOVED=0, SOCKED=0),
            mock.patch.object(wardrobe, "ANCHORS", only_hats),
        ):
            sample = Wardrobe(photos).draw(rng)
        np.testing.assert_array_equal(sample.kinds == HAT, photos[1].kinds == HAT)
        self.assertTrue((sample.persons[sample.kinds == HAT] == 1).all())
        self.assertFalse((photos[0].kinds == HAT).any())  # the original is as it was

    def test_gloves_and_socks_cover_the_skin_of_hands_and_shins(self):
        photos = Photos()
        with mock.patch.multiple(wardrobe, RECOLOURED=0, BORROWED=0, GLOVED=1, SOCKED=1):
            drawn = [Wardrobe(photos).draw(np.random.default_rng(i)) for i in range(4)]
        skin = photos[0].kinds == kind(SKIN)
        for sample in drawn:
            self.assertTrue(skin[np.isin(sample.kinds, (GLOVES, SOCKS))].all())
            self.assertTrue((sample.kinds[160:168, 158:165] == GLOVES).any())
        self.assertTrue(any((s.kinds[258:266, 118] == SOCKS).all() for s in drawn))

    def test_who_has_no_pose_keeps_his_things(self):
        photos = Photos()
        photos.poses = {}
        with mock.patch.multiple(wardrobe, RECOLOURED=0, BORROWED=1, GLOVED=1, SOCKED=1):
            sample = Wardrobe(photos).draw(np.random.default_rng(0))
        np.testing.assert_array_equal(sample.kinds, photos[0].kinds)

    def test_recoloured_cloth_changes_no_label_and_no_skin(self):
        sample = person(False)
        with mock.patch.object(wardrobe, "EACH_GARMENT", 1):
            changed = recolour_cloth(sample, np.random.default_rng(1))
        np.testing.assert_array_equal(changed.kinds, sample.kinds)
        self.assertGreater(np.abs(changed.rgb[110, 100].astype(int) - sample.rgb[110, 100]).max(), 5)
        np.testing.assert_array_equal(changed.rgb[240:], sample.rgb[240:])

    def test_what_is_put_on_tells_no_side(self):
        sample = person(False)
        sample = sample._replace(left=np.full_like(sample.left, 255))
        where = np.zeros(sample.kinds.shape, bool)
        where[200:240, 100:130] = True
        dressed = put_on(sample, where, SOCKS, np.random.default_rng(0))
        self.assertTrue((dressed.left[205:235, 105:125] == UNKNOWN_SIDE).all())
        self.assertEqual(dressed.left[150, 35], 255)

    def test_someone_unknown_stays_unknown_under_a_borrowed_thing(self):
        sample = person(False)
        sample.persons[:40] = UNKNOWN_PERSON
        alpha = np.zeros(sample.kinds.shape, np.float32)
        alpha[10:30, 90:110] = 1
        worn = wardrobe.wear(sample, sample.rgb, alpha, HAT)
        self.assertTrue((worn.persons[10:30, 90:110] == UNKNOWN_PERSON).all())

    def test_the_map_between_two_pairs_of_points(self):
        source = np.array(((0.0, 0.0), (10.0, 0.0)))
        target = np.array(((5.0, 5.0), (5.0, 25.0)))
        matrix = similarity(source, target)
        np.testing.assert_allclose(source @ matrix[:, :2].T + matrix[:, 2], target)
        self.assertAlmostEqual(np.linalg.det(matrix[:, :2]), 4)


if __name__ == "__main__":
    unittest.main()
