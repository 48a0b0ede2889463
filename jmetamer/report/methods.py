"""What pages say of a method, by the name that records have for it."""

from jmetamer.report.reading import number_of
from jmetamer.results.setting_tree import Settings

METHOD, WEIGHT = "metamers.method", "metamers.method.weight"
_PHRASES = {
    "optimize": "found by gradient search",
    "repel": "found by gradient search",
    "relax_edges": "found by gradient search over relaxed edges",
    "reflect": "made by turning around what the first layer does not see",
    "replace": "made by replacing what the first layer does not see",
    "null_space": "made by adding differences between nodes that cancel among neighbors",
    "gauss_newton": "found by Gauss-Newton steps",
    "walk": "found by a walk from the reference",
    "max_distance": "found as unlike the reference as possible",
    "swap_search": "found by swaps of edges",
    "color_swaps": "made by swaps of edges that keep all colors",
}
_FROM_REFERENCE = ("reflect", "walk", "color_swaps")


def method_phrase(name: str) -> str:
    """Say how a method makes metamers; one that is not of this package is called by its name.

    Example:
      >>> method_phrase("walk"), method_phrase("my_search")
      ('found by a walk from the reference', 'made by my search')
    """
    return _PHRASES.get(name, f"made by {name.replace('_', ' ')}" if name else "")


def has_start(name: str) -> bool:
    """Return whether a method begins somewhere else than at the reference."""
    return name not in _FROM_REFERENCE


def repulsion_of(flat: Settings) -> float:
    """Return the weight with which metamers pushed each other apart; 0 where they did not.

    Args:
      flat: dotted setting -> value.
    """
    return number_of(flat.get(WEIGHT) or 0) if flat.get(METHOD) == "repel" else 0.0
