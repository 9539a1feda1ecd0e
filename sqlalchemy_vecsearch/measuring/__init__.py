"""What a search does on a real server: the only modules that run statements on their own account."""
