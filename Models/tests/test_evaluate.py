import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
from PIL import Image

from commands import evaluate
from evaluation import photos
from synthetic import shards
from synthetic.classes import Scene


def make_scene(seed: int) -> Scene:
    """Two persons of three parts each on noise."""
    generator = np.random.default_rng(seed)
    labels = np.zeros((64, 96), np.uint8)
    persons = np.zeros((64, 96), np.uint8)
    for person, left in ((1, 8), (2, 56)):
        persons[8:56, left : left + 32] = person
        for label, top in ((13, 8), (5, 24), (9, 40)):
            labels[top : top + 16, left : left + 32] = label
    return Scene(generator.integers(0, 255, (64, 96, 3), np.uint8), labels, persons)


class SceneTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.scenes = [make_scene(seed) for seed in range(3)]
        shards.write(self.folder / "0000.npz", range(3), self.scenes)

    def test_the_truth_scores_one(self):
        def parser(name, rgb):
            scene = self.scenes[int(Path(name).name)]
            return evaluate.Found(scene.labels, scene.persons, np.array([0.9, 0.8]))

        figures = evaluate.evaluate_scenes(parser, self.folder, 500)
        self.assertEqual(figures["scenes"], 3)
        for key in ("miou", "pixel_accuracy", "person_mask_iou", "person_iou_matched", "app", "app50",
                    "apr", "apr50", "pcp50"):  # fmt: skip
            self.assertAlmostEqual(figures[key], 1, msg=key)

    def test_count_limits_the_scenes(self):
        def parser(name, rgb):
            return evaluate.Found(np.zeros(rgb.shape[:2], np.uint8), None, None)

        figures = evaluate.evaluate_scenes(parser, self.folder, 2)
        self.assertEqual(figures["scenes"], 2)
        self.assertEqual(figures["person_mask_iou"], 0)
        self.assertNotIn("app", figures)

    def test_outputs_of_the_product_are_read(self):
        out = self.folder / "out"
        (out / evaluate.SCENES).mkdir(parents=True)
        parser = evaluate.output_parser(out)

        def write(name: str, indices: np.ndarray) -> None:
            image = Image.fromarray(indices)
            image.putpalette(np.array(evaluate.PALETTE, np.uint8).tobytes())
            image.save(out / evaluate.SCENES / name)

        for number, scene in enumerate(self.scenes):
            write(f"{number:04d}.m2fp.png", scene.labels)
        figures = evaluate.evaluate_scenes(parser, self.folder, 500)
        self.assertEqual(figures["miou"], 1)
        self.assertNotIn("app", figures)

        for number, scene in enumerate(self.scenes):
            write(f"{number:04d}.m2fp.persons.png", scene.persons)
            sidecar = {"persons": [{"score": 0.9}, {"score": 0.8}]}
            path = out / evaluate.SCENES / f"{number:04d}.m2fp.json"
            path.write_text(json.dumps(sidecar))
        figures = evaluate.evaluate_scenes(parser, self.folder, 500)
        self.assertAlmostEqual(figures["app"], 1)
        self.assertEqual(figures["person_iou_matched"], 1)

    def test_an_output_of_another_size_is_refused(self):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(self.folder / "a.m2fp.png")
        with self.assertRaises(ValueError):
            evaluate.output_parser(self.folder)("a", np.zeros((4, 5, 3), np.uint8))

    def test_transparency_shows_white(self):
        path = self.folder / "clear.png"
        Image.fromarray(np.array([[[9, 8, 7, 0], [9, 8, 7, 255]]], np.uint8), "RGBA").save(path)
        self.assertEqual(evaluate.read_image(path).tolist(), [[[255, 255, 255], [9, 8, 7]]])

    def test_written_scenes_are_the_pixels_that_the_network_sees(self):
        evaluate.write_scenes(self.folder / "png", self.folder, 500)
        for number, scene in enumerate(evaluate.read_scenes(self.folder)):
            written = evaluate.read_image(self.folder / "png" / f"{number:04d}.png")
            np.testing.assert_array_equal(written, scene.rgb)


class PhotoTests(unittest.TestCase):
    def test_annotations_against_themselves(self):
        # A CIHP class that stands for each coarse part.
        example = np.array([0, 2, 13, 5, 14, 9, 18], np.uint8)

        def parser(name, rgb):
            kind, name = name.split("/")
            if kind == "people-free":
                return evaluate.Found(np.zeros((1, 1), np.uint8), None, None)
            truth = photos.truth(name)
            labels = example[np.where(truth.parts == photos.IGNORED, 3, truth.parts)]
            return evaluate.Found(labels, truth.persons, np.ones(truth.persons.max()))

        original = evaluate.parse_photo
        self.addCleanup(setattr, evaluate, "parse_photo", original)
        evaluate.parse_photo = lambda parser, data, kind, name: (None, parser(f"{kind}/{name}", None))
        figures, _ = evaluate.evaluate_photos(parser, Path())
        self.assertEqual(figures["coarse_miou"], 1)
        self.assertEqual(figures["person_iou"], 1)
        self.assertEqual(figures["person_iou_matched"], 1)
        self.assertEqual(figures["false_positive_share"], 0)
        self.assertIn("| coarse-part mIoU | 1.000 |", evaluate.report({"photos": figures}))


if __name__ == "__main__":
    unittest.main()
