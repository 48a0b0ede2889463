"""The command line of a sweep, as `python -m jmetamer.sweep`."""

from jmetamer.sweep.command import command_line

command_line()
