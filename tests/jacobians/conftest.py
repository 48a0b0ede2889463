"""Tests of Jacobians compile many small programs once and run them briefly."""

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def quick_compile():
    """Compile with little optimization: most of the time of these tests is compiling."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
