"""What autogenerate sees of vectors, and what it proposes."""
