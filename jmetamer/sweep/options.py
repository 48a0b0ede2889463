"""The options of `python -m jmetamer.sweep`, read before anything heavy is imported."""

import argparse

from jmetamer._base.terminal import audible

_DESCRIPTION = """\
Compute every cell of a configuration, once. Start the same command again to continue after an
interruption; several processes may work on one run folder, each on its own or with --distributed.
"""
_EPILOG = """\
sections of a configuration:
  dataset      a name or a path: dataset: cora, or {csbm: {num_nodes: 200}}
  model        a network: gcn, or {gat: {heads: 4}}; a list spans the grid
  training     epochs, optimizer, perturbation, ...
  metamers     vary, layer, method, loss, tolerance, count, ...
  geometry     nodes, layers, maps, ...; null leaves it out
  measures     names, or all
  success      what a metamer must fulfill
  recognition  other networks that read the metamers; null for none
  planted      problems whose answer is known
  store        how many metamers are kept
  seed, name, report, max_cells, runs, smoke

packaged configurations: cora, mitigations, quickstart, recognition, structure

examples:
  python -m jmetamer.sweep
  python -m jmetamer.sweep cora --set model.gat.heads=4 --set metamers.count=16
  python -m jmetamer.sweep my.yaml --import my_parts --dry-run

Exit codes: 0 all cells finished, 1 a cell failed, the folder cannot be written or processes lost
each other, 2 a setting cannot be used (nothing was written), 130 interrupted.

Compiled programs are kept in the user's folder for caches, for the next run;
JMETAMER_COMPILATION_CACHE names another folder, or "off".
"""


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments."""
    command = argparse.ArgumentParser(
        prog="python -m jmetamer.sweep",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    audible(command)
    add = command.add_argument
    add("config", nargs="?", help="YAML file, or the name of a packaged config [quickstart]")
    add("--out", type=str, metavar="DIR", help="run folder [runs/<name>]")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="override; repeatable")
    add(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module that adds lines to the tables of names; repeatable",
    )
    add("--smoke", action="store_true", help="apply the config's smoke block")
    add("--dry-run", action="store_true", help="list cells, shapes and memory; write nothing")
    add(
        "--verify", type=str, metavar="RUN", help="compare a run folder with its sums; nothing else"
    )
    add("--shard", type=str, metavar="I/N", help="only cells I, I+N, I+2N, ...; I counts from 0")
    add("--distributed", action="store_true", help="share the cells with other processes")
    add("--coordinator", type=str, metavar="HOST:PORT", help="where process 0 is reached")
    add("--num-processes", type=int, metavar="N", help="how many processes share the cells")
    add("--process-id", type=int, metavar="I", help="which of them this is; counts from 0")
    add("--distributed-timeout", type=int, metavar="SECONDS", help="to wait for others [300]")
    return command
