"""Boards that compare stored runs: who reads whose metamers, and what each model is blind to."""

from jmetamer.report.leaderboard.document import Board, document, make_boards, write_leaderboard

__all__ = ["Board", "document", "make_boards", "write_leaderboard"]
