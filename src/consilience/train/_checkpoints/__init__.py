"""Checkpoints: what a training goes on from, written whole, proved when read, and taken up again."""
