"""Exact metamers: made by projection onto the set of all metamers, without a descent of the loss.

One file per construction, one line in the table `methods.METHODS`. All of them leave the range of
the data (features become negative and are no longer binary).
"""

from jmetamer.metamers.exact.construction import Construction, Made
from jmetamer.metamers.exact.gauss_newton import GaussNewton
from jmetamer.metamers.exact.max_distance import MaxDistance
from jmetamer.metamers.exact.methods import METHODS, ExactSynthesis
from jmetamer.metamers.exact.null_space import NullSpace
from jmetamer.metamers.exact.point import Point
from jmetamer.metamers.exact.reflect import Reflect
from jmetamer.metamers.exact.replace import Replace
from jmetamer.metamers.exact.walk import Walk

__all__ = [
    "METHODS",
    "Construction",
    "ExactSynthesis",
    "GaussNewton",
    "Made",
    "MaxDistance",
    "NullSpace",
    "Point",
    "Reflect",
    "Replace",
    "Walk",
]
