"""Which tests are skipped, and why: long ones, and those whose data or packages are absent."""

import importlib.metadata
import importlib.util
import os
import pathlib

import pytest

pytest_plugins = ["small_problems"]

# A sweep within the tests shall not keep compiled programs in the user's folder.
os.environ.setdefault("JMETAMER_COMPILATION_CACHE", "off")
# Tests compile many small programs and run them briefly: most of their time would be compiling.
# Set before jax is imported, and inherited by the processes that tests start. The older emitters of
# fused loops compile these programs in two thirds of the time; XLA ends the process at a flag that
# it does not know, so that they are asked for only where they are known to exist.
# JAX_DISABLE_MOST_OPTIMIZATIONS=0 asks for the compiler as users have it; CI does so, in small.
as_usual = os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1") == "0"
if not as_usual and importlib.metadata.version("jaxlib").startswith("0.10."):
    flags = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    os.environ["XLA_FLAGS"] = f"{flags} {os.environ.get('XLA_FLAGS', '')}".strip()


from jmetamer._base.compiled_programs import release_when_crowded  # noqa: E402, as it imports jax

# A cross-section of the suite in under a minute: `pytest -m quick`.
QUICK = (
    "test_config.py", "test_keys.py", "test_plug_ins.py", "graphs/test_symmetry.py",
    "graphs/test_padding.py", "models/test_options.py", "geometry/test_row_space.py",
    "geometry/test_volume.py", "measures/test_success.py", "metamers/test_losses.py",
    "metamers/test_methods.py", "metamers/edges/test_rounding.py", "results/test_store.py",
    "report/test_cells.py", "report/test_figure_table.py",
)  # fmt: skip
TESTS = pathlib.Path(__file__).parent


def pytest_ignore_collect(collection_path: pathlib.Path, config: pytest.Config) -> bool | None:
    """Leave files without a quick test unread, which takes longer than the quick ones run."""
    if config.option.markexpr != "quick" or collection_path.is_dir():
        return None
    return collection_path not in [TESTS / name for name in QUICK] or None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--run-slow", action="store_true", help="run tests that are marked `slow`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reasons = {}
    if not config.getoption("--run-slow"):
        reasons["slow"] = "long; run with --run-slow"
    missing = [name for name in ("torch", "torch_geometric") if not importlib.util.find_spec(name)]
    if missing:
        reasons["parity"] = f"{' and '.join(missing)} not installed (extra `parity`)"
    folder = os.environ.get("JMETAMER_DATA")
    if not folder or not pathlib.Path(folder).is_dir():
        reasons["data"] = f"no benchmark files: JMETAMER_DATA is {folder!r}, which is no folder"
    if os.environ.get("JAX_DEBUG_NANS") == "1":
        reasons["makes_nan"] = "JAX_DEBUG_NANS=1"
    if os.environ.get("JAX_NUMPY_DTYPE_PROMOTION") == "strict":
        reasons["mixes_types"] = "JAX_NUMPY_DTYPE_PROMOTION=strict"
    for item in items:
        if item.path in [TESTS / name for name in QUICK]:
            item.add_marker(pytest.mark.quick)
        for marker, reason in reasons.items():
            if marker in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True, scope="module")
def few_programs():
    """Give back compiled programs between files: a whole suite of them is more than Linux maps."""
    yield
    release_when_crowded(0.3)
