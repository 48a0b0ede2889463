"""`python -m jmetamer.sweep`: from a configuration to a folder of finished cells."""
