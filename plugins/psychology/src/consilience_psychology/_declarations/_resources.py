"""What is on disk: a taxonomy of the user's, a lexicon, EmoBank."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from consilience.declare import (
    DataError,
    Diagnostic,
    Fault,
    LabelSpace,
    Location,
    Resource,
    Source,
    nearest,
)
from consilience_psychology.emobank import SPLITS, emobank_files, read_emobank
from consilience_psychology.lexicons import FORMATS, UnreadableLexicon, WordScores, read_lexicon
from consilience_psychology.taxonomy_file import TaxonomyFile, UnreadableTaxonomy, read_taxonomy

__all__ = ["EmoBank", "Lexicon", "Taxonomy"]


class Taxonomy(Resource):
    """Emotions of the user's own, in a file: labels, aliases, opposites, and what they are in other taxonomies.

    TOML or JSON: `labels` in their order; `opposites`, pairs of them; `onto`, by the name of another label space, the
    label there of each label here; `maps`, by the name of another, the label here of each label there. Fields take the
    labels by the resource's name.
    """

    path: Location
    """The file: `.json` is JSON, everything else TOML."""

    def faults(self) -> Iterable[Fault]:
        """Tells a file that is missing, or is no taxonomy."""
        missing = self.path.fault(wanted="a taxonomy", form="file")
        if missing is not None:
            yield missing
            return
        try:
            read_taxonomy(self.path.path)
        except UnreadableTaxonomy as error:
            yield Fault("CN670", "path", f"{self.path}: {error.found}", "a taxonomy of at least two labels", error.fix)

    def read(self) -> TaxonomyFile:
        """Reads the file; raises `UnreadableTaxonomy`."""
        return read_taxonomy(self.path.path)

    def label_space(self) -> LabelSpace | None:
        """Gives its labels; None where the file cannot be read."""
        try:
            return self.read().space
        except UnreadableTaxonomy:
            return None

    def files(self) -> Iterable[Path]:
        """Lists the file."""
        return [self.path.path]

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Copies the file."""
        return {"path": self.path.copy_into(folder)}


class Lexicon(Resource):
    """A list of words with their affect, or with emotions: numbers for each word.

    Valence, arousal and dominance are brought to -1 to 1. Fields of numbers take the names of the dimensions by the
    resource's name, where there are two or more.
    """

    path: Location
    """The file; `.gz` may follow."""
    format: Literal["vader", "warriner", "nrc", "nrc_vad", "table"]
    """`vader`: VADER's word and mean (Hutto and Gilbert 2014). `warriner`: the columns of means of Warriner et al.
    (2013). `nrc`: word, emotion, score, one pair a line (EmoLex and the intensity lexicon, Mohammad and Turney 2013).
    `nrc_vad`: word, valence, arousal, dominance (Mohammad 2018). `table`: a header line, then a word and its numbers a
    line, with tabs between, taken as they are."""

    def faults(self) -> Iterable[Fault]:
        """Tells a file that is missing, or is none of the format."""
        missing = self.path.fault(wanted="a lexicon", form="file")
        if missing is not None:
            yield missing
            return
        try:
            self.words()
        except UnreadableLexicon as error:
            fits = self._fitting()
            fix = f"format: {fits}" if fits else f"# name under path a file in the format {self.format}"
            yield Fault("CN671", "path", f"{self.path}: {error.found}", f"a lexicon in the format {self.format}", fix)

    def _fitting(self) -> str | None:
        for form in FORMATS:
            try:
                read_lexicon(self.path.path, form)
            except UnreadableLexicon:
                continue
            return form
        return None

    def words(self) -> WordScores:
        """Reads the file; raises `UnreadableLexicon`."""
        return read_lexicon(self.path.path, self.format)

    def label_space(self) -> LabelSpace | None:
        """Gives the dimensions as labels; None for a single one, and where the file cannot be read."""
        try:
            dimensions = self.words().dimensions
        except UnreadableLexicon:
            return None
        return LabelSpace(name="lexicon", labels=dimensions) if len(dimensions) > 1 else None

    def files(self) -> Iterable[Path]:
        """Lists the file."""
        return [self.path.path]

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Copies the file."""
        return {"path": self.path.copy_into(folder)}


class EmoBank(Source, name="emobank"):
    """EmoBank as it is published: sentences with valence, arousal and dominance (Buechel and Hahn 2017).

    Columns: `id`, `text`, and three numbers each from the middle of the scale (-2 to 2): `vad` of both perspectives
    together, `reader` and `writer` where their files lie there. Its splits are train, validation (its dev) and test.
    """

    path: Location
    """The folder with `emobank.csv`, and `reader.csv` and `writer.csv` where there are; each may be gzipped."""

    def faults(self) -> Iterable[Fault]:
        """Tells a folder that is missing, or has no emobank.csv."""
        missing = self.path.fault(wanted="the folder of EmoBank", form="folder")
        if missing is not None:
            yield missing
        elif "emobank" not in emobank_files(self.path.path):
            names = sorted(path.name for path in self.path.path.iterdir())[:1000]
            near = nearest("emobank.csv", names)
            fix = f"# rename {near} to emobank.csv" if near else "# name under path the folder that has emobank.csv"
            yield Fault("CN672", "path", f"{self.path}, without emobank.csv", "the folder of EmoBank", fix)

    def splits(self) -> frozenset[str] | None:
        """Lists its three splits."""
        return frozenset(SPLITS.values())

    def files(self) -> Iterable[Path]:
        """Lists the files that are there."""
        return list(emobank_files(self.path.path).values())

    def open(self) -> Mapping[str, Any]:
        """Reads the rows of each split; raises `DataError` (CN672) where a file is not EmoBank's."""
        import datasets

        try:
            rows = read_emobank(self.path.path)
        except (KeyError, ValueError, OSError, EOFError) as error:
            what = f"no column or split {error}" if isinstance(error, KeyError) else str(error)
            found = f"{self.path}: {what}"
            fault = Diagnostic("CN672", ("path",), found, "the files of EmoBank", "# take an undamaged copy of it")
            raise DataError(fault) from None
        numbers = datasets.List(datasets.Value("float64"))
        texts = dict.fromkeys(("id", "text"), datasets.Value("string"))
        features = datasets.Features({**texts, **dict.fromkeys(("vad", "reader", "writer"), numbers)})
        columns = {split: {name: [row[name] for row in found] for name in features} for split, found in rows.items()}
        return {split: datasets.Dataset.from_dict(found, features=features) for split, found in columns.items()}
