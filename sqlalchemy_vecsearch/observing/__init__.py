"""What a living database says of its vector indexes: builds, waits, health, and what to do about them."""
