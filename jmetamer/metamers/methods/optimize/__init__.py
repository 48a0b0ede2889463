"""Gradient descent in lanes that take the next seed when one ends."""
