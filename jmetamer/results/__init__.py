"""Records of finished cells, and the run folder they are kept in; never starts an accelerator."""

from jmetamer.results.partial import PartialCell
from jmetamer.results.progress import Progress
from jmetamer.results.record import Record, Variable, check_record, hash_settings
from jmetamer.results.reference import Reference, arrays_digest, make_reference
from jmetamer.results.run import Run, open_run
from jmetamer.results.statistics import clopper_pearson_interval, wilson_interval
from jmetamer.results.store import RunStore
from jmetamer.results.stored_metamers import StoredMetamers

__all__ = [
    "PartialCell",
    "Progress",
    "Record",
    "Reference",
    "Run",
    "RunStore",
    "StoredMetamers",
    "Variable",
    "arrays_digest",
    "check_record",
    "clopper_pearson_interval",
    "hash_settings",
    "make_reference",
    "open_run",
    "wilson_interval",
]
