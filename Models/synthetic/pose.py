"""Random poses: local bone rotations, chosen by where limbs point, and the person's turn as a
whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.body import Body
from synthetic.geometry import X, Y, Z, about, between, cross, root

KINDS = {
    "stand": 0.38,
    "walk": 0.15,
    "run": 0.05,
    "sit": 0.15,
    "squat": 0.05,
    "kneel": 0.03,
    "bend": 0.06,
    "act": 0.05,
    "jump": 0.03,
    "lie": 0.05,
}
ARMS = {
    "down": 0.25,
    "bent": 0.13,
    "hip": 0.07,
    "up": 0.07,
    "out": 0.07,
    "point": 0.04,
    "cross": 0.07,
    "head": 0.05,
    "mouth": 0.05,
    "ear": 0.03,
    "pocket": 0.09,
    "behind": 0.03,
    "together": 0.05,
}
SEATED = {
    **{"down": 0.05, "bent": 0.18, "hip": 0.02, "up": 0.06, "out": 0.06, "point": 0.04},
    **{"cross": 0.08, "head": 0.09, "mouth": 0.07, "ear": 0.03, "lap": 0.26, "together": 0.06},
}
DIRECTED = ("down", "bent", "up", "out", "point", "lap")  # the others reach for a place
BOTH = {"cross": 0.85, "pocket": 0.5, "behind": 0.7, "together": 1.0}
"""How often the other arm does the same; 0.4 for all others."""


@dataclass(frozen=True)
class Pose:
    kind: str
    rotations: dict[str, np.ndarray]  # bone -> (3, 3), about its head, in rest axes
    root: np.ndarray  # (3, 3)
    arms: dict[str, str]  # side L or R -> what the arm does


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
        case "up":
            return (
                np.array([side * u(0.2, 1), u(0.2, 1.2), u(-0.1, 0.6)]),
                np.array([-side * u(-0.7, 0.6), 1, u(-0.2, 0.5)]),
            )
        case "out":
            upper = np.array([side, u(-0.6, 0.4), u(-0.3, 0.8)])
            return upper, upper + n(0, 0.5, 3)
        case "point":
            ahead = np.array([side * u(-0.3, 1), u(-0.5, 0.6), u(0, 1)])
            return ahead, ahead + n(0, 0.12, 3)
        case "lap":
            return np.array([side * u(0.05, 0.3), -1, u(0.2, 0.6)]), np.array(
                [-side * u(0, 0.5), -u(0.1, 0.6), 1]
            )
    raise ValueError(style)


def _goal(
    rng: np.random.Generator,
    style: str,
    side: int,
    shoulder: np.ndarray,
    hip: np.ndarray,
    head: np.ndarray,
    front: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Where the wrist goes and where the elbow points, both (3,), in rest space, for joints there;
    `front` is how far the chest reaches."""
    u, n = rng.uniform, rng.normal
    size = (shoulder[1] - hip[1]) / 4.76  # children are smaller
    chest = np.array([0, shoulder[1], front])
    head = head * [0, 1, 1]
    match style:
        case "hip":
            goal = hip + size * np.array([side * u(0.6, 0.8), u(0.5, 1.2), u(-0.3, 0.5)])
            return goal, np.array([side, 0, -u(0, 0.6)])
        case "cross":  # one forearm over the other
            over = 0.1 if side > 0 else 0.45
            goal = chest + size * np.array([-side * u(0.9, 1.4), n(-1.95, 0.15), over])
            return goal, np.array([side, -0.8, 0.3])
        case "head":
            goal = head + size * np.array([side * u(0.3, 1), u(0, 1.8), u(0, 1.2)])
            return goal, np.array([side, 0.2, 0.6])
        case "mouth":
            goal = head + size * np.array([side * u(0.2, 0.5), u(-1.1, -0.6), u(1.7, 2.2)])
            return goal, np.array([side, -1, 0])
        case "ear":
            goal = head + size * np.array([side * u(1, 1.2), u(-0.7, -0.2), u(0.5, 0.8)])
            return goal, np.array([side, -0.8, 0.2])
        case "pocket":
            goal = hip + size * np.array([side * u(0.45, 0.7), u(0.45, 0.8), u(0.5, 0.8)])
            return goal, np.array([side, 0, -u(0.3, 1)])
        case "behind":
            goal = hip * [0, 1, 0] + size * np.array([side * u(0, 0.5), u(0.3, 1.7), -1.2])
            return goal, np.array([side, 0, -1])
        case "together":
            goal = chest + size * np.array([side * u(0.1, 0.3), u(-4, -0.8), u(0.4, 1)])
            return goal, np.array([side, -1, 0])
    raise ValueError(style)


def reach(
    shoulder: np.ndarray, goal: np.ndarray, upper: float, fore: float, hint: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Directions of upper arm and forearm, of those lengths, that bring the wrist to `goal` (3,) or
    as near to it as they can, the elbow towards `hint` (3,): the law of cosines."""
    way = goal - shoulder
    far = float(np.linalg.norm(way))
    way = way / max(far, 1e-6)
    far = float(np.clip(far, abs(upper - fore) + 1e-3, upper + fore - 1e-3))
    along = (upper**2 - fore**2 + far**2) / (2 * far)
    aside = hint - (hint @ way) * way
    aside = aside / max(float(np.linalg.norm(aside)), 1e-6)
    elbow = way * along + aside * np.sqrt(max(upper**2 - along**2, 0))
    return elbow, way * far - elbow


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
    if kind == "kneel":
        if side > 0 and phase > 0:  # on one knee
            return np.array([u(0, 0.3), u(-0.2, 0.1), 1]), np.array([0, -1, n(0, 0.1)])
        return np.array([side * u(0.05, 0.3), -1, u(-0.1, 0.4)]), np.array([0, u(-0.3, 0), -1])
    if kind == "jump":
        thigh = np.array([side * u(0, 0.8), -1, u(-0.4, 1.2)])
        return thigh, thigh - [0, 0, u(0, 2)]
    if kind == "act":
        thigh = np.array([side * u(0, 0.7), -1, n(0.25, 0.5)])
        return thigh, thigh + [n(0, 0.1), 0, -abs(n(0, 0.9))]
    if kind == "lie":
        thigh = np.array([side * u(0, 0.3), -1, u(0, 0.8)])
        return thigh, thigh - [0, 0, u(0, 1)]
    thigh = np.array([side * u(-0.02, 0.22), -1, n(0, 0.07)])
    return thigh, thigh + [n(0, 0.03), 0, -abs(n(0, 0.1))]


def _pick(rng: np.random.Generator, shares: dict[str, float]) -> str:
    share = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=share / share.sum()))


def sample_pose(
    body: Body, joints: np.ndarray, front: float, rng: np.random.Generator, heel: float = 0
) -> Pose:
    """A pose for a body whose bone heads lie at `joints` (B, 3) and whose chest reaches to z =
    `front`, with heels raised by `heel` radians."""
    kind = _pick(rng, KINDS)
    rotations: dict[str, np.ndarray] = {}

    def direction(start: str, end: str) -> np.ndarray:
        return joints[body.bone[end]] - joints[body.bone[start]]

    lean = {
        "act": (0.02, 0.3),
        "bend": (0.75, 0.3),
        "run": (0.2, 0.1),
        "squat": (0.35, 0.2),
        "jump": (0.1, 0.2),
    }.get(kind, (0.03, 0.1))
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
    styles = SEATED if kind in ("sit", "squat", "kneel") else ARMS
    first = _pick(rng, styles)
    arms = {"L": first, "R": first if rng.random() < BOTH.get(first, 0.4) else _pick(rng, styles)}
    if rng.random() < 0.5:
        arms = {"L": arms["R"], "R": arms["L"]}
    for side, sign in (("L", 1), ("R", -1)):
        style = arms[side]
        swing = -phase * sign * (0.4 if kind == "walk" else 0.8 if kind == "run" else 0)
        if style in DIRECTED:
            upper, fore = _arm(rng, style, sign, swing)
        else:
            shoulder, hip, head = (
                joints[body.bone[b]] for b in (f"upperarm01.{side}", f"upperleg01.{side}", "head")
            )
            goal, hint = _goal(rng, style, sign, shoulder, hip, head, front)
            upper, fore = reach(
                shoulder,
                goal,
                float(np.linalg.norm(direction(f"upperarm01.{side}", f"lowerarm01.{side}"))),
                float(np.linalg.norm(direction(f"lowerarm01.{side}", f"wrist.{side}"))),
                hint,
            )
        turn = between(direction(f"upperarm01.{side}", f"lowerarm01.{side}"), upper)
        forearm = direction(f"lowerarm01.{side}", f"wrist.{side}")
        rotations[f"upperarm01.{side}"] = turn
        rotations[f"lowerarm01.{side}"] = between(forearm, turn.T @ fore)
        rotations[f"lowerarm02.{side}"] = about(forearm, rng.normal(0, 0.5))
        rotations[f"wrist.{side}"] = about(rng.normal(0, 1, 3), rng.normal(0, 0.2))
        curl = -abs(rng.normal(0.3, 0.35))
        for finger in range(2, 6):
            curled = (-1.2 if finger > 2 else 0.0) if style == "point" else curl
            for joint in (1, 2, 3):
                rotations[f"finger{finger}-{joint}.{side}"] = about(cross(forearm, Z), curled)
        thigh, shank = _leg(rng, kind, sign, phase)
        turn = between(direction(f"upperleg01.{side}", f"lowerleg01.{side}"), thigh)
        bend = between(direction(f"lowerleg01.{side}", f"foot.{side}"), turn.T @ shank)
        rotations[f"upperleg01.{side}"], rotations[f"lowerleg01.{side}"] = turn, bend
        if (
            kind not in ("lie", "kneel", "jump") and rng.random() < 0.9
        ):  # feet flat and turned out a little
            ahead = np.array(
                [sign * rng.uniform(0, 0.35), -rng.uniform(0, 0.5) * (kind == "run"), 1]
            )
            rotations[f"foot.{side}"] = between(Z, (turn @ bend).T @ ahead)
        if heel:
            flat = rotations.get(f"foot.{side}", np.eye(3))
            rotations[f"foot.{side}"] = flat @ about(X, heel)
            for toe in range(1, 6):
                rotations[f"toe{toe}-1.{side}"] = about(X, -0.9 * heel)
    whole = np.eye(3)
    if kind == "lie":  # on the back, the front or a side
        roll = rng.normal(0, 0.2) if rng.random() < 0.6 else rng.choice([-1, 1]) * 1.4
        flat = about(X, rng.choice([-1, 1]) * 1.5 + rng.normal(0, 0.1)) @ about(Y, roll)
        whole = about(Y, rng.uniform(-3.1, 3.1)) @ flat
    elif kind in ("act", "jump") and rng.random() < 0.35:  # leaning, falling, diving
        whole = about(Z, rng.normal(0, 0.4)) @ about(X, rng.normal(0, 0.4))
    return Pose(kind, rotations, whole, arms)


def hanging(body: Body, joints: np.ndarray, rng: np.random.Generator) -> Pose:
    """Straight, with arms that hang: how clothes fall that nobody wears."""
    rotations = {}
    for side, sign in (("L", 1), ("R", -1)):
        arm = joints[body.bone[f"wrist.{side}"]] - joints[body.bone[f"upperarm01.{side}"]]
        down = np.array([sign * rng.uniform(0.05, 0.5), -1, rng.normal(0, 0.08)])
        rotations[f"upperarm01.{side}"] = between(arm, down)
    return Pose("hang", rotations, np.eye(3), {})


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
