"""Metamers of one call that push each other apart."""
