"""The README is true: its commands parse, its Python runs, its links and settings exist."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from jmetamer.config import Settings, cells, find_config, packaged_configs, read_config, take_shard
from jmetamer.config.places import Objects, Section, fields_of
from jmetamer.sweep import command as sweep
from jmetamer.sweep.options import parser

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text()
CONFIGS = sorted((REPOSITORY / "configs").glob("*.yaml"))
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "experiments").rglob("README.md"))]
# The README shows the real thing; the same code is run here on a small graph.
REDUCTIONS = {'"digits"': '"karate"', "count=64": "count=2"}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands():
    """Return every `python -m jmetamer.sweep ...` of the README, the studies and the configs."""
    texts = [path.read_text() for path in [*PAGES, *CONFIGS]]
    found = re.findall(r"python -m jmetamer\.sweep(?: [^\n#`(]*)?", "\n".join(texts))
    lines = {line.strip() for line in found}
    return sorted(line for line in lines if "[CONFIG]" not in line and not line.endswith("..."))


def options_of(command):
    return parser().parse_args(shlex.split(command)[3:])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which one cell of the quickstart was computed in small."""
    folder = tmp_path_factory.mktemp("readme")
    small = "model.gcn.activation=relu metamers.layer=conv1 geometry.nodes=1 report=false"
    changes = [word for change in small.split() for word in ("--set", change)]
    assert sweep.main(["--smoke", "--out", str(folder / "runs/quickstart"), *changes]) == 0
    return folder


def test_its_python_runs_in_the_order_in_which_it_is_written(place, monkeypatch):
    code = blocks("python")
    for old, new in REDUCTIONS.items():
        assert any(old in block for block in code), f"REDUCTIONS is out of date: {old}"
        code = [block.replace(old, new) for block in code]
    monkeypatch.chdir(place)
    names = {"__name__": "readme"}
    for block in code:
        exec(compile(block, "README.md", "exec"), names)
    assert names["results"].attrs["test_accuracy"] >= 0
    assert names["graph"].nodes.shape == names["reference"].nodes.shape


def test_its_api_fits_into_fifteen_lines():
    first = blocks("python")[0]
    assert len([line for line in first.splitlines() if line.strip()]) <= 15


@pytest.mark.parametrize("command", commands())
def test_its_commands_and_those_of_configs_and_studies_name_what_exists(command):
    options = options_of(command)
    path = find_config(options.config, packaged_configs())
    grid = cells(read_config(path, options.set, smoke=options.smoke))
    assert take_shard(grid, options.shard)


@pytest.mark.parametrize("text", blocks("yaml"), ids=lambda text: text.splitlines()[0])
def test_its_configurations_can_be_used(tmp_path, text):
    path = tmp_path / "readme.yaml"
    path.write_text(text)
    assert len(cells(read_config(path))) > 1


def test_its_dry_run_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = next(c for c in commands() if c == "python -m jmetamer.sweep --dry-run")
    arguments = [*shlex.split(command)[3:], "--set", "dataset=karate"]
    assert sweep.main(arguments) == 0
    assert "nothing was computed or written" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_commands_are_found_at_all():
    assert "python -m jmetamer.sweep configs/cora.yaml" in commands()
    assert len(commands()) >= 6


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_says_how_to_run_it_how_long_it_takes_and_what_comes_out(path):
    header = path.read_text().split("\n\n")[0]
    for entry in ("command:", "time:", "numbers:"):
        assert entry in header


def is_setting(place, keys):
    """Whether these keys may follow each other below a place of a configuration."""
    if not keys:
        return True
    if isinstance(place, Objects):
        known = {name: fields_of(make) for name, make in place.table.items()}
        name, *rest = keys
        return name in known and (not rest or is_field(known[name], rest))
    return isinstance(place, Section) and is_field(fields_of(place.owner), keys)


def is_field(known, keys):
    return keys[0] in known and is_setting(known[keys[0]].place, keys[1:])


def test_every_setting_that_is_named_exists():
    top = fields_of(Settings)
    below = [name for name, one in top.items() if isinstance(one.place, Section | Objects)]
    path = rf"(?:{'|'.join(below)})(?:\.[a-z_]+)+"
    named = re.findall(rf"\b{path}\b(?!\()", "".join(blocks("bash")))
    named += re.findall(rf"`({path})`", README)
    assert named
    assert not [name for name in named if not is_setting(Section(Settings), name.split("."))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_its_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_file_that_it_names_exists():
    for name in re.findall(r"`((?:jmetamer|tests|experiments|configs)/[\w/.]+)`", README):
        assert (REPOSITORY / name).exists(), name


def test_the_picture_is_small_enough_for_a_front_page():
    assert (REPOSITORY / "experiments/quickstart/metamers.png").stat().st_size < 300_000


def test_continuous_integration_runs_exactly_the_test_command():
    (marked,) = re.findall(r"<!-- command: tests -->\n```bash\n(.*?)\n```", README, re.DOTALL)
    script = (REPOSITORY / ".ci/run").read_text()
    function = re.search(r"^readme_command\(\) \{.*?^\}", script, re.MULTILINE | re.DOTALL)
    command = ["bash", "-euo", "pipefail", "-c", f"{function[0]}\nreadme_command tests"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == marked
    assert 'readme_command tests)"' in script


def test_its_picture_is_made_by_its_script(place, tmp_path, monkeypatch):
    script = REPOSITORY / "experiments/quickstart/picture.py"
    names = {"__name__": "picture", "__file__": str(tmp_path / "picture.py")}
    exec(compile(script.read_text(), "picture.py", "exec"), names)
    run, target = str(place / "runs/quickstart"), tmp_path / "picture.png"
    monkeypatch.setattr("sys.argv", ["picture.py", run, "--out", str(target)])
    names["main"]()
    assert target.read_bytes().startswith(b"\x89PNG")
