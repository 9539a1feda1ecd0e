"""All reading of the server."""
