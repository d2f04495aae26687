"""Builds the documentation site: gathers the pages, writes the reference from the declarations, runs Sphinx."""
