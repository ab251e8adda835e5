"""A made history of a project: text-like files, changed, added, removed and renamed from version to version.

Everything follows from the numbers of a :class:`Shape`, so a history can be taken up again where its making ended.
"""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
from collections.abc import Iterator
from typing import Final

_FIRST_DAY: Final = 1_700_000_000
_EDIT_STEP: Final = 3600
_WORDS: Final = 6000
_POOL: Final = 8 << 20
_MEDIAN: Final = 8.49
_SPREAD: Final = 1.2
"""Sizes are log-normal: half of the files below 4.9 KB, 10 KB on average."""
_LARGEST: Final = 4 << 20
_COPIES: Final = 0.02
"""Share of the files that repeat another one: licences, empty package files, fixtures."""
_FOLDERS: Final = ("src", "docs", "tests", "tools", "assets")
_ENDINGS: Final = (".py", ".py", ".md", ".c", ".h", ".json", ".html", ".txt")


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """How large a history is: files of the first version, versions, and changes of each one after it."""

    files: int = 50_000
    versions: int = 100
    modified: int = 300
    added: int = 60
    removed: int = 60
    renamed: int = 80

    def key(self) -> str:
        """Return a name for a folder that holds this history."""
        changes = f"{self.modified}-{self.added}-{self.removed}-{self.renamed}"
        return f"history-{self.files}x{self.versions}-{changes}"


Content = tuple[int, int]
"""A content: which file it began as, and how often that was edited."""


@dataclasses.dataclass(slots=True)
class Step:
    """What one version changed: paths with their new contents, paths that went, and (old, new) paths."""

    written: dict[str, Content] = dataclasses.field(default_factory=dict)
    removed: list[str] = dataclasses.field(default_factory=list)
    renamed: list[tuple[str, str]] = dataclasses.field(default_factory=list)


class History:
    """The model: which path holds which content in the present version, and how it goes on.

    Attributes:
        shape: its size.
        tree: path → content.
        version: number of the present version; 0 before the first.
        contents: every content that any version so far had.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.tree: dict[str, Content] = {}
        self.version = 0
        self.contents: set[Content] = set()
        self._dice = random.Random(7)
        self._paths: list[str] = []
        self._next = 0
        self._text = _pool()

    def advance(self) -> Step:
        """Go on to the next version and return what it changed."""
        step = self._first() if self.version == 0 else self._later()
        self.version += 1
        return step

    def _first(self) -> Step:
        return Step(written=dict(self._add() for _ in range(self.shape.files)))

    def _later(self) -> Step:
        shape, dice, step = self.shape, self._dice, Step()
        wanted = shape.modified + shape.removed + shape.renamed
        places = dice.sample(range(len(self._paths)), wanted)
        for place in places[: shape.modified]:
            path = self._paths[place]
            number, edits = self.tree[path]
            step.written[path] = self._put(path, (number, edits + 1))
        for place in places[shape.modified : shape.modified + shape.renamed]:
            old = self._paths[place]
            new = self._new_path()
            if dice.random() < 0.5:  # half of them stay in their folder
                new = f"{os.path.dirname(old)}/{os.path.basename(new)}"
            self.tree[new] = self.tree.pop(old)
            self._paths[place] = new
            step.renamed.append((old, new))
        for place in sorted(places[shape.modified + shape.renamed :], reverse=True):
            step.removed.append(self._paths[place])
            del self.tree[self._paths[place]]
            self._paths[place] = self._paths[-1]
            self._paths.pop()
        step.written.update(self._add() for _ in range(shape.added))
        return step

    def _add(self) -> tuple[str, Content]:
        path = self._new_path()
        copied = self._paths and self._dice.random() < _COPIES
        content = self.tree[self._dice.choice(self._paths)] if copied else (self._next, 0)
        self._paths.append(path)
        return path, self._put(path, content)

    def _put(self, path: str, content: Content) -> Content:
        self.tree[path] = content
        self.contents.add(content)
        return content

    def _new_path(self) -> str:
        self._next += 1
        dice = self._dice
        parts = [dice.choice(_FOLDERS), f"part_{dice.randrange(40):02}"]
        if dice.random() < 0.7:
            parts.append(self._text.words[dice.randrange(20)])  # some 4,000 folders, a dozen files in each
        name = f"{self._text.words[dice.randrange(2000)]}_{self._next}{dice.choice(_ENDINGS)}"
        return "/".join((*parts, name))

    def data(self, content: Content) -> bytes:
        """Return the bytes of *content*."""
        number, edits = content
        dice = random.Random(number)
        size = min(_LARGEST, int(dice.lognormvariate(_MEDIAN, _SPREAD)))
        data = bytearray(f"# file {number}\n".encode() + self._text.take(dice, size))
        for edit in range(1, edits + 1):
            dice = random.Random(number << 20 | edit)
            for _ in range(dice.randrange(1, 5)):
                at = dice.randrange(len(data))
                line = f"\n# edit {edit} of {number}: ".encode() + self._text.take(dice, dice.randrange(20, 400))
                data[at : at + dice.randrange(200)] = line
        return bytes(data)

    def time_of(self, version: int) -> float:
        """Return the modification time of what *version* wrote, seconds since the epoch."""
        return _FIRST_DAY + version * _EDIT_STEP

    # ------------------------------------------------------------------------------------------- on disk

    def write_all(self, folder: str, written_in: dict[str, int]) -> None:
        """Make the tree of the present version in *folder*; *written_in* tells the version that wrote each path."""
        shutil.rmtree(folder, ignore_errors=True)
        for path, content in self.tree.items():
            self.write(folder, path, content, written_in[path])

    def write(self, folder: str, path: str, content: Content, version: int) -> None:
        """Write one file."""
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(self.data(content))
        os.utime(target, (self.time_of(version), self.time_of(version)))

    def apply(self, folder: str, step: Step) -> None:
        """Change the tree in *folder* by *step*, which led to the present version."""
        for old, new in step.renamed:
            os.makedirs(os.path.dirname(os.path.join(folder, new)), exist_ok=True)
            os.rename(os.path.join(folder, old), os.path.join(folder, new))
        for path in step.removed:
            os.unlink(os.path.join(folder, path))
        for path, content in step.written.items():
            self.write(folder, path, content, self.version)


def replay(history: History, versions: int) -> dict[str, int]:
    """Advance *history* to the state after *versions*; return path → version that wrote what it holds."""
    written: dict[str, int] = {}
    while history.version < versions:
        step = history.advance()
        for old, new in step.renamed:
            written[new] = written.pop(old)
        for path in step.removed:
            del written[path]
        written.update(dict.fromkeys(step.written, history.version))
    return written


class _Text:
    def __init__(self, words: list[str], pool: bytes) -> None:
        self.words = words
        self._pool = pool

    def take(self, dice: random.Random, size: int) -> bytes:
        """Return *size* bytes in passages of some hundred bytes, so that files are alike only as texts are."""
        return b"".join(self._passages(dice, size))[:size]

    def _passages(self, dice: random.Random, size: int) -> Iterator[bytes]:
        taken = 0
        while taken < size:
            length = dice.randrange(80, 900)
            at = dice.randrange(len(self._pool) - length)
            yield self._pool[at : at + length]
            taken += length


def _pool() -> _Text:
    """Make a vocabulary and a long text of it, the words as frequent as in a language (Zipf)."""
    dice = random.Random(1)
    parts = (
        "ka",
        "ma",
        "ros",
        "le",
        "tin",
        "so",
        "ver",
        "al",
        "ne",
        "dra",
        "po",
        "lis",
        "um",
        "gre",
        "ch",
        "ing",
        "ter",
    )
    words = list(dict.fromkeys("".join(dice.choices(parts, k=dice.randrange(1, 5))) for _ in range(4 * _WORDS)))[
        :_WORDS
    ]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    breaks = (" ", " ", " ", " ", " ", " ", ", ", ".\n", "\n    ", " = ", "(", ") ", "_")
    text: list[str] = []
    length = 0
    while length < _POOL:
        for word, gap in zip(dice.choices(words, weights, k=4096), dice.choices(breaks, k=4096), strict=True):
            text += (word, gap)
            length += len(word) + len(gap)
    return _Text(words, "".join(text).encode()[:_POOL])
