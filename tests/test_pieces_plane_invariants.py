"""The checks of finished regions: no domain makes them blame what is right, and what is wrong they find on any."""

from collections.abc import Callable

import numpy as np
import pytest
from networks import default_network, he_network, layers_of, network_of

from dlcourse import pieces
from dlcourse.pieces.errors import SubdivisionError
from dlcourse.pieces.plane.geometry import PlaneGeometry


def rectangle(half: float, other: float, angle: float, centre: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """A rectangle with these half-sides, turned."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.array([[-half, -other], [half, -other], [half, other], [-half, other]]) @ turn + centre


DOMAINS = {
    "square": rectangle(1, 1, 0),
    "thin": rectangle(1, 1e-8, 1),
    "thinner": rectangle(1, 1e-15, 1),
    "huge": rectangle(1e12, 1e12, 0),
    "huge, turned": rectangle(1e12, 1e12, 1),
    "huge and thin": rectangle(1e12, 1e-3, 1),
    "tiny": rectangle(1e-12, 1e-12, 1, (0.1, 0.2)),
    "tiny, around a vertex": rectangle(1e-12, 1e-12, 1),
    "areas below all floats": rectangle(1e-200, 1e-200, 1),
    "denormal": rectangle(1e-310, 1e-310, 1),
    "far away": rectangle(1, 1, 1, (1e12, -1e12)),
}
NETWORKS = {
    "default": default_network([2, 16, 16, 1], 0),
    "He": network_of(*layers_of(he_network(2, [8, 8, 8], 1, 0.3))),
    "without biases": network_of(([[1.0, 0.3], [-0.2, 1.0], [0.7, -0.9]], [0.0] * 3), ([[1.0, -2.0, 0.5]], [0.0])),
    "of tiny weights": network_of(([[1e-160, 0.3], [0.1, -1e-160]], [0.0, 0.1]), ([[1e-162, 1e17]], [0.0])),
}


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_domain_is_blamed(domain: str) -> None:
    for network in NETWORKS.values():
        pieces.on_plane(network, vertices=DOMAINS[domain]).check_invariants()


def test_a_plane_of_a_larger_space_is_not_blamed() -> None:
    network = default_network([4, 12, 12, 2], 0)
    directions = np.array([[1.0, 0.3, 1e-9, -0.2], [1.0, 0.3, -1e-9, -0.2]])  # nearly parallel
    for scale in (1.0, 1e9):
        frame = {"origin": scale * np.array([0.3, 0.1, -0.2, 0.5]), "directions": scale * directions}
        pieces.on_plane(network, vertices=DOMAINS["thin"], **frame).check_invariants()


# What is wrong


def a_vertex_is_elsewhere(geometry: PlaneGeometry) -> None:
    """By a hundredth of an edge that meets it."""
    inner = geometry.mesh.ends[geometry.mesh.faces[:, 1] >= 0]
    lengths = np.abs(geometry.points[inner[:, 1]] - geometry.points[inner[:, 0]]).max(axis=1)
    start, end = inner[lengths.argmax()]
    geometry.points[start] += 0.01 * (geometry.points[end] - geometry.points[start])


def a_corner_is_elsewhere(geometry: PlaneGeometry) -> None:
    geometry.points[0] += 0.01 * (geometry.points[1] - geometry.points[0])


def two_vertices_are_exchanged(geometry: PlaneGeometry) -> None:
    one, other = geometry.mesh.ends[geometry.mesh.faces[:, 1] >= 0][0]
    geometry.points[[one, other]] = geometry.points[[other, one]]


def an_area_is_wrong(geometry: PlaneGeometry) -> None:
    geometry.areas[geometry.areas.argmax()] *= 1 + 1e-6


def a_map_is_wrong(geometry: PlaneGeometry) -> None:
    """That of the largest region, by a millionth."""
    geometry.maps.weight[geometry.areas.argmax()] *= 1 + 1e-6


def an_edge_is_missing(geometry: PlaneGeometry) -> None:
    mesh = geometry.mesh
    geometry.mesh = mesh._replace(ends=mesh.ends[:-1], faces=mesh.faces[:-1], lines=mesh.lines[:-1])


@pytest.mark.parametrize("domain", ["square", "thin", "huge", "huge, turned", "tiny, around a vertex"])
@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (a_vertex_is_elsewhere, "convex|agree|sum"),
        (a_corner_is_elsewhere, "sum"),
        (two_vertices_are_exchanged, "convex|agree|sum"),
        (an_area_is_wrong, "those of the regions' polygons"),
        (a_map_is_wrong, "agree"),
        (an_edge_is_missing, "V - E"),
    ],
)
def test_what_is_wrong_is_found(domain: str, break_it: Callable[[PlaneGeometry], None], message: str) -> None:
    network = NETWORKS["without biases" if domain.startswith("tiny") else "default"]
    counted = pieces.on_plane(network, vertices=DOMAINS[domain])
    assert counted.num_regions > 5
    counted.check_invariants()
    break_it(counted._geometry)
    if break_it is not an_area_is_wrong:
        vars(counted._geometry).pop("areas")  # which are to be those of the broken polygons
    with pytest.raises(SubdivisionError, match=message):
        counted.check_invariants()
