"""The verification of a column that was embedded anew, before searches change over to it."""
