"""The sizes of published networks, read from the shapes of their parameters."""

import re
from collections.abc import Mapping
from typing import Any

from lkm_tune.models.settings import ELEMENTS

Shapes = Mapping[str, tuple[int, ...]]

NOT_IN_SHAPES: Mapping[str, tuple[str, ...]] = {
    "mxmnet": ("cutoff", "num_spherical", "num_radial", "envelope_exponent", "elements"),
    "pamnet": (
        "cutoff", "cutoff_local", "num_spherical", "num_radial", "envelope_exponent", "elements",
    ),
    "dimenet++": ("cutoff", "envelope_exponent"),
}  # fmt: skip
"""The settings of each network that its shapes do not determine.

No configuration of MXMNet has the range of the bases on bonds: its code has 5 Å. A table of five
elements means H, C, N, O, F.
"""


def sizes_of(name: str, shapes: Shapes, said: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the shapes determine, by lkm-tune's names.

    Args:
        name: "mxmnet", "pamnet" or "dimenet++".
        shapes: shapes of the parameters, by published name.
        said: settings from other sources. The shapes of MXMNet and PAMNet determine num_spherical
            times num_radial, so `said` must have one of the two.

    Raises:
        ValueError: if a parameter is missing or has an unexpected shape, or if the setting in
            `said` does not divide the product.
    """
    return _dimenet(shapes) if name == "dimenet++" else _multiplex(name, shapes, said)


def _multiplex(name: str, shapes: Shapes, said: Mapping[str, Any]) -> dict[str, Any]:
    mxmnet = name == "mxmnet"
    local, out, basis = (
        ("local_layers", "y_W", "sbf_1_mlp") if mxmnet else ("local_layer", "W_out", "mlp_sbf1")
    )
    n_elements = _size(name, shapes, "embeddings", 0)
    product = _size(name, shapes, f"{basis}.0.0.weight", 1)
    sizes = {
        "hidden": _size(name, shapes, "embeddings", 1),
        "depth": _count(shapes, rf"{local}\.(\d+)\."),
        "outputs": _size(name, shapes, f"{local}.0.{out}.weight", 0),
        "num_rbf": _size(name, shapes, "rbf_g.freq", 0),
        **_factors(product, said),
    }
    usual = n_elements == len(ELEMENTS) and "elements" not in said
    return sizes | ({"elements": list(ELEMENTS)} if usual else {})


def _factors(product: int, said: Mapping[str, Any]) -> dict[str, int]:
    """num_spherical and num_radial from their product, if `said` has one of them."""
    for one, other in (("num_spherical", "num_radial"), ("num_radial", "num_spherical")):
        value = said.get(one)
        if value is None:
            continue
        if not isinstance(value, int) or value < 1 or product % value:
            raise ValueError(
                f"the parameters have {product} functions of an angle, num_spherical times "
                f"num_radial, but got {one}={value!r}"
            )
        return {one: value, other: product // value}
    return {}


def _dimenet(shapes: Shapes) -> dict[str, Any]:
    name, block, output = "dimenet++", "interaction_blocks.0", "output_blocks.0"
    num_radial = _size(name, shapes, "rbf.freq", 0)
    return {
        "hidden": _size(name, shapes, "emb.emb.weight", 1),
        "depth": _count(shapes, r"interaction_blocks\.(\d+)\."),
        "outputs": _size(name, shapes, f"{output}.lin.weight", 0),
        "int_emb_size": _size(name, shapes, f"{block}.lin_down.weight", 0),
        "basis_emb_size": _size(name, shapes, f"{block}.lin_rbf1.weight", 0),
        "out_emb_channels": _size(name, shapes, f"{output}.lin_up.weight", 0),
        "num_spherical": _size(name, shapes, f"{block}.lin_sbf1.weight", 1) // num_radial,
        "num_radial": num_radial,
        "num_before_skip": _count(shapes, rf"{re.escape(block)}\.layers_before_skip\.(\d+)\."),
        "num_after_skip": _count(shapes, rf"{re.escape(block)}\.layers_after_skip\.(\d+)\."),
        "num_output_layers": _count(shapes, rf"{re.escape(output)}\.lins\.(\d+)\."),
    }


def _size(name: str, shapes: Shapes, key: str, axis: int) -> int:
    shape = shapes.get(key, ())
    if len(shape) <= axis:
        how = f"has the shape {shape}" if key in shapes else "is missing"
        raise ValueError(f"these are not the parameters of {name}: {key} {how}")
    return shape[axis]


def _count(shapes: Shapes, pattern: str) -> int:
    """The number of different numbers that match the group of `pattern`."""
    return len({match.group(1) for key in shapes if (match := re.match(pattern, key))})
