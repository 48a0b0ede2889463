"""`python -m jmetamer.sweep`: from a configuration to a folder of finished cells."""

from jmetamer.sweep.command import command_line, main

__all__ = ["command_line", "main"]
