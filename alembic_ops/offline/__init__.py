"""What ``--sql`` prints."""
