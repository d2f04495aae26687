"""Holds the conformance kit that plugin authors run on their components."""
