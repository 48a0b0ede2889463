"""The pictures of the report: pure functions of a cell's variables, one subject a file."""
