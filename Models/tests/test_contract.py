"""The contract: what the command reads out of an archive."""

import unittest

from m2fp.config import CONFIGS
from m2fp.contract import CLASSES, PALETTE, for_dataset, make_contract


def contract(dataset, licence="CC-BY-NC-4.0"):
    config = for_dataset(CONFIGS["m2fp-r101"], dataset)
    return make_contract(config, dataset, "seed:1", licence, "1.13.1")


class Contract(unittest.TestCase):
    def test_multi_person(self):
        made = contract("cihp")
        self.assertEqual(made["model"], "m2fp-r101")
        self.assertEqual(
            made["preprocess"],
            {
                "mode": "multi",
                "short_side": 640,
                "max_side": 1333,
                "divisor": 32,
                "mean": [123.675, 116.28, 103.53],
                "std": [58.395, 57.12, 57.375],
            },
        )
        self.assertEqual(
            made["postprocess"],
            {
                "mode": "instances",
                "top_k": 100,
                "part_score_threshold": 0.1,
                "human_score_threshold": 0.1,
                "semantic_score_threshold": 0.5,
                "mask_threshold": 0.5,
            },
        )
        self.assertEqual(made["source_sha256"], "seed:1")

    def test_single_person(self):
        made = contract("lip")
        self.assertEqual(
            {key: made["preprocess"][key] for key in ("mode", "width", "height", "pad_value")},
            {"mode": "single", "width": 384, "height": 512, "pad_value": 128},
        )
        self.assertEqual(made["postprocess"], {"mode": "query_semantic"})

    def test_only_our_own_models_have_their_masks_cleaned(self):
        made = make_contract(CONFIGS["m2fp-tiny"], "cihp", "seed:1", "MIT", "1.13.1")
        self.assertEqual(made["postprocess"]["refine"]["radius"], 3)
        for name in ("m2fp-r101", "m2fp-r50"):
            made = make_contract(CONFIGS[name], "cihp", "seed:1", "MIT", "1.13.1")
            self.assertNotIn("refine", made["postprocess"])

    def test_a_network_with_queries_for_persons_says_how_many(self):
        made = make_contract(CONFIGS["m2fp-tiny"], "cihp", "seed:1", "MIT", "1.13.1")
        self.assertEqual(made["postprocess"]["max_persons"], 24)

    def test_our_own_weights_say_what_they_were_trained_on(self):
        made = make_contract(CONFIGS["m2fp-tiny"], "cihp", "seed:1", "Apache-2.0", "1.13.1")
        for source in ("Clothing Co-Parsing", "COCO", "rendered"):
            self.assertIn(source, made["notice"])
        self.assertNotIn("notice", contract("cihp"))

    def test_classes_have_distinct_names_and_colours(self):
        for names in CLASSES.values():
            self.assertEqual(len(set(names)), 20)
        self.assertEqual(len(set(map(tuple, PALETTE))), 20)
        differing = [(a, b) for a, b in zip(CLASSES["cihp"], CLASSES["lip"]) if a != b]
        self.assertEqual(differing, [("Gloves", "Glove"), ("Torso-skin", "Jumpsuits")])

    def test_commercial_use_follows_the_licence(self):
        self.assertFalse(contract("cihp")["commercial_use"])
        self.assertTrue(contract("cihp", "MIT")["commercial_use"])


if __name__ == "__main__":
    unittest.main()
