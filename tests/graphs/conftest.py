"""Fixtures of the dataset tests."""

import os
import pathlib

import pytest


@pytest.fixture(scope="session")
def data_folder() -> pathlib.Path:
    """The folder with the benchmark files; tests that need it are skipped where it is absent."""
    folder = os.environ.get("JMETAMER_DATA")
    if not folder:
        pytest.skip("JMETAMER_DATA is not set: the benchmark files are not at hand")
    return pathlib.Path(folder)


@pytest.fixture
def empty_folders(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """No data folder and an empty cache; returns the cache."""
    monkeypatch.delenv("JMETAMER_DATA", raising=False)
    cache = tmp_path / "cache"
    monkeypatch.setenv("JMETAMER_CACHE", str(cache))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return cache
