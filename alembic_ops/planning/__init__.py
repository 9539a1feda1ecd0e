"""From a wish and the catalog to the next step. Pure."""
