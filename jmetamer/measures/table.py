"""The table of measures: one line here makes a measure known everywhere."""

from collections.abc import Sequence

import jraph
import numpy as np

from jmetamer._base.arguments import checked
from jmetamer._base.errors import InputError, unknown_name
from jmetamer.measures.cut_norm import CUT_NORM_MEASURES
from jmetamer.measures.distributions import DISTRIBUTION_MEASURES
from jmetamer.measures.edge_set import EdgeSet, edge_set
from jmetamer.measures.edit_distance import EDIT_MEASURES
from jmetamer.measures.features import FEATURE_MEASURES
from jmetamer.measures.homophily import HOMOPHILY_MEASURES
from jmetamer.measures.measure import EDGE_KINDS, FEATURE_KINDS, Facts, Measure
from jmetamer.measures.pairs_of_rows import CKA_MEASURES
from jmetamer.measures.probe import PROBE_MEASURES
from jmetamer.measures.row_space import ROW_SPACE_MEASURES
from jmetamer.measures.spectra import SPECTRAL_MEASURES
from jmetamer.measures.structure import STRUCTURE_MEASURES
from jmetamer.measures.subgraph_counts import SUBGRAPH_MEASURES
from jmetamer.measures.tree_mover import TREE_MOVER_MEASURES
from jmetamer.measures.weisfeiler_leman import WL_MEASURES

MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        *FEATURE_MEASURES,
        *DISTRIBUTION_MEASURES,
        *CKA_MEASURES,
        *PROBE_MEASURES,
        *ROW_SPACE_MEASURES,
        *STRUCTURE_MEASURES,
        *SUBGRAPH_MEASURES,
        *HOMOPHILY_MEASURES,
        *EDIT_MEASURES,
        *SPECTRAL_MEASURES,
        *WL_MEASURES,
        *CUT_NORM_MEASURES,
        *TREE_MOVER_MEASURES,
    )
}

_PHRASES = {"simple_edges": "edges", "edge_weights": "edge weights"}


@checked
def measures_for(
    kinds: str | Sequence[str], names: Sequence[str] | None = None
) -> tuple[Measure, ...]:
    """Return the measures of what varies, the cheap ones or those that are named.

    Args:
      kinds: what varies of the metamers, one or both: features that are "binary", "one_hot" or
        "continuous"; edges that are "simple_edges" (there or not) or "edge_weights".
      names: keys of `MEASURES` in the order wanted, or None for all that apply and are cheap
        (`Measure.default`).

    Returns:
      The measures.

    Raises:
      InputError: for an unknown kind or name, and for a measure that does not apply to the kind.

    Example:
      >>> [measure.name for measure in measures_for("edge_weights")][:3]
      ['structure/edge_jaccard', 'structure/edge_f1', 'structure/degree_wasserstein']
    """
    vary = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    for kind in vary:
        if kind not in (*FEATURE_KINDS, *EDGE_KINDS):
            raise unknown_name("kind of features or edges", kind, (*FEATURE_KINDS, *EDGE_KINDS))
    if names is None:
        return tuple(m for m in MEASURES.values() if m.default and set(vary) & set(m.applies_to))
    for name in names:
        if name not in MEASURES:
            raise unknown_name("measure", name, MEASURES)
        if not set(vary) & set(MEASURES[name].applies_to):
            defined, varied = (_listed(each) for each in (MEASURES[name].applies_to, vary))
            raise InputError(
                f"`names` asks for {name!r}, which is defined for {defined}, but these metamers "
                f"vary {varied}; leave it out, or vary what it is defined for"
            )
    return tuple(MEASURES[name] for name in names)


@checked
def ready(
    measures: Sequence[Measure],
    reference: jraph.GraphsTuple | np.ndarray | EdgeSet,
    facts: Facts,
    *,
    by_name: bool = False,
) -> tuple[Measure, ...]:
    """Return measures with what they need to know filled in, without those that do not apply.

    Args:
      measures: from the table.
      reference: its graph; features or edges alone where all measures read those.
      facts: what is known beside it.
      by_name: whether somebody named the measures, so that none may be left out.

    Raises:
      InputError: a measure that is asked for does not apply.

    Example:
      >>> probe, cosine = MEASURES["features/probe"], MEASURES["features/cosine"]
      >>> [measure.name for measure in ready([probe, cosine], np.eye(2), Facts())]
      ['features/cosine']
    """
    read = {"features": reference, "edges": reference}
    if isinstance(reference, jraph.GraphsTuple):
        read["features"] = np.asarray(reference.nodes)
        if any(m.reads == "edges" and (m.prepare or m.max_nodes) for m in measures):
            read["edges"] = edge_set(reference)
    prepared = {measure.name: measure.given(read[measure.reads], facts) for measure in measures}
    missing = [name for name, measure in prepared.items() if measure is None]
    if missing and by_name:
        held = [name for name, value in facts._asdict().items() if value is not None]
        raise InputError(
            f"`names` asks for {missing[0]!r}, which does not apply to this reference with what "
            f"`facts` hold, {' and '.join(held) or 'nothing'}; it is a measure of "
            f"{MEASURES[missing[0]].formula}. Give what it needs, or leave it out"
        )
    return tuple(measure for measure in prepared.values() if measure is not None)


def _listed(kinds: Sequence[str]) -> str:
    return " and ".join(_PHRASES.get(kind, f"{kind} features") for kind in kinds)
