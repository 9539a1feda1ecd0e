"""The only writers: the steps of operations on a connection."""
