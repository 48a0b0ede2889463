"""What is said of finished metamers: other networks that read them, controls, success, remedies."""

from jmetamer.evaluation.remedies import remedy

__all__ = ["remedy"]
