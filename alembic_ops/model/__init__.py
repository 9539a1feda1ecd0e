"""Values, and rules that are pure functions of them."""
