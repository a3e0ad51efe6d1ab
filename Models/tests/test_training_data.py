import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from m2fp import criterion, samples
from m2fp.augmentation import make_hard
from m2fp.samples import UNKNOWN, UNKNOWN_PERSON, from_scene, kind
from m2fp.training_data import (
    IGNORED_CENTRE, Batches, Mixture, Renders, centre_map, choose_points, divide, make_targets,
)
from photos import mixture
from synthetic import shards
from synthetic.classes import COAT, DRESS, LEFT_ARM, RIGHT_ARM, SKIRT, UPPER_CLOTHES, Scene

HAIR, FACE = 2, 13


def two_heads() -> Scene:
    """Two persons, each hair above a face; the second is one pixel of hair only."""
    labels = np.zeros((64, 96), np.uint8)
    persons = np.zeros_like(labels)
    labels[8:16, 8:24], labels[16:32, 8:24] = HAIR, FACE
    persons[8:32, 8:24] = 3
    labels[40, 80], persons[40, 80] = HAIR, 1
    return Scene(np.full((64, 96, 3), 90, np.uint8), labels, persons)


class KindTests(unittest.TestCase):
    def test_a_render_s_labels_are_kinds(self):
        classes = samples.kind_classes()
        for label in range(20):
            self.assertEqual(np.flatnonzero(classes[label]).tolist(), [label])

    def test_photos_decide_what_a_render_s_coat_is_called(self):
        scene = two_heads()
        scene.labels[0, :4] = UPPER_CLOTHES, COAT, DRESS, SKIRT
        allowed = samples.kind_classes()[from_scene(scene).kinds[0, :5]]
        top, lower = [UPPER_CLOTHES, COAT], [DRESS, SKIRT]
        self.assertEqual(
            [np.flatnonzero(row).tolist() for row in allowed], [top, top, lower, lower, [0]]
        )

    def test_sets_are_mirrored_with_their_sides(self):
        left = kind((FACE, LEFT_ARM), 7.0)
        right = samples.mirrored_kinds()[left]
        self.assertEqual(np.flatnonzero(samples.kind_classes()[right]).tolist(), [FACE, RIGHT_ARM])
        self.assertEqual(samples.kind_weights()[right], 7.0)
        self.assertEqual(samples.mirrored_kinds()[right], left)
        both = kind((LEFT_ARM, RIGHT_ARM))
        self.assertEqual(samples.mirrored_kinds()[both], both)

    def test_an_opinion_on_sides_is_mirrored_and_the_lack_of_one_is_not(self):
        sample = from_scene(two_heads())
        sample.left[0, :3] = 0, 255, samples.UNKNOWN_SIDE
        self.assertEqual(sample.mirrored().left[0, -3:].tolist(), [samples.UNKNOWN_SIDE, 0, 255])


class TargetsTests(unittest.TestCase):
    def test_points_carry_their_set_and_their_person(self):
        places = np.array([[9 * 96 + 9, 20 * 96 + 9, 0, 40 * 96 + 80]])
        targets = make_targets([from_scene(two_heads())], places)
        allowed = [np.flatnonzero(row).tolist() for row in targets.sets[targets.labels[0]]]
        self.assertEqual(allowed, [[HAIR], [FACE], [0], [HAIR]])
        # Persons are numbered anew without those too small to be seen.
        self.assertEqual(targets.counts, [1])
        self.assertEqual(targets.persons.tolist(), [[1, 1, 0, 0]])
        self.assertEqual((torch.nonzero(targets.shown[0]).flatten() + 1).tolist(), [HAIR, FACE])
        absent = (torch.nonzero(targets.absent[0]).flatten() + 1).tolist()
        self.assertEqual(absent, [c for c in range(1, 20) if c not in (HAIR, FACE)])

    def test_what_a_set_allows_is_neither_shown_nor_absent(self):
        sample = from_scene(two_heads())
        sample.kinds[sample.kinds == FACE] = kind((FACE, HAIR, LEFT_ARM))
        targets = make_targets([sample], np.zeros((1, 1), int))
        self.assertEqual((torch.nonzero(targets.shown[0]).flatten() + 1).tolist(), [HAIR])
        for label in (FACE, LEFT_ARM):
            self.assertFalse(targets.absent[0, label - 1])
        self.assertTrue(targets.absent[0, RIGHT_ARM - 1])

    def test_kinds_of_the_same_classes_are_one_set(self):
        sample = from_scene(two_heads())
        sample.kinds[:4] = samples.FAR
        targets = make_targets([sample], np.array([[0, 5 * 96]]))
        self.assertEqual(targets.labels[0, 0], targets.labels[0, 1])

    def test_unknown_persons_and_sides_stay_so(self):
        sample = from_scene(two_heads())
        sample.persons[0, 0] = UNKNOWN_PERSON
        sample.left[0, 1] = 255
        targets = make_targets([sample], np.array([[0, 1]]))
        self.assertEqual(targets.persons.tolist(), [[criterion.UNKNOWN, 0]])
        self.assertEqual(targets.left.tolist(), [[0.5, 1.0]])

    def test_the_centre_of_a_person_is_the_peak(self):
        centres = centre_map(from_scene(two_heads()))
        self.assertEqual(centres.shape, (8, 12))
        # Rows 8 to 31 and columns 8 to 23, in cells of 8 pixels.
        self.assertEqual(np.unravel_index(centres.argmax(), centres.shape), (2, 1))
        self.assertEqual(centres.max(), 1.0)

    def test_centres_are_not_asked_where_persons_are_unknown(self):
        sample = from_scene(two_heads())
        sample.persons[:, 48:] = UNKNOWN_PERSON
        centres = centre_map(sample)
        self.assertTrue((centres[:, 6:] == IGNORED_CENTRE).all())
        self.assertEqual(centres.max(), 1.0)


class PointsTests(unittest.TestCase):
    def test_what_is_unknown_is_never_drawn_and_small_things_often(self):
        sample = from_scene(two_heads())
        sample.kinds[:, 48:] = UNKNOWN
        sample.kinds[60, 10] = kind((FACE,), 25.0)
        places = choose_points(sample, 400, np.random.default_rng(0))
        self.assertEqual(len(places), 400)
        self.assertTrue((sample.kinds.ravel()[places] != UNKNOWN).all())
        self.assertGreater((places == 60 * 96 + 10).sum(), 20)

    def test_a_batch_has_its_whole_shares(self):
        shares = {"a": 3.0, "b": 2.0, "c": 0.5, "d": 0.5}
        rng = np.random.default_rng(0)
        drawn = [divide(shares, 6, rng) for _ in range(200)]
        for names in drawn:
            self.assertEqual(len(names), 6)
            self.assertEqual(names.count("a"), 3)
            self.assertEqual(names.count("b"), 2)
        self.assertAlmostEqual(sum(names.count("c") for names in drawn) / 200, 0.5, delta=0.15)


class HardViewTests(unittest.TestCase):
    def test_labels_stay_on_what_they_name(self):
        # Of a picture whose pixels are their labels the darkest stay the darkest.
        labels = np.zeros((48, 64), np.uint8)
        labels[:, 32:] = HAIR
        labels[:24, 32:] = FACE
        rgb = np.repeat(18 * labels[..., None], 3, 2)
        sample = from_scene(Scene(rgb, labels, (labels > 0).astype(np.uint8)))
        shapes = set()
        for seed in range(30):
            hard = make_hard(sample, np.random.default_rng(seed))
            shapes.add(hard.kinds.shape)
            self.assertEqual(hard.rgb.shape, (*hard.kinds.shape, 3))
            means = [hard.rgb[hard.kinds == label].mean() for label in (0, HAIR, FACE)]
            self.assertEqual(means, sorted(means))
            self.assertTrue(np.array_equal(hard.persons > 0, hard.kinds > 0))
        self.assertEqual(shapes, {(48, 64), (64, 48)})


class ShareTests(unittest.TestCase):
    def test_everyday_photos_are_as_many_as_said(self):
        for usual, more in zip(mixture.shares(1.0), mixture.shares(2.5)):
            self.assertAlmostEqual(more.pop("everyday"), 2.5 * usual.pop("everyday"))
            self.assertEqual(more, usual)
        self.assertEqual(mixture.shares(1.0)[0], mixture.UPRIGHT)


class Simple:
    """A mixture of renders alone, small pictures first."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __call__(self) -> Mixture:
        renders = Renders([self.folder])
        return Mixture(
            {"renders": renders.draw},
            [(64, 96), (128, 96)],
            [{"renders": 1.0}] * 2,
            lambda progress: np.array((1 - progress, progress)),
            None,
            renders.rescan,
        )


class BatchesTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        shards.write(self.folder / "a.npz", [0], [two_heads()])

    def batches(self, seed: int, progress: float = 0.5):
        progress = torch.tensor([progress])
        return iter(Batches(Simple(self.folder), 6 * 64 * 96, 64, (seed,), progress))

    def test_a_batch_is_consistent(self):
        batch = next(self.batches(0))
        count, channels, height, width = batch.images.shape
        self.assertEqual((channels, batch.images.dtype), (3, torch.uint8))
        self.assertAlmostEqual(count * height * width / (6 * 64 * 96), 1, delta=0.3)
        self.assertEqual(batch.points.shape, (count, 64, 2))
        self.assertEqual(batch.targets.labels.shape, (count, 64))
        self.assertEqual(batch.centres.shape, (count, height // 8, width // 8))
        self.assertLess(batch.points.max(), 1)
        # Who is a person has a part, and the other way round.
        shown = batch.targets.persons > 0
        sets = batch.targets.sets[batch.targets.labels]
        self.assertFalse(sets[..., 0][shown].any())

    def test_the_seed_decides(self):
        first, again, other = (next(self.batches(seed)).points for seed in (1, 1, 2))
        self.assertTrue(torch.equal(first, again))
        self.assertFalse(first.shape == other.shape and torch.equal(first, other))

    def test_images_grow_with_the_training(self):
        def mean_size(progress: float) -> float:
            batches = self.batches(3, progress)
            return float(np.mean([next(batches).images[0, 0].numel() for _ in range(30)]))

        self.assertEqual(mean_size(0.0), 64 * 96)
        self.assertEqual(mean_size(1.0), 128 * 96)

    def test_shards_that_appear_later_join(self):
        renders = Renders([self.folder])
        shards.write(self.folder / "b.npz", [1, 2], [two_heads()] * 2)
        renders.rescan()
        self.assertEqual(len(renders), 3)


if __name__ == "__main__":
    unittest.main()
