"""The generator's pieces that need no assets; `commands/check_scenes.py` tests whole scenes."""

from __future__ import annotations

import struct
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

from commands import render
from synthetic import (
    accessories,
    background,
    classes,
    clothing,
    geometry,
    light,
    lookalikes,
    makehuman,
    materials,
    occluders,
    photos,
    pieces,
    rasteriser,
    sensor,
)
from synthetic import camera, person, pose, scene, shapes, shards, things
from synthetic.mesh import Layer


def bank() -> SimpleNamespace:
    """A stand-in for the photos: noise."""
    rng = np.random.default_rng(5)
    pictures = [rng.integers(0, 255, (64, 96, 3), np.uint8) for _ in range(2)]
    fake = SimpleNamespace(
        pictures=pictures,
        textures=rng.integers(0, 255, (3, 128, 128, 3), np.uint8),
        cutouts=[rng.integers(0, 255, (20, 30, 4), np.uint8)],
    )
    fake.cutouts[0][..., 3] = 255
    fake.cut = lambda *a: photos.Bank.cut(fake, *a)
    return fake


def square(side: float, depth: float, label: int, **more: object) -> Layer:
    """A square of half-width `side` about the origin's axis, at z = -depth."""
    v = np.array(
        [
            [-side, -side, -depth],
            [side, -side, -depth],
            [side, side, -depth],
            [-side, side, -depth],
        ],
        np.float32,
    )
    t = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    return Layer(
        v,
        rasteriser.vertex_normals(v, t),
        v,
        t,
        np.full(2, label, np.uint8),
        materials.plain(np.random.default_rng(0), np.full(3, 0.5)),
        **more,
    )


def draw(
    layers: list, size: int = 32, textures: np.ndarray | None = None, oversample: int = 2
) -> tuple[np.ndarray, ...]:
    view, lights = rasteriser.View(), light.sample(np.random.default_rng(0), "sun", np.full(3, 0.4))
    view.rotation[:], view.focal = camera.LOOK_BACK.ravel(), size * oversample
    view.centre_x = view.centre_y = size * oversample / 2
    sun = light.sun_view(lights, np.array([-5.0, -5, -15]), np.array([5.0, 5, -5]))
    textures = bank().textures if textures is None else textures
    return rasteriser.render(layers, size, size, oversample, view, lights, sun, textures)


class Rasteriser(unittest.TestCase):
    def test_the_nearer_surface_wins_and_coverage_is_exact(self) -> None:
        rgba, labels, persons, _ = draw([(1, square(2, 10, 5)), (2, square(1, 9, 9))])
        # focal 32 px at 10 dm: 2 dm are 6.4 px; the near one, at 9 dm, reaches 3.56 px
        self.assertEqual(labels[16, 16], 9)
        self.assertEqual(labels[16, 21], 5)
        self.assertEqual(labels[16, 24], 0)
        self.assertAlmostEqual(float(rgba[..., 3].sum()), 12.8**2, delta=8)
        np.testing.assert_array_equal((labels > 0), (persons > 0))
        self.assertEqual((persons[16, 16], persons[16, 21]), (2, 1))

    def test_a_field_cuts_within_a_triangle(self) -> None:
        field = np.array(
            [-1, 1, 1, -1], np.float32
        )  # zero on the middle line, positive to the right
        _, labels, _, _ = draw([(1, square(2, 10, 5, field=field))])
        self.assertEqual(labels[16, 12:21].tolist(), [0] * 4 + [5] * 5)

    def test_samples_left_out_within_a_layer_change_no_colour(self) -> None:
        once, twice, thrice = (draw([(1, square(2, 10, 5))], oversample=k)[0] for k in (1, 2, 3))
        for other in (twice, thrice):
            self.assertAlmostEqual(float(other[..., 3].max()), 1, places=6)
            inside = (once[..., 3] > 0.999) & (other[..., 3] > 0.999)
            self.assertLess(abs(once - other)[inside].max(), 0.02)

    def test_textures_repeat_without_seams(self) -> None:
        layer = square(2, 10, 5)
        layer.material.pattern, layer.material.blend = rasteriser.TEXTURE, 1
        layer.material.cosine, layer.material.scale = 1, 0.4
        layer.material.offset[:] = 0, 0
        textures = np.zeros((1, 128, 128, 3), np.uint8)
        textures[0] = np.linspace(0, 255, 128, dtype=np.uint8)[:, None]  # black to white across
        rgba, labels, _, _ = draw([(1, layer)], 96, textures)
        row = rgba[48, labels[48] > 0, 0]  # 4 dm: 1.6 textures
        self.assertGreater(np.ptp(row), 0.2)
        self.assertLess(abs(np.diff(row)).max(), 0.2 * np.ptp(row))

    def test_label_0_hides_without_a_person(self) -> None:
        rgba, labels, persons, _ = draw([(1, square(2, 10, 5)), (1, square(1, 9, 0))])
        self.assertEqual((labels[16, 16], persons[16, 16]), (0, 0))
        self.assertEqual(rgba[16, 16, 3], 1)

    def test_hidden_triangles_are_not_drawn(self) -> None:
        rgba, labels, _, _ = draw([(1, square(2, 10, rasteriser.HIDDEN))])
        self.assertEqual((int(labels.max()), float(rgba.max())), (0, 0.0))

    def test_skinning_blends_bones(self) -> None:
        bones = np.zeros((2, 3, 4), np.float32)
        bones[:, :, :3] = np.eye(3)
        bones[1, 0, 3] = 4
        index, weight = np.array([[0, 1, 0, 0]]), np.array([[0.25, 0.75, 0, 0]])
        np.testing.assert_allclose(
            rasteriser.skin(np.array([[1.0, 2, 3]]), index, weight, bones), [[4, 2, 3]]
        )

    def test_texture_side_and_struct_agree_with_c(self) -> None:
        floats = sum(
            1 if f[1] is rasteriser._F else f[1]._length_ for f in rasteriser.Material._fields_
        )
        source = rasteriser.SOURCE.read_text()
        declaration = source[
            source.index("typedef struct {") + 16 : source.index("} Material")
        ].replace("float", "")
        names = [n.strip() for n in declaration.replace(";", ",").split(",") if n.strip()]
        self.assertEqual(
            [n.split("[")[0] for n in names], [f[0] for f in rasteriser.Material._fields_]
        )
        self.assertEqual(floats, sum(int(n.split("[")[1][:-1]) if "[" in n else 1 for n in names))


class Geometry(unittest.TestCase):
    def test_between_turns_one_direction_to_the_other(self) -> None:
        rng = np.random.default_rng(1)
        for a, b in [
            *rng.normal(size=(20, 2, 3)),
            (geometry.X, -geometry.X),
            (geometry.Y, -geometry.Y),
        ]:
            turn = geometry.between(a, b)
            np.testing.assert_allclose(
                turn @ a / np.linalg.norm(a), b / np.linalg.norm(b), atol=1e-6
            )
            self.assertAlmostEqual(np.linalg.det(turn), 1)

    def test_arms_reach_their_goal_with_the_elbow_on_the_side_of_the_hint(self) -> None:
        rng = np.random.default_rng(4)
        for _ in range(40):
            shoulder, hint = rng.normal(size=(2, 3))
            way = rng.normal(size=3)
            goal = shoulder + way / np.linalg.norm(way) * rng.uniform(0.9, 4.9)
            upper, fore = pose.reach(shoulder, goal, 2.0, 3.0, hint)
            self.assertAlmostEqual(np.linalg.norm(upper), 2.0, places=2)
            if np.linalg.norm(goal - shoulder) > 1.01:
                np.testing.assert_allclose(shoulder + upper + fore, goal, atol=1e-6)
                self.assertAlmostEqual(np.linalg.norm(fore), 3.0, places=6)
            self.assertGreaterEqual(upper @ (hint - hint @ way / (way @ way) * way), -1e-6)
        upper, fore = pose.reach(np.zeros(3), geometry.X * 9, 2.0, 3.0, geometry.Y)  # too far
        self.assertGreater((upper + fore)[0], 4.99)
        self.assertLess(abs(upper[1]), 0.1)

    def test_root_is_a_root(self) -> None:
        turn = geometry.about([1, 2, 3], 1.1)
        np.testing.assert_allclose(
            np.linalg.matrix_power(geometry.root(turn, 3), 3), turn, atol=1e-6
        )

    def test_closed_shapes_are_watertight(self) -> None:
        ring = shapes.grid(
            np.random.default_rng(0).normal(size=(5, 6, 3)), close_rows=True, close_columns=True
        )[1]
        edges = np.sort(np.concatenate([ring[:, [0, 1]], ring[:, [1, 2]], ring[:, [2, 0]]]), 1)
        self.assertTrue((np.unique(edges, axis=0, return_counts=True)[1] == 2).all())


class Cameras(unittest.TestCase):
    def test_every_layout_shows_people_and_parts_of_people_are_cut(self) -> None:
        self.assertAlmostEqual(sum(camera.LAYOUTS.values()), 1)
        rng = np.random.default_rng(0)
        corners = rng.uniform([-2, 0, -1], [2, 17, 1], (300, 3))
        subject = person.Person([], corners, np.array([0, 16.0, 0]), "stand")
        inside: dict[str, list[float]] = {}
        for _ in range(400):
            layout, count = camera.sample_layout(rng)
            if count == 0:
                continue
            people, view = camera.place(rng, layout, [subject] * count, 640, 480)
            points = np.concatenate([p.points for p in people])
            seen = points @ np.array(view.rotation).reshape(3, 3).T + np.array(view.translation)
            x = view.focal * seen[:, 0] / seen[:, 2] + view.centre_x
            y = view.centre_y - view.focal * seen[:, 1] / seen[:, 2]
            shown = (seen[:, 2] > 0) & (x > 0) & (x < 640) & (y > 0) & (y < 480)
            inside.setdefault(layout, []).append(float(shown.mean()))
        self.assertEqual(set(inside), set(camera.LAYOUTS) - {"none"})
        for layout, share in inside.items():
            self.assertGreater(np.mean(np.array(share) > 0.02), 0.9, layout)
        self.assertGreater(np.median(inside["full"]), 0.9)
        self.assertTrue(0.1 < np.median(inside["part"]) < 0.6)


class Maps(unittest.TestCase):
    def test_persons_are_numbered_without_gaps_and_match_labels(self) -> None:
        labels = np.array([[0, 5, 5], [9, 0, 13]], np.uint8)
        persons = np.array([[2, 3, 7], [0, 0, 7]], np.uint8)
        clean, numbered = scene.number_persons(labels, persons)
        self.assertEqual(clean.tolist(), [[0, 5, 5], [0, 0, 13]])
        self.assertEqual(numbered.tolist(), [[0, 1, 2], [0, 0, 2]])

    def test_mirroring_swaps_sides_and_undoes_itself(self) -> None:
        labels = np.arange(20, dtype=np.uint8).reshape(4, 5)
        one = classes.Scene(np.zeros((4, 5, 3), np.uint8), labels, (labels > 0).astype(np.uint8))
        self.assertEqual(one.mirrored().labels[0].tolist(), [4, 3, 2, 1, 0])
        self.assertEqual(one.mirrored().labels[3].tolist(), [18, 19, 16, 17, 14])
        np.testing.assert_array_equal(one.mirrored().mirrored().labels, labels)

    def test_occluders_clear_both_maps_where_they_paint(self) -> None:
        changed = 0
        for seed in range(30):
            image = np.full((96, 80, 3), 77, np.uint8)
            labels, persons = np.full((96, 80), 5, np.uint8), np.ones((96, 80), np.uint8)
            occluders.add(np.random.default_rng(seed), bank(), image, labels, persons)
            np.testing.assert_array_equal(labels > 0, persons > 0)
            self.assertTrue((image[labels > 0] == 77).all(axis=1).mean() > 0.9)
            # what is hidden was painted: never a mixture of the canvases beneath the painters
            self.assertLess(
                (image[labels == 0] == 77).all(axis=1).mean() if (labels == 0).any() else 0, 0.05
            )
            changed += (labels == 0).any()
        self.assertGreater(changed, 15)


class Pictures(unittest.TestCase):
    def test_lookalikes_cover_some_of_the_frame_and_repeat(self) -> None:
        covered = []
        for seed in range(24):
            image, again = (np.full((96, 80, 3), 77, np.uint8) for _ in range(2))
            lookalikes.add(np.random.default_rng(seed), bank(), image)
            lookalikes.add(np.random.default_rng(seed), bank(), again)
            np.testing.assert_array_equal(image, again)
            covered.append((image != 77).any(axis=2).mean())
        self.assertGreater(np.mean(covered), 0.2)
        self.assertGreater(np.ptp(covered), 0.4)

    def test_every_background_fills_the_frame_and_repeats(self) -> None:
        for make, _ in background.SCENES:
            with self.subTest(make.__name__):
                one, two = (make(np.random.default_rng(3), bank(), 88, 64) for _ in range(2))
                self.assertEqual((one.shape, one.dtype), ((64, 88, 3), np.uint8))
                np.testing.assert_array_equal(one, two)

    def test_sensor_repeats_and_keeps_shape(self) -> None:
        image = bank().pictures[0]
        for seed in range(25):
            one, two = (sensor.capture(np.random.default_rng(seed), image.copy()) for _ in range(2))
            self.assertEqual((one.shape, one.dtype), (image.shape, np.uint8))
            np.testing.assert_array_equal(one, two)

    def test_splits_do_not_share_photos(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            names = [f"package/{i}" for i in range(40)]
            jpegs = {
                f"photo_{i:04d}": cv2.imencode(".png", np.full((8, 8, 3), 6 * i, np.uint8))[1]
                for i in range(40)
            }
            path = Path(folder) / "photos.npz"
            np.savez(path, names=np.array(names), textures=bank().textures, **jpegs)
            shades = [
                {int(p[0, 0, 0]) for p in photos.Bank(path, s).pictures} for s in scene.SPLITS
            ]
        self.assertFalse(shades[0] & shades[1])
        self.assertEqual(shades[0] | shades[1], {6 * i for i in range(40)})
        self.assertTrue(2 <= len(shades[1]) <= 12)

    def test_a_qt_resource_collection_is_read(self) -> None:
        names = struct.pack(">HI", 5, 0) + "a.jpg".encode("utf-16-be")
        tree = struct.pack(">IHII", 0, 2, 1, 1) + struct.pack(">IHHHI", 0, 0, 0, 0, 0)
        data = struct.pack(">I", 3) + b"xyz"
        header = struct.pack(">4s4I", b"qres", 1, 20, 20 + len(tree), 20 + len(tree) + len(data))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.rcc"
            path.write_bytes(header + tree + data + names)
            self.assertEqual(list(photos.read_resources(path)), [("a.jpg", b"xyz")])
            path.write_bytes(b"nope" + header[4:])
            with self.assertRaises(ValueError):
                photos.read_resources(path)

    def test_objects_on_white_are_cut_out(self) -> None:
        picture = np.full((80, 100, 3), 255, np.uint8)
        cv2.rectangle(picture, (30, 20), (69, 59), (10, 20, 200), -1)
        cut = photos.cut_out(picture)
        self.assertEqual(cut.shape[2], 4)
        self.assertTrue(abs(cut.shape[0] - 40) <= 2 and abs(cut.shape[1] - 40) <= 2)
        self.assertEqual(cut[20, 20].tolist(), [10, 20, 200, 255])
        self.assertIsNone(photos.cut_out(np.full((80, 100, 3), 90, np.uint8)))


CLOTHES = """# a comment
basemesh hm08
x_scale 0 1 2.0
y_scale 0 2 4.0
z_scale 0 3 1.0
verts 0
material cloth.mhmat
0 1 2 0.5 0.5 0.0 0.0 1.0 0.0

3
1 2 3 0.25 0.25 0.5 -1 0 0.5 # of nine numbers
2
delete_verts
1 - 2 3
"""
FACES = """v 0 0 0
vt 0 0
f 1/1 2/2 3/3
f 4/4 3/5 2/6
"""
BODY = np.array([[0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 0, 3]], np.float32)


class Looks(unittest.TestCase):
    def test_skin_tones_run_evenly_from_the_lightest_to_the_darkest(self) -> None:
        tones = np.array([materials.skin_tone(t) for t in np.linspace(0, 1, 25)])
        np.testing.assert_allclose(tones[[0, -1]], materials.SKIN_TONES[[0, -1]])
        lightness = np.cbrt(tones @ [0.2126, 0.7152, 0.0722])
        step = -np.diff(lightness)
        self.assertTrue((step > 0).all() and step.max() < 3 * step.min(), step)

    def test_dark_people_wear_black_and_keep_their_skin(self) -> None:
        rng = np.random.default_rng(0)
        shirt, skin = (square(1, 9, label, fabric=f) for label, f in ((5, "casual"), (13, "")))
        subject = person.Person([shirt, skin], shirt.position, np.zeros(3), "stand")
        for _ in range(20):
            dark = subject.placed(0, np.zeros(3), rng, dark=True)
            self.assertLess(max(dark.layers[0].material.base), 0.04)
            self.assertEqual(list(dark.layers[1].material.base), list(skin.material.base))

    def test_garments_of_one_cloth_stay_of_one_cloth(self) -> None:
        coat, skirt = (square(1, 9, label, fabric="suiting") for label in (7, 7))
        skirt.material = coat.material
        subject = person.Person([coat, skirt], coat.position, np.zeros(3), "stand")
        placed = subject.placed(0, np.zeros(3), np.random.default_rng(0))
        self.assertIs(placed.layers[0].material, placed.layers[1].material)
        self.assertIsNot(placed.layers[0].material, coat.material)

    def test_dark_places_are_dim_and_their_lamps_are_in_the_picture(self) -> None:
        self.assertAlmostEqual(sum(light.KINDS.values()), 1)
        bright = np.full((40, 60, 3), 0.4, np.float32)
        for kind in light.DARK:
            places = [light.darken(np.random.default_rng(i), kind, bright) for i in range(40)]
            self.assertLess(np.median([p.mean() for p in places]), 0.15, kind)
            self.assertTrue(all((p >= 0).all() and p.shape == bright.shape for p in places))
            lit = np.mean([p.max() > 0.3 for p in places])
            self.assertTrue(lit > 0.2 if kind != "low key" else lit == 0, (kind, lit))


class Held(unittest.TestCase):
    def made(self, arm: str, seed: int) -> tuple[np.ndarray, int]:
        """Vertices and class of what a hand holds that hangs at (4, 2, 0)."""
        added = []
        fake = SimpleNamespace(
            rng=np.random.default_rng(seed),
            body=SimpleNamespace(bone={"lowerarm01.L": 0, "wrist.L": 1}),
            joints=np.array([[3.5, 4, 0], [4.0, 2, 0]]),
            add_rigid=lambda bone, *rest: added.append((bone, *rest)),
        )
        accessories.add_held(fake, "L", arm)
        ((bone, vertices, triangles, label, _),) = added
        self.assertEqual(bone, "wrist.L")
        self.assertLess(triangles.max(), len(vertices))
        return vertices, label

    def test_what_hands_hold_is_background_and_in_the_hand(self) -> None:
        for arm in ("ear", "mouth", "down"):
            for seed in range(40):
                vertices, label = self.made(arm, seed)
                self.assertEqual(label, classes.BACKGROUND)
                grip = np.array([4.2, 1.22, 0.35])
                self.assertTrue((vertices.min(0) < grip + 0.6).all())
                self.assertTrue((vertices.max(0) > grip - 0.6).all())

    def test_hands_at_ears_hold_phones_only(self) -> None:
        self.assertEqual({len(self.made("ear", i)[0]) for i in range(10)}, {24})  # boxes


class Fields(unittest.TestCase):
    """Cuts of garments, on a stand-in for the body: points of the arm and beside it."""

    def wardrobe(self) -> clothing.Wardrobe:
        wardrobe = clothing.Wardrobe.__new__(clothing.Wardrobe)
        wardrobe.body = SimpleNamespace(
            along_arm=np.array([-0.2, 0.0, 0.1, 0.3, 0.6, 0.4]),  # the last under the armpit
            arm=np.array([0.1, 0.6, 0.9, 1.0, 1.0, 0.05]),
            sleeve=np.array([-0.3, 0.0, 0.1, 0.3, 0.6, -0.3]),
            on_arm=np.array([False, True, True, True, True, False]),
        )
        return wardrobe

    def test_sleeves_end_where_they_are_told_and_leave_the_trunk(self) -> None:
        cloth = self.wardrobe().sleeves(0.45) > 0
        self.assertEqual(cloth.tolist(), [True, True, True, True, False, True])

    def test_armholes_leave_the_trunk_under_the_arm(self) -> None:
        cloth = self.wardrobe().sleeves(0.05) > 0
        self.assertEqual(cloth.tolist(), [True, True, False, False, False, True])

    def test_outer_garments_cut_inner_ones_where_they_cover_them(self) -> None:
        wardrobe = self.wardrobe()
        wardrobe.body.skirt = None

        def garment(label: int, order: float, region: list[float]) -> clothing.Garment:
            field = np.full(6, 5.0)
            cloth = materials.plain(np.random.default_rng(0), np.zeros(3))
            return clothing.Garment(
                *(object(), None, label, cloth, field, 0, order), region=np.array(region)
            )

        sock = garment(classes.SOCKS, -2, [1] * 6)
        trousers = garment(classes.PANTS, 0, [1, 1, 1, 0, 0, 0])
        shirt = garment(classes.UPPER_CLOTHES, 1, [1, 0.1, 0, 0, 0, 0])
        shoe = garment(np.array([classes.LEFT_SHOE]), -1.5, [0, 0, 0, 0, 0, 1])
        wardrobe.garments = [trousers, shirt, sock, shoe]
        wardrobe.resolve()
        self.assertEqual((trousers.field > 0).tolist(), [False] + [True] * 5)
        self.assertEqual((sock.field > 0).tolist(), [False] * 3 + [True] * 2 + [False])
        self.assertEqual((shoe.field > 0).tolist(), [False] * 3 + [True] * 3)
        self.assertTrue((shirt.field > 0).all())


class Bags(unittest.TestCase):
    def test_bags_hang_straight_down_from_a_hand_in_any_pose(self) -> None:
        for seed in range(12):
            rng = np.random.default_rng(seed)
            turn = geometry.about(rng.normal(size=3), rng.uniform(0, 3))
            added = []
            fake = SimpleNamespace(
                rng=rng,
                body=SimpleNamespace(bone={"wrist.L": 0}),
                bones=np.concatenate([turn, np.zeros((3, 1))], 1)[None],
                add_rigid=lambda *all: added.append(all),
            )
            grip = np.array([4.0, 2, 1])
            accessories._hang(fake, "wrist.L", grip, None)
            _, vertices, _, label, _ = added[0]
            posed = vertices @ turn.T - turn @ grip
            self.assertEqual(label, classes.BACKGROUND)
            self.assertTrue(-0.1 < posed[:, 1].max() < 0.4)  # nothing above the hand
            self.assertLess(posed[:, 1].min(), -1.5)
            self.assertLess(abs(posed.mean(0)[[0, 2]]).max(), 0.2)


class Things(unittest.TestCase):
    def test_every_kind_is_background_stands_on_the_ground_and_repeats(self) -> None:
        for make in things.RIGID:
            for seed in range(6):
                thing = things.Thing(make(np.random.default_rng(seed)))
                again = things.Thing(make(np.random.default_rng(seed)))
                np.testing.assert_array_equal(thing.points, again.points)
                self.assertEqual({int(v) for layer in thing.layers for v in layer.label}, {0})
                low, high = thing.points.min(0), thing.points.max(0)
                self.assertGreater(low[1], -0.7, make)
                self.assertTrue(1 < high[1] - low[1] < 40 or make is things.ball, make)

    def test_placing_puts_the_middle_where_it_is_told(self) -> None:
        thing = things.Thing(things.animal(np.random.default_rng(1)))
        moved = thing.placed(0.7, np.array([3.0, 2, -5]))
        rigid = [np.ptp(p, axis=0)[1] for p in (thing.points, moved.points)]
        self.assertAlmostEqual(*rigid, places=4)
        moved = thing.placed(0, np.array([3.0, 2, -5])).points
        np.testing.assert_allclose((moved.min(0) + moved.max(0))[[0, 2]] / 2, [3, -5], atol=1e-4)

    def test_figures_are_background_but_for_what_is_hidden(self) -> None:
        skin = square(2, 10, classes.FACE)
        skin.label[0] = rasteriser.HIDDEN
        layers = [skin, square(1, 9, classes.UPPER_CLOTHES), square(1, 8, classes.HAIR)]
        subject = person.Person(layers, layers[0].position, np.zeros(3), "stand")
        kinds = set()
        for seed in range(20):
            figure = things.figure(np.random.default_rng(seed), subject)
            for layer in figure.layers:
                self.assertLessEqual(set(layer.label.tolist()), {0, rasteriser.HIDDEN})
            kinds.add(len({id(layer.material) for layer in figure.layers}))
            self.assertEqual(skin.label.tolist(), [rasteriser.HIDDEN, classes.FACE])
        self.assertEqual(kinds, {1, 2})  # statues of one material, mannequins in their clothes

    def test_what_stands_beside_people_hides_none_of_them_from_in_front(self) -> None:
        corners = np.array([[-2.0, 0, -1], [2, 17, 1]])
        subject = person.Person([], corners, np.zeros(3), "stand")
        made = [things.Thing(things.post(np.random.default_rng(i))) for i in range(60)]
        placed = camera.beside(np.random.default_rng(0), made, [subject], "full")
        self.assertEqual(len(placed), 60)
        for thing in placed:
            low, high = thing.points.min(0), thing.points.max(0)
            self.assertTrue(high[0] < -2 + 0.1 or low[0] > 2 - 0.1 or high[2] < -0.9)


class MakeHuman(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "cloth.mhclo"
        self.write()

    def write(self, clothes: str = CLOTHES, faces: str = FACES) -> None:
        self.path.write_text(clothes)
        self.path.with_suffix(".obj").write_text(faces)

    def test_keywords_among_vertices_single_indices_and_ranges_are_read(self) -> None:
        item = makehuman.read(self.path)
        self.assertEqual(item.reference.tolist(), [[0, 1, 2], [3, 3, 3], [1, 2, 3], [2, 2, 2]])
        self.assertEqual(item.weight[1].tolist(), [1, 0, 0])
        self.assertEqual(item.hides.tolist(), [1, 2, 3])

    def test_ranges_may_follow_their_keyword_and_negative_weights_are_no_ranges(self) -> None:
        self.write(
            CLOTHES.replace("delete_verts\n1", "delete_verts 1").replace("0.25 0.25", "-1 1.5")
        )
        item = makehuman.read(self.path)
        self.assertEqual(item.hides.tolist(), [1, 2, 3])
        self.assertEqual(item.weight[2].tolist(), [-1, 1.5, 0.5])

    def test_offsets_grow_with_the_body_along_each_axis(self) -> None:
        # twice as wide as what the item was made on, as tall, and three times as deep
        at = makehuman.read(self.path).fit(BODY)
        np.testing.assert_allclose(at, [[2, 1, 0], [0, 0, 3], [-1, 1, 3], [0, 4, 0]])

    def test_other_numbers_of_numbers_and_missing_vertices_are_refused(self) -> None:
        self.write(CLOTHES.replace("\n3\n", "\n3 1\n"))
        with self.assertRaisesRegex(ValueError, "cloth.mhclo:10: a vertex of 2 numbers"):
            makehuman.read(self.path)
        self.write(CLOTHES.replace("\n3\n", "\n"))
        with self.assertRaisesRegex(ValueError, "3 vertices for more"):
            makehuman.read(self.path)

    def test_parts_are_numbered_from_the_largest(self) -> None:
        parts = makehuman.components(np.array([[7, 8, 9], [0, 1, 2], [5, 4, 3], [2, 3, 6]]))
        self.assertEqual(parts.tolist(), [1, 0, 0, 0])

    def test_seams_of_the_texture_divide_what_the_mesh_joins(self) -> None:
        item = makehuman.read(self.path)
        self.assertEqual((item.shell.tolist(), item.island.tolist()), ([0, 0], [0, 1]))
        self.write(faces="f 1 2 3 4\n")
        item = makehuman.read(self.path)
        self.assertEqual(item.triangle.tolist(), [[0, 1, 2], [0, 2, 3]])
        self.assertEqual(item.island.tolist(), [0, 0])

    def test_a_part_keeps_its_own_vertices_where_they_were(self) -> None:
        whole = makehuman.read(self.path)
        part = whole.part(np.array([False, True]))
        self.assertEqual(len(part.reference), 3)
        np.testing.assert_array_equal(
            part.fit(BODY)[part.triangle], whole.fit(BODY)[whole.triangle[1:]]
        )

    def test_bones_that_references_share_add_up_and_four_stay(self) -> None:
        index = np.array([[0, 1, 0, 0], [2, 1, 0, 0], [3, 4, 5, 0], [6, 0, 0, 0]])
        weight = np.array(
            [[0.6, 0.4, 0, 0], [0.5, 0.5, 0, 0], [0.5, 0.3, 0.2, 0], [1, 0, 0, 0]], np.float32
        )
        item = makehuman.read(self.path)
        bones, shares = item.skin(index, weight)
        strongest = {int(b): round(float(s), 3) for b, s in zip(bones[0, :3], shares[0])}
        self.assertEqual(strongest, {1: 0.45, 0: 0.3, 2: 0.25})
        self.assertEqual((bones[1, 0], shares[1, 0]), (6, 1))
        np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-6)
        # of seven bones in the third vertex the four strongest: 6 has 0.5
        self.assertEqual(bones[2, 0], 6)

    def test_packed_items_come_back_and_another_body_is_refused(self) -> None:
        out = self.path.parent / "packed.npz"
        self.assertEqual(makehuman.build(self.path.parent, out, len(BODY)), 1)
        with np.load(out) as data:
            np.testing.assert_array_equal(
                data["cloth/triangle"], makehuman.read(self.path).triangle
            )
        with self.assertRaisesRegex(ValueError, "another body"):
            makehuman.build(self.path.parent, out, 3)
        with self.assertRaises(FileNotFoundError):
            makehuman.build(self.path.parent / "none", out, 4)

    def test_pieces_are_disjoint_and_share_what_is_hidden(self) -> None:
        item = makehuman.read(self.path)
        body = SimpleNamespace(
            vertices=BODY,
            weight_index=np.zeros((4, 4), np.int32),
            weight=np.eye(4, dtype=np.float32)[[0] * 4],
        )
        parts = {"rest": {"below": ()}, "island": {"above": (1,)}}
        masks = pieces.roles(item, parts)
        self.assertEqual(masks["above"].tolist(), [False, True])
        self.assertEqual(masks["below"].tolist(), [True, False])
        both = pieces.split(item, parts, body)
        hidden = np.array([p.covers for p in both.values()]) > 0
        heights = [np.ptp(p.rest[:, 1]) for p in both.values()]
        # of 1, 2, 3 the second stands at the very top of all, where nothing can cover it
        self.assertEqual(hidden.sum(0).tolist()[2], 0)
        self.assertTrue((hidden.sum(0) <= 1).all() and min(heights) > 0)


class Cloth(unittest.TestCase):
    def test_the_patch_is_of_the_garment_not_of_the_floor_beside_it(self) -> None:
        picture = np.full((256, 256, 3), 220, np.uint8)
        picture[:, 80:120] = (10, 60, 20)  # one leg of trousers, left of the middle
        picture[:, 136:176] = (10, 60, 20)
        patch = photos.cloth_patch(picture)
        self.assertEqual(patch.shape, (128, 128, 3))
        self.assertGreater((patch == (10, 60, 20)).all(2).mean(), 0.55)
        self.assertEqual(photos.cloth_patch(np.full((9, 7, 3), 3, np.uint8)).max(), 3)

    def test_cloth_joins_the_textures_of_both_splits(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            (path / "clothes").mkdir()
            with self.assertRaises(FileNotFoundError):
                photos.build_cloth(path / "clothes", path / photos.CLOTH)
            cv2.imwrite(
                str(path / "clothes/shirt.png"), np.full((64, 64, 3), (1, 2, 200), np.uint8)
            )
            jpeg = cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1]
            names = [n for n in map(str, range(40))]
            np.savez(
                path / "photos.npz",
                names=names,
                textures=np.zeros((2, 128, 128, 3), np.uint8),
                **{f"photo_{i:04d}": jpeg for i in range(40)},
            )
            self.assertEqual(len(photos.Bank(path / "photos.npz", "train").textures), 2)
            self.assertEqual(photos.build_cloth(path / "clothes", path / photos.CLOTH), 1)
            for split in scene.SPLITS:
                textures = photos.Bank(path / "photos.npz", split).textures
                self.assertEqual(textures.shape, (3, 128, 128, 3))
                self.assertEqual(textures[0, 5, 5].tolist(), [200, 2, 1])


class Outfits(unittest.TestCase):
    def test_every_garment_occurs_and_dresses_have_no_trousers_beneath_as_a_rule(self) -> None:
        outfits = [clothing.sample_outfit(np.random.default_rng(i), i % 2) for i in range(600)]
        for attribute, wanted in (
            ("upper", {"tee", "long", "tank", "dress", "band", "none"}),
            ("lower", {"trousers", "cropped", "shorts", "briefs", "skirt", "dungarees", "none"}),
            ("coat", {"none", "coat", "jacket", "suit"}),
            ("bag", {"none", "backpack", "shoulder", "hand", "arm"}),
            ("shoes", {"low", "ankle", "boot", "heels", "sandals", "none"}),
            ("hat", {"none", "cap", "beanie", "brim", "hood", "helmet"}),
            ("socks", {"none", "low", "high", "full"}),
        ):
            self.assertEqual({getattr(o, attribute) for o in outfits}, wanted)
        for attribute in ("sunglasses", "scarf", "gloves"):
            share = np.mean([getattr(o, attribute) for o in outfits])
            self.assertTrue(0.08 < share < 0.4, (attribute, share))
        self.assertFalse(any(o.upper == "dress" for o in outfits[1::2]))

    def test_children_are_dressed(self) -> None:
        for i in range(600):
            outfit = clothing.sample_outfit(np.random.default_rng(i), i % 2, grown=False)
            self.assertNotIn(outfit.upper, ("none", "band"))
            self.assertNotEqual(outfit.lower, "briefs")
            self.assertNotEqual(outfit.shoes, "heels")


class Shards(unittest.TestCase):
    def scenes(self) -> list[classes.Scene]:
        rng = np.random.default_rng(2)
        out = []
        for height, width in ((32, 48), (64, 32), (32, 32)):
            labels = cv2.resize(
                rng.integers(0, 20, (4, 4), np.uint8),
                (width, height),
                interpolation=cv2.INTER_NEAREST,
            )
            rgb = cv2.resize(rng.integers(0, 255, (4, 4, 3), np.uint8), (width, height))
            out.append(classes.Scene(rgb, labels, (labels > 0).astype(np.uint8)))
        return out

    def test_mixed_sizes_come_back(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "0.npz"
            shards.write(path, [7, 8, 9], self.scenes())
            self.assertEqual([p.name for p in Path(folder).iterdir()], ["0.npz"])
            self.assertEqual(shards.Shard(path).seeds.tolist(), [7, 8, 9])
            for want, got in zip(self.scenes(), shards.read(path), strict=True):
                np.testing.assert_array_equal(want.labels, got.labels)
                np.testing.assert_array_equal(want.persons, got.persons)
                self.assertLess(abs(want.rgb.astype(int) - got.rgb).mean(), 4)
            with self.assertRaises(IndexError):
                shards.Shard(path)[3]
            with self.assertRaises(ValueError):
                shards.write(path, [1], self.scenes())

    def test_sizes_stay_in_range(self) -> None:
        sizes = {render.size_of(s, 256, 384) for s in range(200)}
        self.assertGreater(len(sizes), 15)
        for width, height in sizes:
            self.assertEqual((width % 32, height % 32), (0, 0))
            self.assertTrue(256 <= max(width, height) <= 384)


if __name__ == "__main__":
    unittest.main()
