"""`python -m sqlalchemy_vecsearch`: the command, where its script is not on the path."""

from sqlalchemy_vecsearch.cli import main

main()
