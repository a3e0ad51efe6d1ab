"""Other views of a sample, in other light."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from .samples import FAR, UNKNOWN_SIDE, Sample

PADDING = (127, 127, 127)  # as of the network's input
# A picture (height, width, 3) of that size, to take the colours of a place from.
Pictures = Callable[[np.random.Generator, int, int], np.ndarray]


def warp(sample: Sample, matrix: np.ndarray, height: int, width: int) -> Sample:
    """The sample through an affine map (2, 3) of x and y; what lies outside is empty."""
    size, scale = (width, height), np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    rgb = sample.rgb
    if scale < 0.6:  # bilinear reading alone would alias
        rgb = cv2.blur(rgb, (int(round(1 / scale)),) * 2)
    rgb = cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_LINEAR, borderValue=PADDING)
    maps = (
        cv2.warpAffine(x, matrix, size, flags=cv2.INTER_NEAREST, borderValue=outside)
        for x, outside in ((sample.kinds, FAR), (sample.persons, 0), (sample.left, UNKNOWN_SIDE))
    )
    return Sample(rgb, *maps)


def view(sample: Sample, height: int, width: int, rng: np.random.Generator) -> Sample:
    """A mirrored, scaled, turned and cut view."""
    if rng.random() < 0.5:
        sample = sample.mirrored()
    own_height, own_width = sample.kinds.shape
    cover = max(height / own_height, width / own_width)
    contain = min(height / own_height, width / own_width)
    turn, shift_x, shift_y = np.eye(2), 0.0, 0.0
    if rng.random() < 0.25:  # whole, with padding right and below as at inference
        scale = contain * rng.uniform(0.6, 1.0)
    else:
        scale = cover * np.exp(rng.uniform(np.log(0.7), np.log(1.7)))
        angle = np.deg2rad(rng.normal(0, 7)) if rng.random() < 0.4 else 0.0
        turn = np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
        shift_x = rng.uniform(*sorted((0.0, width - scale * own_width)))
        shift_y = rng.uniform(*sorted((0.0, height - scale * own_height)))
    middle = np.array((own_width, own_height)) / 2
    matrix = np.empty((2, 3))
    matrix[:, :2] = scale * turn
    matrix[:, 2] = np.array((shift_x, shift_y)) + scale * middle - matrix[:, :2] @ middle
    return warp(sample, matrix, height, width)


def recolour(rgb: np.ndarray, rng: np.random.Generator, styles: Pictures | None) -> np.ndarray:
    """Another exposure, colour cast, saturation, focus, noise and compression."""
    if styles is not None and rng.random() < 0.15:
        rgb = take_colours(rgb, styles(rng, *rgb.shape[:2]), rng)
    if rng.random() < 0.7:
        tone = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, 0.25))
        tone = (tone - 0.5) * np.exp(rng.normal(0, 0.2)) + 0.5 + rng.normal(0, 0.07)
        tone = tone * np.exp(rng.normal(0, 0.08, 3))
        rgb = cv2.LUT(rgb, (tone.clip(0, 1) * 255).astype(np.uint8)[None])
    if rng.random() < 0.35:
        grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        share = 1.0 if rng.random() < 0.2 else rng.uniform(-0.5, 0.7)
        rgb = cv2.addWeighted(rgb, 1 - share, grey, share, 0)
    if rng.random() < 0.16:
        rgb = darken(rgb, rng)
    if rng.random() < 0.15:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.8))
    elif rng.random() < 0.12:
        rgb = blur_by_motion(rgb, rng.uniform(3, 13), rng.uniform(0, np.pi))
    if rng.random() < 0.25:
        noise = rng.standard_normal(rgb.shape, np.float32) * np.float32(rng.uniform(2, 14))
        rgb = cv2.add(rgb, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.2:
        quality = int(rng.integers(25, 80))
        _, code = cv2.imencode(".jpg", rgb, (cv2.IMWRITE_JPEG_QUALITY, quality))
        rgb = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return rgb


def make_hard(sample: Sample, rng: np.random.Generator) -> Sample:
    """The sample in the dark, with motion, or turned by a quarter as if people lay."""
    choice = rng.random()
    if choice < 0.5:
        return sample._replace(rgb=darken(sample.rgb, rng))
    if choice < 0.75:
        rgb = blur_by_motion(sample.rgb, rng.uniform(5, 20), rng.uniform(0, np.pi))
        return sample._replace(rgb=rgb)
    turns = rng.choice((-1, 1))
    return Sample(*(np.ascontiguousarray(np.rot90(x, turns)) for x in sample))


def darken(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture as a camera takes it in the dark or by a lamp of some colour, with its noise."""
    light = (rgb.astype(np.float32) / 255) ** 2.2
    lamp = np.exp(rng.normal(0, 0.25, 3)).astype(np.float32)
    light *= lamp / lamp.mean() * np.float32(np.exp(rng.uniform(np.log(0.04), np.log(0.35))))
    photons = rng.uniform(150, 2000)
    noise = rng.standard_normal(rgb.shape, np.float32)
    light += noise * np.sqrt(light.clip(0) / np.float32(photons)) + noise * np.float32(0.002)
    gain = np.float32(rng.uniform(1.0, 2.5))  # cameras brighten what they can
    return ((light * gain).clip(0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


def blur_by_motion(rgb: np.ndarray, length: float, angle: float) -> np.ndarray:
    """The mean along a line of ``length`` pixels in direction ``angle``, in radians."""
    side = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((side, side), np.float32)
    reach = length / 2 * np.array((np.cos(angle), np.sin(angle)))
    ends = (side // 2 + sign * reach for sign in (-1, 1))
    cv2.line(kernel, *(tuple(int(round(x)) for x in end) for end in ends), 1.0)
    return cv2.filter2D(rgb, -1, kernel / kernel.sum())


def take_colours(rgb: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture with the lowest frequencies' amplitudes of another one of its size (Yang and
    Soatto 2020, FDA)."""
    reach = rng.uniform(0.004, 0.02)
    rows, columns = (max(1, int(side * reach)) for side in rgb.shape[:2])
    own, its = (np.fft.rfft2(x.astype(np.float32), axes=(0, 1)) for x in (rgb, other))
    share = rng.uniform(0.4, 1.0)
    for part in (np.s_[:rows, :columns], np.s_[-rows:, :columns]):
        size = (1 - share) * np.abs(own[part]) + share * np.abs(its[part])
        own[part] = size * np.exp(1j * np.angle(own[part]))
    mixed = np.fft.irfft2(own, rgb.shape[:2], axes=(0, 1))
    return mixed.clip(0, 255).astype(np.uint8)
