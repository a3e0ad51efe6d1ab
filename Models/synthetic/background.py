"""What lies behind the people: photos, and procedural rooms, streets, foliage and collages. sRGB
uint8 (H, W, 3)."""

from __future__ import annotations

import cv2
import numpy as np

from synthetic import materials
from synthetic.photos import Bank

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)
LETTERS = np.array(list("ABCDEFGHIJKLMNOPRSTUVWXYZabcdefghiklmnoprstuvz0123456789&-! "))


def paint(rng: np.random.Generator) -> tuple[int, int, int]:
    """An object's colour in sRGB."""
    return tuple(int(255 * c ** (1 / 2.2)) for c in materials.colour(rng))


def skin_paint(rng: np.random.Generator) -> tuple[int, int, int]:
    """The colour of skin or wood, on things that are neither."""
    tone = materials.SKIN_TONES[rng.integers(len(materials.SKIN_TONES))] * rng.uniform(0.7, 1.2)
    return tuple(int(255 * min(1, c) ** (1 / 2.2)) for c in tone)


def noise(
    rng: np.random.Generator, width: int, height: int, octaves: int = 5, start: int = 3
) -> np.ndarray:
    """Smooth noise (H, W) float32, about in [0, 1]."""
    out, total = np.zeros((height, width), np.float32), 0.0
    for k in range(octaves):
        n = start * 2**k
        coarse = rng.random((max(2, n * height // max(width, 1)), max(2, n)), np.float32)
        out += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) / 2**k
        total += 1 / 2**k
    return out / total


def gradient(rng: np.random.Generator, width: int, height: int, a: tuple, b: tuple) -> np.ndarray:
    """From colour a at the top to b at the bottom, tilted a little."""
    t = np.linspace(0, 1, height, dtype=np.float32)[:, None] + np.linspace(
        0, rng.normal(0, 0.3), width, dtype=np.float32
    )
    t = np.clip(t, 0, 1)[..., None]
    return (np.array(a, np.float32) * (1 - t) + np.array(b, np.float32) * t).astype(np.uint8)


def _fill(image: np.ndarray, points: np.ndarray, colour: tuple) -> None:
    cv2.fillPoly(image, [np.round(points * 8).astype(np.int32)], colour, cv2.LINE_AA, 3)


def _shade(colour: tuple, k: float) -> tuple[int, int, int]:
    return tuple(min(255, int(c * k)) for c in colour)


def textured(rng: np.random.Generator, bank: Bank, width: int, height: int) -> np.ndarray:
    """A patch of painted, photographed, striped or noisy surface."""
    kind = rng.random()
    if kind < 0.35:
        patch = bank.textures[rng.integers(len(bank.textures))]
        if rng.random() < 0.5:
            patch = np.tile(patch, (int(rng.integers(1, 4)),) * 2 + (1,))
        return cv2.resize(patch, (width, height), interpolation=cv2.INTER_LINEAR)
    patch = gradient(
        rng,
        width,
        height,
        paint(rng),
        paint(rng) if rng.random() < 0.3 else _shade(paint(rng), 0.9),
    )
    if kind < 0.55:
        t = noise(rng, width, height)[..., None]
        return (patch * (1 - t) + np.array(paint(rng)) * t).astype(np.uint8)
    if kind < 0.75:  # stripes, tiles, bricks
        colour, step = paint(rng), int(rng.integers(4, max(5, min(width, height) // 2 + 2)))
        thick = max(1, int(step * rng.uniform(0.05, 0.5)))
        if rng.random() < 0.7:
            for x in range(0, width, step):
                patch[:, x : x + thick] = colour
        if rng.random() < 0.5:
            for y in range(0, height, max(3, step // 2)):
                patch[y : y + max(1, thick // 2)] = colour
    return patch


def text(rng: np.random.Generator, image: np.ndarray, x: int, y: int, size: float) -> None:
    word = "".join(rng.choice(LETTERS, rng.integers(2, 12)))
    cv2.putText(
        image,
        word,
        (x, y),
        int(rng.choice(FONTS)),
        size,
        paint(rng),
        max(1, int(size * rng.uniform(1, 4))),
        cv2.LINE_AA,
    )


def box3d(
    rng: np.random.Generator, bank: Bank, image: np.ndarray, x: float, y: float, w: float, h: float
) -> None:
    """A box standing on (x, y), seen from a corner, its three faces in three shades."""
    depth = np.array(
        [w * rng.uniform(0.15, 0.6) * rng.choice([-1, 1]), -h * rng.uniform(0.05, 0.35)]
    )
    a, b = np.array([x, y]), np.array([x + w, y])
    up = np.array([0, -h])
    colour = paint(rng) if rng.random() < 0.8 else skin_paint(rng)
    near = b if depth[0] > 0 else a
    _fill(
        image,
        np.array([near, near + depth, near + depth + up, near + up]),
        _shade(colour, rng.uniform(0.5, 0.9)),
    )
    _fill(
        image,
        np.array([a + up, b + up, b + up + depth, a + up + depth]),
        _shade(colour, rng.uniform(1, 1.3)),
    )
    _fill(image, np.array([a, b, b + up, a + up]), colour)
    x0, y0, x1, y1 = (
        int(max(x, 0)),
        int(max(y - h, 0)),
        int(min(x + w, image.shape[1])),
        int(min(y, image.shape[0])),
    )
    if rng.random() < 0.5 and x1 - x0 > 4 and y1 - y0 > 4:
        image[y0:y1, x0:x1] = textured(rng, bank, x1 - x0, y1 - y0)
    if rng.random() < 0.3:
        text(rng, image, int(x + w * 0.1), int(y - h * 0.4), max(0.25, w / 120))


def windows(rng: np.random.Generator, image: np.ndarray, x: int, y: int, w: int, h: int) -> None:
    """A facade's grid of windows."""
    columns, rows = int(rng.integers(2, 8)), int(rng.integers(2, 10))
    fill_x, fill_y = rng.uniform(0.35, 0.8, 2)
    glass, frame = paint(rng), paint(rng)
    for i in range(columns):
        for j in range(rows):
            x0, y0 = x + int((i + 0.5 - fill_x / 2) * w / columns), y + int(
                (j + 0.5 - fill_y / 2) * h / rows
            )
            x1, y1 = x0 + max(1, int(fill_x * w / columns)), y0 + max(1, int(fill_y * h / rows))
            cv2.rectangle(image, (x0, y0), (x1, y1), _shade(glass, rng.uniform(0.6, 1.3)), -1)
            cv2.rectangle(image, (x0, y0), (x1, y1), frame, 1)


def leaves(
    rng: np.random.Generator, image: np.ndarray, x: float, y: float, radius: float, count: int
) -> None:
    """A bush or a tree's crown of many small leaves."""
    base = np.array([rng.uniform(10, 110), rng.uniform(50, 170), rng.uniform(5, 80)])
    if rng.random() < 0.2:
        base = base[[1, 0, 2]]  # autumn
    spots = np.stack(
        [x + rng.normal(0, radius * 0.5, count), y + rng.normal(0, radius * 0.4, count)], 1
    )
    sizes = np.maximum(1, rng.uniform(0.02, 0.09, count) * radius)
    shades = rng.uniform(0.35, 1.4, count) * np.clip(1 - (spots[:, 1] - y) / (3 * radius), 0.5, 1.5)
    angles = rng.uniform(0, 180, count)
    for p, s, k, a in zip(spots, sizes, shades, angles):
        cv2.ellipse(
            image,
            (int(p[0]), int(p[1])),
            (int(s) + 1, int(s * 0.5) + 1),
            a,
            0,
            360,
            _shade(tuple(base), k),
            -1,
        )


def tree(
    rng: np.random.Generator, image: np.ndarray, x: float, ground: float, height: float
) -> None:
    trunk = _shade((110, 80, 55), rng.uniform(0.4, 1.4))
    top = np.array([x + rng.normal(0, 0.08) * height, ground - height * 0.7])
    width = height * rng.uniform(0.02, 0.07)
    _fill(
        image,
        np.array(
            [
                [x - width, ground],
                [x + width, ground],
                top + [width * 0.5, 0],
                top - [width * 0.5, 0],
            ]
        ),
        trunk,
    )
    for _ in range(int(rng.integers(1, 5))):
        end = top + rng.normal(0, 0.2, 2) * height - [0, 0.1 * height]
        cv2.line(
            image,
            top.astype(int).tolist(),
            end.astype(int).tolist(),
            trunk,
            max(1, int(width * 0.4)),
            cv2.LINE_AA,
        )
    if rng.random() < 0.85:
        leaves(
            rng,
            image,
            top[0],
            top[1] - 0.05 * height,
            height * rng.uniform(0.25, 0.45),
            int(rng.integers(60, 260)),
        )


def pole(
    rng: np.random.Generator, image: np.ndarray, x: float, ground: float, height: float
) -> None:
    """A pole, perhaps with a sign, a lamp or a flag: upright things of a person's proportions."""
    width = max(1, int(height * rng.uniform(0.01, 0.06)))
    colour = paint(rng)
    cv2.line(image, (int(x), int(ground)), (int(x), int(ground - height)), colour, width)
    cv2.line(
        image,
        (int(x + width / 3), int(ground)),
        (int(x + width / 3), int(ground - height)),
        _shade(colour, 0.7),
        max(1, width // 3),
    )
    kind, top, s = rng.integers(5), np.array([x, ground - height]), height * rng.uniform(0.08, 0.25)
    if kind == 0:
        cv2.circle(image, top.astype(int).tolist(), int(s * 0.6) + 1, paint(rng), -1, cv2.LINE_AA)
    elif kind == 1:
        _fill(
            image,
            top + np.array([[-s, -s * 0.6], [s, -s * 0.6], [s, s * 0.6], [-s, s * 0.6]]),
            paint(rng),
        )
        text(rng, image, int(top[0] - s * 0.8), int(top[1]), max(0.2, s / 40))
    elif kind == 2:  # flag of waving stripes
        along = np.linspace(0, 3 * s, 12)
        wave = np.sin(along / s * rng.uniform(1.5, 4) + rng.uniform(0, 6)) * s * 0.15
        bands = int(rng.integers(1, 5))
        for k in range(bands):
            upper, lower = (
                top[1] + k * 1.6 * s / bands + wave,
                top[1] + (k + 1) * 1.6 * s / bands + wave,
            )
            points = np.concatenate(
                [np.stack([x + along, upper], 1), np.stack([x + along, lower], 1)[::-1]]
            )
            _fill(image, points, paint(rng) if rng.random() < 0.8 else skin_paint(rng))


def car(
    rng: np.random.Generator, image: np.ndarray, x: float, ground: float, length: float
) -> None:
    h, colour = length * rng.uniform(0.3, 0.5), paint(rng)
    body = np.array(
        [
            [0, -0.15],
            [0, -0.5],
            [0.18, -0.58],
            [0.32, -1],
            [0.72, -1],
            [0.86, -0.58],
            [1, -0.5],
            [1, -0.15],
        ]
    )
    if rng.random() < 0.3:
        body[:, 0] = 1 - body[:, 0]
    if rng.random() < 0.2:
        body = np.array([[0, -0.12], [0, -1.3], [1, -1.3], [1, -0.12]])  # van or bus
    points = body * [length, h] + [x, ground]
    _fill(image, points, colour)
    _fill(
        image,
        np.array([[0.3, -0.6], [0.37, -0.92], [0.68, -0.92], [0.78, -0.6]]) * [length, h]
        + [x, ground],
        _shade((120, 140, 150), rng.uniform(0.2, 1.2)),
    )
    for wheel in (0.2, 0.8):
        centre = (int(x + wheel * length), int(ground - h * 0.15))
        cv2.circle(image, centre, max(1, int(h * 0.2)), (20, 20, 22), -1, cv2.LINE_AA)
        cv2.circle(image, centre, max(1, int(h * 0.1)), (140, 140, 145), -1, cv2.LINE_AA)


def column(
    rng: np.random.Generator, bank: Bank, image: np.ndarray, x: float, ground: float, height: float
) -> None:
    """Stacked rounded blobs: bottle, statue's plinth, hydrant, coat on a hook. Upright, but no
    person."""
    y = ground
    for _ in range(int(rng.integers(2, 5))):
        h, w = height * rng.uniform(0.12, 0.4), height * rng.uniform(0.06, 0.22)
        colour = skin_paint(rng) if rng.random() < 0.35 else paint(rng)
        centre = (int(x), int(y - h / 2))
        if rng.random() < 0.5:
            cv2.ellipse(
                image, centre, (int(w) + 1, int(h * 0.55) + 1), 0, 0, 360, colour, -1, cv2.LINE_AA
            )
            cv2.ellipse(
                image,
                (int(x + w * 0.3), int(y - h / 2)),
                (int(w * 0.6) + 1, int(h * 0.5) + 1),
                0,
                0,
                360,
                _shade(colour, rng.uniform(0.6, 1.2)),
                -1,
                cv2.LINE_AA,
            )
        else:
            cv2.rectangle(image, (int(x - w), int(y - h)), (int(x + w), int(y)), colour, -1)
        y -= h * 0.9


def cutout(
    rng: np.random.Generator, bank: Bank, image: np.ndarray, x: float, y: float, size: float
) -> None:
    """Paste a photographed object of `size` pixels round (x, y), turned at random."""
    piece = bank.cutouts[rng.integers(len(bank.cutouts))]
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D(
        (piece.shape[1] / 2, piece.shape[0] / 2),
        rng.uniform(-180, 180) if rng.random() < 0.6 else 0,
        size / max(piece.shape[:2]),
    )
    turn[:, 2] += [x - piece.shape[1] / 2, y - piece.shape[0] / 2]
    placed = cv2.warpAffine(piece, turn, (width, height), flags=cv2.INTER_AREA)
    alpha = placed[..., 3:].astype(np.float32) / 255
    image[:] = (
        (image * (1 - alpha) + placed[..., :3] * alpha * rng.uniform(0.6, 1.1))
        .clip(0, 255)
        .astype(np.uint8)
    )


def room(rng: np.random.Generator, bank: Bank, width: int, height: int) -> np.ndarray:
    """A wall, a floor in perspective, and furniture."""
    image = (
        gradient(rng, width, height, paint(rng), paint(rng))
        if rng.random() < 0.2
        else (
            textured(rng, bank, width, height)
            if rng.random() < 0.4
            else gradient(rng, width, height, *(2 * (paint(rng),)))
        )
    )
    floor = int(height * rng.uniform(0.5, 1.05))
    if floor < height:
        flat = textured(rng, bank, width, width)
        ahead = height - floor
        quad = np.float32(
            [[0, floor], [width, floor], [width * 1.8, height], [-width * 0.8, height]]
        )
        source = np.float32([[0, 0], [width, 0], [width, width], [0, width]])
        warped = cv2.warpPerspective(
            flat, cv2.getPerspectiveTransform(source, quad), (width, height)
        )
        image[floor:] = warped[floor:]
        cv2.rectangle(image, (0, floor - max(1, ahead // 20)), (width, floor), paint(rng), -1)
    for _ in range(rng.poisson(2)):  # windows, doors, pictures, shelves
        w, h = int(width * rng.uniform(0.08, 0.4)), int(height * rng.uniform(0.1, 0.5))
        x, y = int(rng.uniform(-0.1, 1) * width), int(rng.uniform(0, 0.5) * height)
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
        if x1 - x0 < 4 or y1 - y0 < 4:
            continue
        image[y0:y1, x0:x1] = (
            bank.cut(rng, x1 - x0, y1 - y0)
            if rng.random() < 0.6
            else textured(rng, bank, x1 - x0, y1 - y0)
        )
        cv2.rectangle(image, (x, y), (x + w, y + h), paint(rng), int(rng.integers(1, 6)))
        if rng.random() < 0.3:
            cv2.line(image, (x + w // 2, y), (x + w // 2, y + h), paint(rng), 2)
    for _ in range(rng.poisson(3)):
        w, h = width * rng.uniform(0.06, 0.4), height * rng.uniform(0.08, 0.4)
        box3d(
            rng,
            bank,
            image,
            rng.uniform(-0.1, 1) * width,
            min(height * 1.1, floor + rng.uniform(0, 0.3) * height),
            w,
            h,
        )
    for _ in range(rng.poisson(1)):
        column(
            rng,
            bank,
            image,
            rng.uniform(0, 1) * width,
            floor + rng.uniform(0, 0.2) * height,
            height * rng.uniform(0.1, 0.6),
        )
    return image


def street(rng: np.random.Generator, bank: Bank, width: int, height: int) -> np.ndarray:
    """Sky, facades, a road, vehicles, poles, trees."""
    horizon = int(height * rng.uniform(0.35, 0.75))
    sky = (rng.uniform(90, 200), rng.uniform(140, 215), rng.uniform(190, 250))
    image = gradient(rng, width, height, sky, _shade(sky, rng.uniform(1, 1.3)))
    cloud = np.clip(noise(rng, width, height) * 2 - rng.uniform(0.7, 1.3), 0, 1)[..., None]
    image = (image * (1 - cloud) + 240 * cloud).astype(np.uint8)
    x = -rng.uniform(0, 0.3) * width
    while x < width and rng.random() < 0.95:
        w, h = width * rng.uniform(0.1, 0.5), height * rng.uniform(0.15, 0.9)
        x0, x1, y0 = int(max(0, x)), int(min(width, x + w)), int(max(0, horizon - h))
        if x1 - x0 > 3 and horizon - y0 > 3:
            image[y0:horizon, x0:x1] = textured(rng, bank, x1 - x0, horizon - y0)
            if rng.random() < 0.8:
                windows(rng, image, int(x), y0, int(w), horizon - y0)
            if rng.random() < 0.3:
                text(rng, image, int(x), int(horizon - h * 0.3), max(0.3, w / 100))
        x += w * rng.uniform(0.7, 1.4)
    ground = (
        gradient(rng, width, height - horizon, paint(rng), paint(rng))
        if rng.random() < 0.3
        else textured(rng, bank, width, height - horizon)
    )
    image[horizon:] = ground
    if rng.random() < 0.5:
        middle = rng.uniform(0.2, 0.8) * width
        grey = (int(rng.uniform(50, 140)),) * 3
        _fill(
            image,
            np.array(
                [
                    [middle - width * 0.05, horizon],
                    [middle + width * 0.05, horizon],
                    [middle + width * 0.9, height],
                    [middle - width * 0.9, height],
                ]
            ),
            grey,
        )
    for draw, rate in ((tree, 1.5), (car, 1.2), (pole, 1.5)):
        for _ in range(rng.poisson(rate)):
            near = rng.uniform(0, 0.5)
            draw(
                rng,
                image,
                rng.uniform(-0.1, 1) * width,
                horizon + near * (height - horizon),
                height * rng.uniform(0.2, 0.9) * (0.5 + near),
            )
    return image


def nature(rng: np.random.Generator, bank: Bank, width: int, height: int) -> np.ndarray:
    """Hills in haze, grass, trees, foliage."""
    sky = (rng.uniform(90, 220), rng.uniform(140, 220), rng.uniform(170, 250))
    image = gradient(rng, width, height, sky, _shade(sky, rng.uniform(0.9, 1.3)))
    level = height * rng.uniform(0.2, 0.6)
    for k in range(int(rng.integers(1, 5))):
        ridge = level + (noise(rng, width, 2, 5, 2)[0] - 0.5) * height * 0.4
        colour = np.array([rng.uniform(20, 130), rng.uniform(50, 150), rng.uniform(20, 110)])
        below = np.arange(height)[:, None] > ridge[None]
        grain = noise(rng, width, height, 4, 40)[..., None] * 1.2 + 0.4
        image = np.where(below[..., None], np.clip(colour * grain, 0, 255), image).astype(np.uint8)
        level += height * rng.uniform(0.05, 0.25)
    for _ in range(rng.poisson(2)):
        tree(
            rng,
            image,
            rng.uniform(0, 1) * width,
            height * rng.uniform(0.5, 1),
            height * rng.uniform(0.2, 1),
        )
    for _ in range(rng.poisson(2)):
        leaves(
            rng,
            image,
            rng.uniform(0, 1) * width,
            rng.uniform(0.3, 1.1) * height,
            height * rng.uniform(0.1, 0.5),
            int(rng.integers(50, 250)),
        )
    return image


def collage(rng: np.random.Generator, bank: Bank, width: int, height: int) -> np.ndarray:
    """Many textured polygons."""
    image = textured(rng, bank, width, height).copy()
    stickers(rng, bank, image, int(rng.integers(4, 14)))
    return image


def studio(rng: np.random.Generator, bank: Bank, width: int, height: int) -> np.ndarray:
    """A plain backdrop with a soft spot of light."""
    a = paint(rng)
    image = gradient(rng, width, height, a, _shade(a, rng.uniform(0.6, 1.4))).astype(np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    spot = np.exp(
        -((x / width - rng.uniform(0.2, 0.8)) ** 2 + (y / height - rng.uniform(0.1, 0.8)) ** 2)
        / rng.uniform(0.05, 0.5)
    )
    return np.clip(
        image * (rng.uniform(0.6, 1) + rng.uniform(0, 0.7) * spot[..., None]), 0, 255
    ).astype(np.uint8)


def photo(rng: np.random.Generator, bank: Bank, width: int, height: int) -> np.ndarray:
    return bank.cut(rng, width, height)


def stickers(rng: np.random.Generator, bank: Bank, image: np.ndarray, count: int) -> None:
    """Paste `count` textured polygons and discs."""
    height, width = image.shape[:2]
    for _ in range(count):
        half = rng.uniform(0.02, 0.3, 2) * [width, height]
        centre = rng.uniform(0, 1, 2) * [width, height]
        corners = int(rng.integers(3, 9))
        angle = (
            np.sort(rng.uniform(0, 2 * np.pi, corners))
            if rng.random() < 0.5
            else np.arange(4) * np.pi / 2 + np.pi / 4
        )
        points = centre + np.stack([half[0] * np.cos(angle), half[1] * np.sin(angle)], 1)
        lo, hi = np.maximum(points.min(0), 0).astype(int), np.minimum(
            points.max(0) + 1, [width, height]
        ).astype(int)
        if (hi - lo < 3).any():
            continue
        mask = np.zeros((hi[1] - lo[1], hi[0] - lo[0]), np.uint8)
        cv2.fillPoly(mask, [(points - lo).astype(np.int32)], 1)
        patch = (
            textured(rng, bank, int(hi[0] - lo[0]), int(hi[1] - lo[1]))
            if rng.random() < 0.7
            else np.full(mask.shape + (3,), skin_paint(rng), np.uint8)
        )
        window = image[lo[1] : hi[1], lo[0] : hi[0]]
        window[mask > 0] = patch[mask > 0]


SCENES = (
    (photo, 0.48),
    (room, 0.16),
    (street, 0.15),
    (nature, 0.09),
    (collage, 0.05),
    (studio, 0.07),
)


def sample(rng: np.random.Generator, bank: Bank, width: int, height: int) -> np.ndarray:
    """A random background."""
    makers, share = zip(*SCENES)
    make = makers[rng.choice(len(makers), p=share)]
    image = np.ascontiguousarray(make(rng, bank, width, height))
    if make is photo and rng.random() < 0.4:
        for _ in range(rng.poisson(2)):
            draw = (tree, pole, car)[rng.integers(3)]
            draw(
                rng,
                image,
                rng.uniform(-0.1, 1) * width,
                height * rng.uniform(0.5, 1.1),
                height * rng.uniform(0.15, 0.9),
            )
        for _ in range(rng.poisson(1)):
            box3d(
                rng,
                bank,
                image,
                rng.uniform(-0.1, 1) * width,
                height * rng.uniform(0.6, 1.1),
                width * rng.uniform(0.05, 0.4),
                height * rng.uniform(0.05, 0.4),
            )
        if rng.random() < 0.4:
            column(
                rng,
                bank,
                image,
                rng.uniform(0, 1) * width,
                height * rng.uniform(0.5, 1),
                height * rng.uniform(0.2, 0.7),
            )
        if rng.random() < 0.3:
            stickers(rng, bank, image, int(rng.integers(1, 5)))
    for _ in range(rng.poisson(0.35)):
        cutout(
            rng,
            bank,
            image,
            rng.uniform(0, 1) * width,
            rng.uniform(0.2, 1) * height,
            height * rng.uniform(0.1, 0.7),
        )
    if rng.random() < 0.45:  # out of focus
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 5) * width / 384)
    return image
