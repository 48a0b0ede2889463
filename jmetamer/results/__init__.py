"""Records of finished cells, and the run folder they are kept in; never starts an accelerator."""

from jmetamer.results.adjusted_effect import AdjustedEffect, adjusted_effect
from jmetamer.results.factorial import Effect, factorial_effects
from jmetamer.results.judges import (
    NULL_SPACE,
    SAME_LENGTH,
    StoredJudge,
    paired_controls,
    settings_unlike_own_judges,
    stored_judges,
    unlike_own_judges,
)
from jmetamer.results.p_values import (
    SignFlip,
    add_one_p_value,
    holm,
    holm_over_cells,
    monte_carlo_p_value,
    sign_flip_test,
)
from jmetamer.results.partial import PartialCell
from jmetamer.results.record import (
    Progress,
    Record,
    Reference,
    Variable,
    arrays_digest,
    check_record,
    hash_settings,
    make_reference,
)
from jmetamer.results.run import Run, open_run
from jmetamer.results.seed_interval import (
    CrossedSummary,
    SeedSummary,
    crossed_summary,
    seed_summary,
    t_interval,
)
from jmetamer.results.statistics import (
    clopper_pearson_interval,
    median_interval,
    rate_interval,
    wilson_interval,
)
from jmetamer.results.store import RunStore
from jmetamer.results.stored_metamers import StoredMetamers

__all__ = [
    "NULL_SPACE",
    "SAME_LENGTH",
    "AdjustedEffect",
    "CrossedSummary",
    "Effect",
    "PartialCell",
    "Progress",
    "Record",
    "Reference",
    "Run",
    "RunStore",
    "SeedSummary",
    "SignFlip",
    "StoredJudge",
    "StoredMetamers",
    "Variable",
    "add_one_p_value",
    "adjusted_effect",
    "arrays_digest",
    "check_record",
    "clopper_pearson_interval",
    "crossed_summary",
    "factorial_effects",
    "hash_settings",
    "holm",
    "holm_over_cells",
    "make_reference",
    "median_interval",
    "monte_carlo_p_value",
    "open_run",
    "paired_controls",
    "rate_interval",
    "seed_summary",
    "settings_unlike_own_judges",
    "sign_flip_test",
    "stored_judges",
    "t_interval",
    "unlike_own_judges",
    "wilson_interval",
]
