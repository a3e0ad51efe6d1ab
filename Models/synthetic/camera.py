"""Where people stand and where the camera is: close-ups, half-length, parts of people, groups,
crowds on the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.geometry import X, Y, Z, about
from synthetic.person import Person
from synthetic.rasteriser import View
from synthetic.things import Thing

LAYOUTS = {
    **{"none": 0.1, "full": 0.22, "half": 0.21, "close": 0.18},
    **{"part": 0.07, "group": 0.13, "scatter": 0.09},
}
EMPTY = np.array([[-5.0, 0, -2], [5, 14, 2]])  # where people would be, if there were any
LOOK_BACK = np.diag([1.0, 1, -1])  # the camera looks along -z, at people who face +z


@dataclass(frozen=True)
class Placement:
    turn: float  # radians about the vertical
    position: np.ndarray  # (3,) decimetres


def sample_layout(rng: np.random.Generator) -> tuple[str, int]:
    """The kind of picture and how many people are in it."""
    layout = str(rng.choice(list(LAYOUTS), p=list(LAYOUTS.values())))
    count = {
        "none": 0,
        "full": rng.choice([1, 2, 3], p=[0.6, 0.28, 0.12]),
        "half": rng.choice([1, 2, 3], p=[0.6, 0.28, 0.12]),
        "close": rng.choice([1, 2, 3], p=[0.72, 0.2, 0.08]),
        "part": rng.choice([1, 2], p=[0.75, 0.25]),
        "group": rng.integers(3, 7),
        "scatter": rng.integers(1, 7),
    }
    return layout, int(count[layout])


def _turn(rng: np.random.Generator) -> float:
    return float(rng.vonmises(0, 1.3) if rng.random() < 0.82 else rng.uniform(-np.pi, np.pi))


def _view(
    rotation: np.ndarray,
    eye: np.ndarray,
    focal: float,
    width: int,
    height: int,
    rng: np.random.Generator,
) -> View:
    view = View()
    view.rotation[:] = rotation.ravel()
    view.translation[:] = -rotation @ eye
    view.focal = focal
    view.centre_x, view.centre_y = width * (0.5 + rng.normal(0, 0.05)), height * (
        0.5 + rng.normal(0, 0.035)
    )
    return view


def beside(
    rng: np.random.Generator, things: list[Thing], people: list[Person], layout: str
) -> list[Thing]:
    """Place things among placed people: behind them or at their sides, some of them high up, as on
    shelves and hooks."""
    boxes = [(p.points.min(0), p.points.max(0)) for p in people] or [(EMPTY[0], EMPTY[1])]
    out = []
    for thing in things:
        points = thing.points
        half = float(max(np.ptp(points[:, 0]), np.ptp(points[:, 2]))) / 2
        low, high = boxes[rng.integers(len(boxes))]
        if people and rng.random() < 0.6:
            side = rng.choice([-1, 1])
            edge = high[0] if side > 0 else low[0]
            x = edge + side * (min(half, 4) + rng.uniform(0, 3))
            z = (low[2] + high[2]) / 2 + rng.uniform(-5, 2)
        else:
            x = rng.uniform(low[0] - 8, high[0] + 8)
            z = low[2] - half - rng.uniform(1, 14) if people else rng.uniform(-8, 2)
        raised = rng.random() < (0.5 if layout in ("close", "half") else 0.12)
        y = rng.uniform(0, max(high[1] - np.ptp(points[:, 1]), 0.1)) if raised else 0.0
        turn = float(rng.uniform(-np.pi, np.pi))
        out.append(thing.placed(turn, np.array([x, y, z])))
    return out


def place(
    rng: np.random.Generator,
    layout: str,
    people: list[Person],
    width: int,
    height: int,
    dark: float = 0,
) -> tuple[list[Person], View]:
    """Place people and camera; without people the camera looks at where they would be. `width` and
    `height` are those of the oversampled picture, in pixels; `dark` is the share of people all in
    black."""
    if layout == "scatter" and people:
        return _scatter(rng, people, width, height, dark)
    placed, edge = [], 0.0
    for person in people:
        half = float(np.ptp(person.points[:, 0])) / 2
        x = edge + half * rng.uniform(0.4, 1.0) if placed else 0.0
        deep = (
            rng.uniform(-8, 4)
            if layout == "group"
            else rng.uniform(-4, 2) if len(people) > 1 else 0
        )
        placed.append(person.placed(_turn(rng), np.array([x, 0, deep]), rng, rng.random() < dark))
        edge = x + half * rng.uniform(0.4, 1.1)
    points = np.concatenate([p.points for p in placed] or [EMPTY])
    low, high = points.min(0), points.max(0)
    tall = high[1] - low[1]
    bottom, spread = low[1], 1.0
    if layout == "half":
        bottom, spread = high[1] - tall * rng.uniform(0.35, 0.75), 0.75
    elif layout == "close" and placed:
        subject = placed[rng.integers(len(placed))]
        bottom, spread = subject.head[1] - rng.uniform(1.5, 6.5), 0
        low, high = subject.head - [3, 0, 1], subject.head + [3, rng.uniform(1.2, 2.5), 1]
    elif layout == "part" and placed:  # legs, a trunk without its head, an arm at the edge
        subject = placed[rng.integers(len(placed))]
        low, high = subject.points.min(0), subject.points.max(0)
        size = high[1] - low[1]
        bottom, spread = low[1] + size * rng.uniform(-0.04, 0.6), 0
        x = float(np.median(subject.points[:, 0])) + rng.normal(0, 0.1) * size
        low[0], high[:2] = x, (x, bottom + size * rng.uniform(0.2, 0.5))
    target = np.array([(low[0] + high[0]) / 2, (bottom + high[1]) / 2, (low[2] + high[2]) / 2])
    half_height = max(
        (high[1] - bottom) / 2 * 1.05, (high[0] - low[0]) / 2 * height / width * spread
    )
    distance = half_height * rng.uniform(3, 7)
    if layout == "close":
        distance = max(distance, rng.uniform(7, 14))
    pitch = rng.normal(0.06, 0.14) if rng.random() < 0.88 else rng.uniform(-0.5, 0.9)
    rotation = (
        about(Z, rng.normal(0, 0.05) if rng.random() < 0.9 else rng.normal(0, 0.3))
        @ LOOK_BACK
        @ about(X, pitch)
        @ about(Y, rng.normal(0, 0.15))
    )
    eye = target - rotation.T @ [0, 0, distance]
    zoom = (
        rng.uniform(0.75, 1.05)
        if rng.random() < 0.75
        else rng.uniform(0.35, 0.75) if layout not in ("close", "part") else 1.2
    )
    return placed, _view(
        rotation, eye, distance * height / 2 / half_height * zoom, width, height, rng
    )


def _scatter(
    rng: np.random.Generator, people: list[Person], width: int, height: int, dark: float
) -> tuple[list[Person], View]:
    """People all over the ground before a camera at some height, as in a street."""
    focal = max(width, height) * rng.uniform(0.7, 1.8)
    eye = np.array([0, rng.uniform(9, 24) if rng.random() < 0.8 else rng.uniform(24, 60), 0])
    nearest = rng.uniform(14, 45)
    depths = np.sort(nearest * rng.uniform(1, 3.5, len(people)))
    pitch = np.arctan2(eye[1] - 8, np.median(depths)) + rng.normal(0, 0.08)
    placed = []
    for depth in depths:
        x = rng.uniform(-0.5, 0.5) * width / focal * depth
        person = people[len(placed)]
        placed.append(person.placed(_turn(rng), np.array([x, 0, -depth]), rng, rng.random() < dark))
    return placed, _view(
        about(Z, rng.normal(0, 0.03)) @ LOOK_BACK @ about(X, pitch), eye, focal, width, height, rng
    )
