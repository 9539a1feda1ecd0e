"""The runnable example: an ordinary application whose texts are searched by meaning."""
