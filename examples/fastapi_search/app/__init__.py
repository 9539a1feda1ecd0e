"""A service that finds articles by meaning and by words."""
