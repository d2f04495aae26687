"""The directory of a run: its one writer, its record, its log and the picture of it."""
