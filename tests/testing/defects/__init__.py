"""Deliberately bad components, each of which breaks one promise, and good ones beside them."""
