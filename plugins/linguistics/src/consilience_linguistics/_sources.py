"""Declares the sources of linguistics: treebanks, column files and minimal pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from consilience.declare import DataError, Diagnostic, Fault, Field, Location, Severity, Source

if TYPE_CHECKING:
    from consilience_linguistics.conll import Block

__all__ = ["Columns", "Conllu", "MinimalPairs"]

_SPLIT = "{split}"
_SPLITS = {"train": ("train",), "validation": ("validation", "valid", "val", "dev", "devel"), "test": ("test",)}
_TOLD = 5
"""The most faults of a file that are told at once."""
_CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_PLUS = "# global.columns ="


class _Sentences(Source):
    """A source of sentences in a file, or in one for each split."""

    path: Location
    """The file, gzipped or not. With `{split}` in it, such as `{split}.conllu`, each of train, validation (also valid,
    val, dev, devel) and test that exists is that split."""

    def faults(self) -> Iterable[Fault]:
        """Tells of a file that is missing."""
        located = dict(self._located())
        if not located:
            found = f"{self.path}, and no file by that name for any of train, validation, test"
            fix = "path: " + self.path.text.replace(_SPLIT, "train")
            yield Fault("CN601", "path", found, "a file for one split at least", fix)
        yield from [fault for place in located.values() if (fault := place.fault(wanted="sentences", form="file"))]

    def files(self) -> Iterable[Path]:
        """Lists the file, or that of each split."""
        return [place.path for _, place in self._located()]

    def splits(self) -> frozenset[str] | None:
        """Lists the splits whose files exist, or `all`."""
        return frozenset(split for split, _ in self._located()) or None

    def _located(self) -> Iterator[tuple[str, Location]]:
        if _SPLIT not in self.path.text:
            yield "all", self.path
            return
        for split, names in _SPLITS.items():
            places = [replace(self.path, text=self.path.text.replace(_SPLIT, name)) for name in names]
            yield from [(split, found) for found in places if found.fault(form="file") is None][:1]

    def open(self) -> Mapping[str, Any]:
        """Reads every sentence of every split; raises `DataError` (CN540, CN541), with paths that start here."""
        import datasets

        read = {split: list(self._rows(place.path)) for split, place in self._located()}
        return {split: datasets.Dataset.from_list(rows) for split, rows in read.items()}

    def stream(self) -> Mapping[str, Any]:
        """Gives the sentences of every split as they are read; raises as `open` does."""
        import datasets

        return {
            split: datasets.IterableDataset.from_generator(self._rows, gen_kwargs={"path": place.path})
            for split, place in self._located()
        }

    def _rows(self, path: Path) -> Iterator[dict[str, Any]]:
        from consilience_linguistics.conll import BrokenSentence, blocks_of

        try:
            read, wrong = self._reader(path), list[Diagnostic]()
            for block in blocks_of(path):
                try:
                    row = read(block)
                except BrokenSentence as error:
                    wrong.append(self._broken(f"{path.name}, {error}"))
                    row = None
                if row is not None and (fault := self._wrong(row)):
                    found = f"{path.name}, line {block.line}: {fault}"
                    fix = f"# correct the HEAD column of the sentence at line {block.line} of {path.name}"
                    wrong.append(Diagnostic("CN541", ("path",), found, "one tree over the words of a sentence", fix))
                if len(wrong) == _TOLD:
                    break
                if row is not None and not wrong:
                    yield row
        except (OSError, EOFError, UnicodeDecodeError) as error:
            wrong = [self._broken(f"{path.name}: {' '.join(str(error).split())}")]
        if wrong:
            raise DataError(wrong)

    def _reader(self, path: Path) -> Callable[[Block], dict[str, Any] | None]:
        raise NotImplementedError

    def _broken(self, found: str) -> Diagnostic:
        raise NotImplementedError

    def _wrong(self, row: Mapping[str, Any]) -> str | None:
        return None


class Conllu(_Sentences):
    """Sentences of a treebank in CoNLL-U, or in CoNLL-U Plus (Universal Dependencies, de Marneffe et al. 2021).

    Columns: `id`, `text`, and one item a word: `words`, `lemmas`, `upos`, `xpos`, `feats`, `heads` (0 is the root),
    `deprels` as written, `relations` without their subtypes. Ranges of words and empty nodes are left out; `_` is a
    label that no loss and no metric looks at.
    """

    features: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    """Features of FEATS, such as `Number`, each of which becomes a column of its own; `_` where a word has it not."""
    misc: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    """Keys of MISC, such as `NER`, each of which becomes a column of its own; `O` where a word has it not."""

    def _reader(self, path: Path) -> Callable[[Block], dict[str, Any] | None]:
        from consilience_linguistics.conll import blocks_of, read_tree

        first = next((line for block in blocks_of(path) for line in block.lines), "")
        names = first.removeprefix(_PLUS).lower().split() if first.startswith(_PLUS) else list(_CONLLU)
        return lambda block: read_tree(block, names, self.features, self.misc)

    def _broken(self, found: str) -> Diagnostic:
        expected = "CoNLL-U: ten columns divided by tabs, the words of a sentence numbered from 1"
        return Diagnostic(
            "CN540", ("path",), found, expected, "# correct these lines, or name a CoNLL-U file under path"
        )

    def _wrong(self, row: Mapping[str, Any]) -> str | None:
        from consilience_linguistics.conll import tree_fault

        return tree_fault(row["heads"])


class Columns(_Sentences):
    """Sentences in columns, a word a line and an empty line between sentences, as of the CoNLL shared tasks.

    Columns: those that `columns` names, one item a word each.
    """

    columns: list[Annotated[str, Field(min_length=1)]] = Field(["words", "tags"], min_length=1)
    """What stands in each column of the file, from left to right."""
    separator: Literal["tab", "space"] = "tab"
    """What stands between two columns: a tab, or any white space."""

    def faults(self) -> Iterable[Fault]:
        """Tells of a file that is missing, and of a column that is named twice."""
        yield from super().faults()
        twice = [name for place, name in enumerate(self.columns) if name in self.columns[:place]]
        if twice:
            fix = f"columns: [{', '.join(dict.fromkeys(self.columns))}]"
            yield Fault("CN123", "columns", f"{twice[0]} twice", "each column by a name of its own", fix)

    def examine(self) -> Iterable[Fault]:
        """Warns of tags that begin inside an entity (`I-PER` after `O`), in columns whose tags are all of BIO."""
        from consilience_linguistics.tagging import is_bio, stray_tags

        for _, place in self._located():
            rows = list(self._rows(place.path))
            for name in self.columns:
                if not is_bio({tag for row in rows for tag in row[name]}):
                    continue
                strays = ((number, stray) for number, row in enumerate(rows, 1) for stray in stray_tags(row[name]))
                told = [f"{stray} in sentence {number}" for number, stray in islice(strays, _TOLD)]
                if told:
                    found = f"column {name} of {place.path.name}: {', '.join(told)}"
                    expected = "entities that begin with B-, or tags of another scheme"
                    fix = f"# write B- where an entity begins in column {name}"
                    yield Fault("CN542", "path", found, expected, fix, Severity.WARNING)

    def _reader(self, path: Path) -> Callable[[Block], dict[str, Any] | None]:
        from consilience_linguistics.conll import read_columns

        separator = "\t" if self.separator == "tab" else None
        return lambda block: read_columns(block, self.columns, separator)

    def _broken(self, found: str) -> Diagnostic:
        divided = "tabs" if self.separator == "tab" else "white space"
        expected = f"{len(self.columns)} columns ({', '.join(self.columns)}) divided by {divided}"
        other = "space" if self.separator == "tab" else "tab"
        return Diagnostic("CN540", ("path",), found, expected, f"separator: {other}  # or name every column in columns")


class MinimalPairs(Source):
    """Pairs of sentences of which one is acceptable, as BLiMP has them (Warstadt et al. 2020).

    Columns: `good`, `bad`, `paradigm`, `phenomenon`, `field`, `pair`.
    """

    path: Location
    """A file of JSON lines, gzipped or not, or a folder of such files."""
    part: Literal["all", "train", "validation", "test"] = "all"
    """The split that the pairs are; under `all` the fusion deals them out."""
    good: str = Field("sentence_good", min_length=1)
    """The key of the acceptable sentence."""
    bad: str = Field("sentence_bad", min_length=1)
    """The key of the other one."""
    paradigm: str = Field("UID", min_length=1)
    """The key of the paradigm that the pair is of."""

    def faults(self) -> Iterable[Fault]:
        """Tells of a place where nothing lies, and of a folder without JSON lines."""
        fault = self.path.fault(wanted="minimal pairs")
        if fault:
            yield fault
        elif not self.files():
            fix = "# name under path a folder with files such as adjunct_island.jsonl"
            yield Fault("CN601", "path", f"{self.path}: a folder without .jsonl files", "files of JSON lines", fix)

    def files(self) -> list[Path]:
        """Lists the file, or those of the folder in the order of their names."""
        path = self.path.path
        if not path.is_dir():
            return [path]
        return sorted([*path.glob("*.jsonl"), *path.glob("*.jsonl.gz")])

    def splits(self) -> frozenset[str]:
        """Gives the one split."""
        return frozenset({self.part})

    def open(self) -> Mapping[str, Any]:
        """Reads every pair; raises `DataError` (CN543), with paths that start at this source."""
        import datasets

        return {self.part: datasets.Dataset.from_list(list(self._rows()))}

    def stream(self) -> Mapping[str, Any]:
        """Gives the pairs as they are read; raises as `open` does."""
        import datasets

        return {self.part: datasets.IterableDataset.from_generator(self._rows)}

    def _rows(self) -> Iterator[dict[str, Any]]:
        from consilience_linguistics.pairs import BrokenPair, read_pairs

        for path in self.files():
            try:
                yield from read_pairs(path, self.good, self.bad, self.paradigm)
            except BrokenPair as error:
                expected = f"JSON lines, each with the texts {self.good}, {self.bad} and {self.paradigm}"
                fix = "# say under good, bad and paradigm what the keys of the file are"
                raise DataError(Diagnostic("CN543", ("path",), f"{path.name}, {error}", expected, fix)) from error
