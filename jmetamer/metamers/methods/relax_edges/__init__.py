"""Edges that come and go: relaxed, searched, and made hard."""
