"""The ground floor: errors, random keys and precision; everything else may import it."""
