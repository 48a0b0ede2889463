"""Compiled programs are kept for the next process, in a folder that the user decides on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jmetamer._base.compilation_cache import (
    VARIABLE,
    CompilationCache,
    keep_compiled_programs,
    user_cache_folder,
)
from jmetamer.sweep import command as sweep

# Compiles one program and prints how often the folder had it already.
PROCESS = """
import jax, jax.numpy as jnp
from jmetamer._base.compilation_cache import keep_compiled_programs
kept = keep_compiled_programs()
assert jax.config.jax_persistent_cache_min_compile_time_secs == 0.2
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event.endswith("cache_hits")))
print(jax.jit(lambda x: jnp.sin(x) @ x.T + 41.5)(jnp.ones((3, 5))).shape)
print(kept.folder, sum(hits))
"""


def process(**environment):
    clean = {k: v for k, v in os.environ.items() if "COMPILATION_CACHE" not in k}
    command = [sys.executable, "-c", PROCESS]
    done = subprocess.run(
        command, env=clean | environment, capture_output=True, text=True, check=True
    )
    folder, hits = done.stdout.split()[-2:]
    return Path(folder), int(hits), done.stderr


class TestAProcess:
    def test_finds_what_the_one_before_has_compiled_and_says_nothing(self, tmp_path):
        place = {VARIABLE: str(tmp_path / "kept")}
        folder, hits, _ = process(**place)
        assert hits == 0
        files = list(folder.glob("jit*"))
        assert files
        again, hits, errors = process(**place)
        assert (again, errors) == (folder, "")
        assert hits > 0
        assert folder.parent == tmp_path / "kept"

    def test_keeps_them_in_the_users_folder_by_default(self, tmp_path):
        folder, *_ = process(XDG_CACHE_HOME=str(tmp_path))
        assert folder.parent == tmp_path / "jmetamer/compiled"
        assert list(folder.glob("jit*"))


@pytest.fixture
def nothing_set(monkeypatch):
    import jax

    monkeypatch.delenv(VARIABLE, raising=False)
    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    yield jax.config
    for name, value in before.items():
        jax.config.update(name, value)


class TestTheFolder:
    def test_is_none_when_switched_off(self, nothing_set, monkeypatch):
        monkeypatch.setenv(VARIABLE, "Off")
        assert keep_compiled_programs() == CompilationCache(None)
        assert nothing_set.jax_compilation_cache_dir is None

    def test_that_jax_was_given_is_left_alone(self, nothing_set, monkeypatch, tmp_path):
        least = nothing_set.jax_persistent_cache_min_compile_time_secs
        nothing_set.update("jax_compilation_cache_dir", str(tmp_path / "own"))
        monkeypatch.setenv(VARIABLE, str(tmp_path / "other"))
        assert keep_compiled_programs().folder == tmp_path / "own"
        assert not (tmp_path / "other").exists()
        assert nothing_set.jax_persistent_cache_min_compile_time_secs == least

    def test_that_cannot_be_written_costs_one_line(self, nothing_set, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
        found = keep_compiled_programs()
        assert found.folder is None
        assert found.warning.startswith(
            "warning: compiled programs are not kept, so the next run compiles again: "
            f"`{tmp_path / 'file'}"
        )
        assert f"Not a directory; set {VARIABLE} to a folder" in found.warning
        assert "\n" not in found.warning
        assert nothing_set.jax_compilation_cache_dir is None

    def test_is_where_the_platform_keeps_such_things(self):
        assert user_cache_folder("linux", {}) == Path.home() / ".cache/jmetamer"
        assert user_cache_folder("darwin", {}) == Path.home() / "Library/Caches/jmetamer"
        windows = user_cache_folder("win32", {"LOCALAPPDATA": "C:/local"})
        assert windows == Path("C:/local/jmetamer/Cache")


def test_a_sweep_goes_on_without_the_folder(nothing_set, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))

    def failing(cell, **_):
        raise ValueError("reached")

    given = ["--out", str(tmp_path / "run"), "--smoke", "--set", "report=false"]
    assert sweep.main(given, run_cell=failing) == 1
    printed = capsys.readouterr().out
    assert printed.count("compiled programs are not kept") == 1
    assert "ValueError: reached" in printed


def test_a_dry_run_and_an_import_keep_nothing():
    code = "import jax, jmetamer.sweep.command; print(jax.config.jax_compilation_cache_dir)"
    clean = {k: v for k, v in os.environ.items() if "COMPILATION_CACHE" not in k}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
