"""Collects the posed layers of one person."""

from __future__ import annotations

import numpy as np

from synthetic.body import Body, Shape, Surface
from synthetic.geometry import waves
from synthetic.mesh import Layer
from synthetic.pieces import Piece
from synthetic.rasteriser import HIDDEN, Material, contiguous, skin, vertex_normals


class Assembly:
    def __init__(
        self,
        body: Body,
        shape: Shape,
        normal: np.ndarray,
        joints: np.ndarray,
        bones: np.ndarray,
        rng: np.random.Generator,
        heel: float = 0,
    ) -> None:
        """`heel` is the angle in radians by which the pose has raised the heels."""
        self.heel = heel
        self.body, self.shape, self.normal, self.joints, self.bones, self.rng = (
            body,
            shape,
            normal,
            joints,
            bones,
            rng,
        )
        self.layers: list[Layer] = []
        band = shape.vertices[body.hat_band]
        self.hat_centre = band.mean(0)
        self.hat_radius = np.ptp(band[:, [0, 2]], axis=0) / 2  # across x and z

    def pushed(self, distance: np.ndarray | float) -> np.ndarray:
        """The shaped body (V, 3), moved outwards by decimetres (V,)."""
        return (
            self.shape.vertices + self.normal * np.broadcast_to(distance, len(self.normal))[:, None]
        )

    def waves(self, frequency: float) -> np.ndarray:
        return waves(self.body.vertices, frequency, self.rng.uniform(0, 9))

    def add_surface(
        self,
        surface: Surface,
        vertices: np.ndarray,
        label: int | np.ndarray,
        material: Material,
        field: np.ndarray | None = None,
        bias: float = 0,
        tint: np.ndarray | None = None,
        two_sided: bool = True,
        fabric: str = "",
    ) -> None:
        """Pose a part of the body mesh; `vertices`, `field` and `tint` are per vertex of the whole
        mesh."""
        part = slice(surface.start, surface.stop)
        position = skin(
            vertices[part], self.body.weight_index[part], self.body.weight[part], self.bones
        )
        self._add(
            position,
            self.body.vertices[part],
            surface.triangle,
            label,
            material,
            None if field is None else contiguous(field[part]),
            bias,
            None if tint is None else contiguous(tint[part]),
            two_sided,
            fabric,
        )

    def add_piece(
        self,
        piece: Piece,
        vertices: np.ndarray,
        label: int | np.ndarray,
        material: Material,
        field: np.ndarray | None = None,
        bias: float = 0,
        tint: np.ndarray | None = None,
        fabric: str = "",
    ) -> None:
        """Pose a piece of one of MakeHuman's items; `vertices`, `field` and `tint` are per vertex
        of the piece."""
        self._add(
            skin(vertices, piece.bone, piece.bone_weight, self.bones),
            piece.rest,
            piece.item.triangle,
            label,
            material,
            None if field is None else contiguous(field),
            bias,
            None if tint is None else contiguous(tint),
            True,
            fabric,
        )

    def add_skin(self, hidden: np.ndarray, material: Material, tint: np.ndarray) -> np.ndarray:
        """Bare skin, part by part, less the triangles whose corners all have `hidden` (V,) > 0.

        Returns the posed skin (S, 3). Normals are those of the whole, so that the parts meet
        without a seam.
        """
        whole = self.body.skin
        span = slice(whole.start, whole.stop)
        position = skin(
            self.shape.vertices[span],
            self.body.weight_index[span],
            self.body.weight[span],
            self.bones,
        )
        normal = vertex_normals(position, whole.triangle)
        for part in self.body.parts:
            at = part.index - whole.start
            label = np.where((hidden[part.absolute] > 0).all(1), HIDDEN, part.label).astype(
                np.uint8
            )
            self.layers.append(
                Layer(
                    position[at],
                    normal[at],
                    self.body.vertices[part.index],
                    part.triangle,
                    label,
                    material,
                    part.field,
                    contiguous(tint[part.index]),
                    0,
                    two_sided=False,
                )
            )
        return position

    def add_rigid(
        self,
        bone: str,
        vertices: np.ndarray,
        triangles: np.ndarray,
        label: int,
        material: Material,
        bias: float = 0,
        fabric: str = "",
    ) -> None:
        """Attach a mesh, given in rest coordinates, to one bone."""
        transform = self.bones[self.body.bone[bone]]
        self._add(
            contiguous(vertices @ transform[:, :3].T + transform[:, 3]),
            contiguous(vertices),
            triangles,
            label,
            material,
            None,
            bias,
            None,
            True,
            fabric,
        )

    def _add(
        self,
        position: np.ndarray,
        rest: np.ndarray,
        triangles: np.ndarray,
        label: int | np.ndarray,
        material: Material,
        field: np.ndarray | None,
        bias: float,
        tint: np.ndarray | None,
        two_sided: bool,
        fabric: str,
    ) -> None:
        triangles = contiguous(triangles, np.int32)
        labels = contiguous(np.broadcast_to(label, len(triangles)), np.uint8)
        self.layers.append(
            Layer(
                position,
                vertex_normals(position, triangles),
                contiguous(rest),
                triangles,
                labels,
                material,
                field,
                tint,
                bias,
                two_sided,
                fabric,
            )
        )
