"""What the searches are built from."""
