"""Random poses: local bone rotations, chosen by where limbs point, and the person's turn as a
whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.body import Body
from synthetic.geometry import X, Y, Z, about, between, cross, root

KINDS = ("stand", "walk", "run", "sit", "squat", "bend", "act", "lie")
KIND_SHARE = (0.42, 0.17, 0.05, 0.15, 0.04, 0.06, 0.08, 0.03)
ARMS = ("down", "bent", "hip", "up", "out", "cross", "head", "pocket", "lap")


@dataclass(frozen=True)
class Pose:
    kind: str
    rotations: dict[str, np.ndarray]  # bone -> (3, 3), about its head, in rest axes
    root: np.ndarray  # (3, 3)


def _arm(
    rng: np.random.Generator, style: str, side: int, swing: float
) -> tuple[np.ndarray, np.ndarray]:
    """Directions (upper arm, forearm); `side` is +1 for the person's left, which lies at +x."""
    u, n = rng.uniform, rng.normal
    match style:
        case "down":
            upper = np.array([side * u(0.08, 0.35), -1, n(0, 0.12) + swing])
            return upper, upper + [-side * u(0, 0.15), 0.05, u(0, 0.6) + max(0, swing)]
        case "bent":
            return np.array([side * u(0.1, 0.4), -1, u(0, 0.5)]), np.array(
                [-side * u(-0.3, 0.7), u(-0.3, 1), 1]
            )
        case "hip":
            return np.array([side * 0.8, -1, -u(0.1, 0.5)]), np.array(
                [-side * 0.8, -0.8, u(0.1, 0.6)]
            )
        case "up":
            return (
                np.array([side * u(0.2, 1), u(0.2, 1.2), u(-0.1, 0.6)]),
                np.array([-side * u(-0.7, 0.6), 1, u(-0.2, 0.5)]),
            )
        case "out":
            upper = np.array([side, u(-0.6, 0.4), u(-0.3, 0.8)])
            return upper, upper + n(0, 0.5, 3)
        case "cross":
            return np.array([side * 0.25, -1, 0.35]), np.array([-side, u(-0.1, 0.3), 0.55])
        case "head":  # hand to the face, ear or hair
            return np.array([side * u(0.2, 0.9), u(-0.9, 0.3), u(0.4, 1)]), np.array(
                [-side * u(0.3, 0.9), 1, u(-0.6, 0.2)]
            )
        case "pocket":
            return np.array([side * u(0.25, 0.5), -1, -u(0.1, 0.4)]), np.array(
                [-side * u(0.05, 0.3), -1, u(0.2, 0.5)]
            )
        case "lap":
            return np.array([side * u(0.05, 0.3), -1, u(0.2, 0.6)]), np.array(
                [-side * u(0, 0.5), -u(0.1, 0.6), 1]
            )
    raise ValueError(style)


def _leg(
    rng: np.random.Generator, kind: str, side: int, phase: float
) -> tuple[np.ndarray, np.ndarray]:
    """Directions (thigh, shank)."""
    u, n = rng.uniform, rng.normal
    if kind in ("walk", "run"):
        stride = phase * side * (1.8 if kind == "run" else 1)
        thigh = np.array([side * 0.06, -1, stride * 0.45 + (0.2 if kind == "run" else 0)])
        return thigh, thigh - [0, 0, 0.12 + max(0, -stride) * u(0.2, 0.9)]
    if kind == "sit":
        return np.array([side * u(0, 0.4), u(-0.4, 0.05), 1]), np.array(
            [n(0, 0.15), -1, u(-0.4, 0.5)]
        )
    if kind == "squat":
        return np.array([side * u(0.1, 0.6), u(-0.3, 0.3), 1]), np.array(
            [n(0, 0.1), -1, -u(0.3, 1)]
        )
    if kind == "act":
        thigh = np.array([side * u(0, 0.7), -1, n(0.25, 0.5)])
        return thigh, thigh + [n(0, 0.1), 0, -abs(n(0, 0.9))]
    if kind == "lie":
        thigh = np.array([side * u(0, 0.3), -1, u(0, 0.8)])
        return thigh, thigh - [0, 0, u(0, 1)]
    thigh = np.array([side * u(-0.02, 0.22), -1, n(0, 0.07)])
    return thigh, thigh + [n(0, 0.03), 0, -abs(n(0, 0.1))]


def sample_pose(body: Body, joints: np.ndarray, rng: np.random.Generator) -> Pose:
    """A pose for a body whose bone heads lie at `joints` (B, 3)."""
    kind = str(rng.choice(KINDS, p=KIND_SHARE))
    rotations: dict[str, np.ndarray] = {}

    def direction(start: str, end: str) -> np.ndarray:
        return joints[body.bone[end]] - joints[body.bone[start]]

    lean = {"act": (0.02, 0.3), "bend": (0.75, 0.3), "run": (0.2, 0.1), "squat": (0.35, 0.2)}.get(
        kind, (0.03, 0.1)
    )
    spine = (
        about(X, rng.normal(*lean)) @ about(Y, rng.normal(0, 0.22)) @ about(Z, rng.normal(0, 0.08))
    )
    for bone in ("spine04", "spine03", "spine02"):
        rotations[bone] = root(spine, 3)
    nod = rng.normal(0.05 if kind != "bend" else -0.2, 0.2)
    head = about(Y, rng.normal(0, 0.4)) @ about(X, nod) @ about(Z, rng.normal(0, 0.12))
    for bone in ("neck01", "neck02", "head"):
        rotations[bone] = root(head, 3)

    phase = rng.uniform(-1, 1)
    share = np.array([0.3, 0.16, 0.07, 0.08, 0.1, 0.07, 0.07, 0.07, 0.08])
    if kind in ("sit", "squat"):
        share = np.array([0.05, 0.2, 0.02, 0.08, 0.1, 0.1, 0.12, 0, 0.33])
    both = str(rng.choice(ARMS, p=share)) if rng.random() < 0.4 else None
    for side, sign in (("L", 1), ("R", -1)):
        style = both or str(rng.choice(ARMS, p=share))
        swing = -phase * sign * (0.4 if kind == "walk" else 0.8 if kind == "run" else 0)
        upper, fore = _arm(rng, style, sign, swing)
        turn = between(direction(f"upperarm01.{side}", f"lowerarm01.{side}"), upper)
        forearm = direction(f"lowerarm01.{side}", f"wrist.{side}")
        rotations[f"upperarm01.{side}"] = turn
        rotations[f"lowerarm01.{side}"] = between(forearm, turn.T @ fore)
        rotations[f"lowerarm02.{side}"] = about(forearm, rng.normal(0, 0.5))
        rotations[f"wrist.{side}"] = about(rng.normal(0, 1, 3), rng.normal(0, 0.2))
        curl = -abs(rng.normal(0.3, 0.35))
        for finger in range(2, 6):
            for joint in (1, 2, 3):
                rotations[f"finger{finger}-{joint}.{side}"] = about(cross(forearm, Z), curl)
        thigh, shank = _leg(rng, kind, sign, phase)
        turn = between(direction(f"upperleg01.{side}", f"lowerleg01.{side}"), thigh)
        bend = between(direction(f"lowerleg01.{side}", f"foot.{side}"), turn.T @ shank)
        rotations[f"upperleg01.{side}"], rotations[f"lowerleg01.{side}"] = turn, bend
        if kind != "lie" and rng.random() < 0.9:  # feet flat and turned out a little
            ahead = np.array(
                [sign * rng.uniform(0, 0.35), -rng.uniform(0, 0.5) * (kind == "run"), 1]
            )
            rotations[f"foot.{side}"] = between(Z, (turn @ bend).T @ ahead)
    whole = np.eye(3)
    if kind == "lie":
        whole = about(Y, rng.uniform(-3.1, 3.1)) @ about(
            X, rng.choice([-1, 1]) * 1.5 + rng.normal(0, 0.1)
        )
    return Pose(kind, rotations, whole)


def hanging(body: Body, joints: np.ndarray, rng: np.random.Generator) -> Pose:
    """Straight, with arms that hang: how clothes fall that nobody wears."""
    rotations = {}
    for side, sign in (("L", 1), ("R", -1)):
        arm = joints[body.bone[f"wrist.{side}"]] - joints[body.bone[f"upperarm01.{side}"]]
        down = np.array([sign * rng.uniform(0.05, 0.5), -1, rng.normal(0, 0.08)])
        rotations[f"upperarm01.{side}"] = between(arm, down)
    return Pose("hang", rotations, np.eye(3))


def bone_transforms(body: Body, joints: np.ndarray, pose: Pose) -> np.ndarray:
    """(B, 3, 4) float32: rest coordinates to posed ones, parents before children."""
    out = np.zeros((len(body.bones), 3, 4), np.float32)
    for i, bone in enumerate(body.bones):
        head, parent = joints[i], body.parent[i]
        if parent < 0:
            turn, shift = pose.root, head - pose.root @ head
        else:
            turn, shift = out[parent, :, :3], out[parent, :, 3]
        local = pose.rotations.get(bone)
        if local is not None:
            shift, turn = shift + turn @ (head - local @ head), turn @ local
        out[i, :, :3], out[i, :, 3] = turn, shift
    return out
