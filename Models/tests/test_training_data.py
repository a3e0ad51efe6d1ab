import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from m2fp.training_data import Batches, Renders, centre_map, make_targets
from synthetic import shards
from synthetic.classes import Scene

HAIR, FACE = 2, 13


def two_heads() -> Scene:
    """Two persons, each hair above a face; the second is one pixel of hair only."""
    labels = np.zeros((64, 96), np.uint8)
    persons = np.zeros_like(labels)
    labels[8:16, 8:24], labels[16:32, 8:24] = HAIR, FACE
    persons[8:32, 8:24] = 3
    labels[40, 80], persons[40, 80] = HAIR, 1
    return Scene(np.full((64, 96, 3), 90, np.uint8), labels, persons)


class TargetsTests(unittest.TestCase):
    def test_points_carry_their_part_and_their_person(self):
        places = np.array([[9 * 96 + 9, 20 * 96 + 9, 0, 40 * 96 + 80]])
        targets = make_targets([two_heads()], places)
        self.assertEqual(targets.labels.tolist(), [[HAIR, FACE, 0, HAIR]])
        # Persons are numbered anew without those too small to be seen.
        self.assertEqual(targets.counts, [1])
        self.assertEqual(targets.persons.tolist(), [[1, 1, 0, 0]])
        self.assertEqual((torch.nonzero(targets.parts[0]).flatten() + 1).tolist(), [HAIR, FACE])

    def test_the_centre_of_a_person_is_the_peak(self):
        centres = centre_map(two_heads())
        self.assertEqual(centres.shape, (8, 12))
        # Rows 8 to 31 and columns 8 to 23, in cells of 8 pixels.
        self.assertEqual(np.unravel_index(centres.argmax(), centres.shape), (2, 1))
        self.assertEqual(centres.max(), 1.0)


class BatchesTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        shards.write(self.folder / "a.npz", [0], [two_heads()])

    def batches(self, seed: int, progress: float = 0.5):
        progress = torch.tensor([progress])
        return iter(Batches([self.folder], 4 * 256 * 256, 64, (seed,), progress))

    def test_a_batch_is_consistent(self):
        batch = next(self.batches(0))
        count, channels, height, width = batch.images.shape
        self.assertEqual((channels, batch.images.dtype), (3, torch.uint8))
        self.assertAlmostEqual(count * height * width / (4 * 256 * 256), 1, delta=0.3)
        self.assertEqual(batch.points.shape, (count, 64, 2))
        self.assertEqual(batch.targets.labels.shape, (count, 64))
        self.assertEqual(batch.centres.shape, (count, height // 8, width // 8))
        self.assertLess(batch.points.max(), 1)
        # Who is a person has a part, and the other way round.
        shown = batch.targets.persons > 0
        self.assertTrue((batch.targets.labels[shown] > 0).all())

    def test_the_seed_decides(self):
        first, again, other = (next(self.batches(seed)).points for seed in (1, 1, 2))
        self.assertTrue(torch.equal(first, again))
        self.assertFalse(first.shape == other.shape and torch.equal(first, other))

    def test_images_grow_with_the_training(self):
        def mean_size(progress: float) -> float:
            batches = self.batches(3, progress)
            return float(np.mean([next(batches).images[0, 0].numel() for _ in range(30)]))

        self.assertLess(1.3 * mean_size(0.0), mean_size(1.0))

    def test_shards_that_appear_later_join(self):
        renders = Renders([self.folder])
        shards.write(self.folder / "b.npz", [1, 2], [two_heads()] * 2)
        renders.rescan()
        self.assertEqual(len(renders), 3)


if __name__ == "__main__":
    unittest.main()
