"""Exact metamers: made by projection onto the set of all metamers, without a descent of the loss.

One file per construction, one line in the table `METHODS`. All of them leave the range of
the data (features become negative and are no longer binary).
"""

from jmetamer.metamers.methods.exact.construction import Construction, ExactMetamer
from jmetamer.metamers.methods.exact.gauss_newton import GaussNewton
from jmetamer.metamers.methods.exact.max_distance import MaxDistance
from jmetamer.metamers.methods.exact.null_space import NullSpace
from jmetamer.metamers.methods.exact.point import Point
from jmetamer.metamers.methods.exact.reflect import Reflect
from jmetamer.metamers.methods.exact.replace import Replace
from jmetamer.metamers.methods.exact.walk import Walk

__all__ = [
    "Construction",
    "ExactMetamer",
    "GaussNewton",
    "MaxDistance",
    "NullSpace",
    "Point",
    "Reflect",
    "Replace",
    "Walk",
]
