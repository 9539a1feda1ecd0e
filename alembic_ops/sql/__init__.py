"""SQL as text: quoting, statements, and the steps that they take."""
