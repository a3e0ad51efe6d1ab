"""A drawable surface."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from synthetic.rasteriser import Material, contiguous


@dataclass
class Layer:
    position: np.ndarray  # (V, 3) float32, decimetres, posed
    normal: np.ndarray  # (V, 3) float32
    rest: np.ndarray  # (V, 3) float32, where patterns are evaluated
    triangle: np.ndarray  # (T, 3) int32
    label: (
        np.ndarray
    )  # (T,) uint8, rasteriser.HIDDEN is not drawn; 0 draws without a label (bags, phones)
    material: Material
    field: np.ndarray | None = None  # (V,) float32: fragments where it is negative are cut away
    tint: np.ndarray | None = None  # (V, 3) float32, multiplies the albedo
    bias: float = 0.0  # decimetres towards the camera, settles ties between layers
    two_sided: bool = True
    fabric: str = ""  # of materials.FABRICS: given anew when a person is re-used; "" stays

    def moved(self, rotation: np.ndarray, translation: np.ndarray, material: Material) -> "Layer":
        """A copy turned by `rotation` (3, 3), then moved."""
        turn = contiguous(rotation.T)
        return replace(
            self,
            position=contiguous(self.position @ turn + contiguous(translation)),
            normal=contiguous(self.normal @ turn),
            material=material,
        )
