# SPDX-License-Identifier: Apache-2.0
# The manual of the package: docs/python.md says it in sentences.
import datetime
import enum
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TypeVar, overload

import numpy
import numpy.typing
from typing_extensions import Buffer  # these three for checkers; nothing imports them at run time

__version__: str

_Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
_Number = int  # whatever has __index__, numpy's integers included
_Numbers = Buffer | Sequence[_Number]  # a buffer's integers have 64 bits: no copy is made of it
_LayerKey = _Number | str | bytes  # a number, or a name
_DimensionKey = _Number | str  # a number, or a name that the generation has
_Default = TypeVar("_Default")

class Error(Exception):
    code: str  # e.g. "limit_exceeded"
    number: int
    operation: str
    path: str
    hint: str
    errno: int  # 0: no system call failed
    needed: int  # bytes, where that is meaningful
    limit: int
    current: int

class WaitResult(enum.IntEnum):
    CHANGED = 0
    TIMEOUT = 1
    PRODUCER_GONE = 2
    STORE_REPLACED = 3

class Layer(Buffer):
    """In place: memoryview(layer), numpy.frombuffer(layer) are views of the mapping, read-only, and
    keep the snapshot. bytes(layer) copies, and turns a file that is cut short into an Error."""

    def __len__(self) -> int: ...
    def __bytes__(self) -> bytes: ...
    def text(self) -> str: ...
    def verify(self) -> bool: ...
    @property
    def dimension(self) -> int: ...
    @property
    def number(self) -> int: ...
    @property
    def name(self) -> str | None: ...
    @property
    def generation(self) -> int: ...
    @property
    def frequency(self) -> float: ...
    @property
    def keywords(self) -> tuple[str, ...]: ...
    @property
    def checksum(self) -> int: ...
    @property
    def type_tag(self) -> int: ...

class Change(tuple[int, int, str, Layer | None, Layer | None]):
    @property
    def dimension(self) -> int: ...
    @property
    def layer(self) -> int: ...
    @property
    def kind(self) -> Literal["added", "updated", "removed"]: ...
    @property
    def before(self) -> Layer | None: ...
    @property
    def after(self) -> Layer | None: ...

class Bookmark(NamedTuple):
    """A generation that is kept under a name."""

    name: str
    generation: int
    made_at_ns: int  # since 1970: when this generation got the name

class DimensionChange(tuple[int, str, str | None, str | None]):
    """A dimension that one of two snapshots does not have, or has under another name."""

    @property
    def dimension(self) -> int: ...
    @property
    def kind(self) -> Literal["added", "removed", "renamed"]: ...
    @property
    def before(self) -> str | None: ...  # its name; None if added
    @property
    def after(self) -> str | None: ...  # None if removed

class Dimension:
    """One dimension of a snapshot: a read-only mapping from layer numbers, ascending."""

    @property
    def number(self) -> int: ...
    def __len__(self) -> int: ...
    def __getitem__(self, layer: _LayerKey, /) -> Layer: ...
    def __contains__(self, layer: _LayerKey, /) -> bool: ...
    def __iter__(self) -> Iterator[int]: ...
    def keys(self) -> Iterator[int]: ...
    def values(self) -> Iterator[Layer]: ...
    def items(self) -> Iterator[tuple[int, Layer]]: ...
    @overload
    def get(self, layer: _LayerKey, /) -> Layer | None: ...
    @overload
    def get(self, layer: _LayerKey, default: _Default, /) -> Layer | _Default: ...
    def gather(self, numbers: _Numbers, out: Buffer, state: Buffer | None = None) -> int:
        """Copies the payloads of layers, given by their numbers, to the rows of `out`; a
        layer that there is not, or of another size than a row, gives zeros. state[i] (one byte each):
        0 none, 1 copied, 2 of another size. Returns how many were copied. Without the GIL."""

class Snapshot:
    """One generation of the whole store; a context manager. Layers taken from it stay valid."""

    @property
    def generation(self) -> int: ...
    @property
    def published_at(self) -> float: ...  # as time.time()
    @property
    def published_at_ns(self) -> int: ...  # as time.time_ns()
    @property
    def layer_count(self) -> int: ...
    @property
    def dimension_count(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    def __getitem__(self, key: tuple[_DimensionKey, _LayerKey], /) -> Layer: ...
    def __contains__(self, key: tuple[_DimensionKey, _LayerKey], /) -> bool: ...
    @overload
    def get(self, dimension: _DimensionKey, layer: _LayerKey, /) -> Layer | None: ...
    @overload
    def get(
        self, dimension: _DimensionKey, layer: _LayerKey, default: _Default, /
    ) -> Layer | _Default: ...
    def dimension(self, dimension: _DimensionKey, /) -> Dimension: ...  # KeyError
    def dimensions(self) -> dict[int, str]: ...
    def gather(
        self,
        dimension: _DimensionKey,
        numbers: _Numbers,
        out: Buffer,
        state: Buffer | None = None,
    ) -> int: ...
    def changes(
        self, since: Snapshot | None = None, dimension: _DimensionKey | None = None
    ) -> list[Change]: ...
    def dimension_changes(self, since: Snapshot | None = None) -> list[DimensionChange]:
        """Dimensions that were added, removed or renamed, ascending by number; also those without
        a layer, of which changes() has nothing to say."""
    def verify(self) -> list[tuple[str, int | None, int | None, str]]:
        """What is wrong: file, dimension, layer, what. Empty: nothing. Without the GIL."""
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...

class Consumer:
    """A process's read-only end of a store; a context manager. Pickles as the store's address, and
    may be used in a forked child. Methods may be called from any thread."""

    name: str
    base_path: str | None
    def __init__(
        self,
        name: str,
        base_path: _Path | None = None,
        *,
        wait: float | None = None,  # seconds for the store to appear
        lookup_cache_bytes: int | None = None,
        trusted_owner: int | Literal["anybody"] | None = None,  # None: this user, or root
        idle_pin: bool = True,
    ) -> None: ...
    @property
    def generation(self) -> int: ...
    @property
    def durable_generation(self) -> int:
        """The newest that survives a power failure; 0: none. Error, durability_lost: a flush has
        failed, its `current` is the last one that is durable."""
    @property
    def retained(self) -> tuple[int, int]: ...  # oldest and newest that snapshot(generation) gives
    @property
    def producer_pid(self) -> int | None: ...
    @property
    def store_replaced(self) -> bool: ...
    @property
    def closed(self) -> bool: ...
    @classmethod
    async def when_present(
        cls,
        name: str,
        base_path: _Path | None = None,
        *,
        lookup_cache_bytes: int | None = None,
        trusted_owner: int | Literal["anybody"] | None = None,
        idle_pin: bool = True,
    ) -> Self:
        """Attaches as soon as the store is there; the event loop goes on meanwhile."""
    def snapshot(self, generation: int = ..., /) -> Snapshot: ...
    def snapshot_at(
        self,
        when: str | bytes | float | datetime.datetime | None = None,
        *,
        ns: int | None = None,
    ) -> Snapshot:
        """A str or bytes: the generation that has this bookmark; Error, bookmark_not_found. Else
        the newest retained generation that was published at that time or earlier, by the
        producer's clock. A float knows a time to a quarter of a microsecond, a datetime to a whole
        one: what Snapshot.published_at_ns says is for `ns`. Error, generation_not_retained."""
    def bookmarks(self) -> list[Bookmark]: ...  # by name
    def wait(
        self,
        seen: int | None = None,  # None: the newest generation
        timeout: float | None = None,
        *,
        wait_for_producer: bool = False,
    ) -> WaitResult: ...
    def updates(self, *, reattach: bool = True) -> AsyncIterator[Snapshot]:
        """The newest generation, now and whenever there is a newer one; those between are left out.
        `reattach`: goes on with another store under the name. Ends when the consumer is closed."""
    def fileno(self) -> int: ...
    def acknowledge(self) -> int: ...
    def statistics(self) -> dict[str, Any]: ...
    def reattach(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

class StoreWatch:
    """Tells when a store may have appeared; a context manager. Needs no thread and writes nothing.
    For asyncio: wait(), or Consumer.when_present. Other loops ask present() and, while it is false,
    wait until fileno() is readable: that misses nothing. One thread at a time."""

    def __init__(self, name: str, base_path: _Path | None = None) -> None: ...
    @property
    def closed(self) -> bool: ...
    def fileno(self) -> int: ...
    def present(self) -> bool: ...  # resets the descriptor
    async def wait(self) -> None: ...  # one task at a time; ValueError: closed meanwhile
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

class Loan(Buffer):
    """Room in a batch, zeroed: with it, a writable memoryview. The batch cannot be changed while
    the view is there, the loan not be used once the batch was changed."""

    def __len__(self) -> int: ...
    def __enter__(self) -> memoryview: ...
    def __exit__(self, *exception: object) -> None: ...

class Batch:
    """Changes that become visible together. As a context manager: publishes at the end, drops them
    if an exception comes through. One thread at a time (RuntimeError)."""

    def __len__(self) -> int: ...
    def put(
        self,
        dimension: _Number,
        layer: _LayerKey,
        data: Buffer | str,
        frequency: float = 0.0,
        keywords: Iterable[str] | None = None,
        alignment: int = 0,
        type_tag: int = 0,
    ) -> int: ...  # the layer's number
    def loan(
        self,
        dimension: _Number,
        layer: _LayerKey,
        size: int,
        frequency: float = 0.0,
        keywords: Iterable[str] | None = None,
        alignment: int = 0,
        type_tag: int = 0,
    ) -> Loan: ...
    def erase(self, dimension: _Number, layer: _LayerKey, /) -> None: ...
    def dimension(self, name: str, /) -> int:
        """The number of the dimension of that name; a new one is added to the batch."""
    def remove_dimension(self, dimension: _Number, /) -> None: ...
    def clear_dimension(self, dimension: _Number, /) -> None:
        """Removes all layers that the dimension has by then but those that this batch puts."""
    def name_dimension(self, dimension: _Number, name: str, /) -> None: ...
    def crystallize(self) -> int: ...  # the generation; without the GIL
    def clear(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

class Type:
    """A type of values by the name that all languages give it: its tag is kept beside each layer,
    so that nobody reads one type as another. `alignment` (None: the dtype's) and size are part of
    the tag: structs are laid out as C's with numpy.dtype([...], align=True). Scalars have names of
    their own (f64, u8 ...); others need one."""

    name: str
    dtype: numpy.dtype[Any]
    alignment: int
    tag: int  # of one value
    array_tag: int  # of any number of them
    def __init__(
        self, dtype: numpy.typing.DTypeLike, name: str | None = None, alignment: int | None = None
    ) -> None: ...
    @classmethod
    def from_schema(cls, text: str) -> Self: ...  # ValueError: it is none
    @classmethod
    def of(cls, snapshot: Snapshot, layer: Layer) -> Self:
        """The type of a layer: a number's, or what the snapshot's schema of it says (describe, or
        another language's). KeyError if there is none, ValueError if it is damaged or a lie."""
    @property
    def schema(self) -> str: ...  # JSON; TypeError: it has parts that other languages do not know
    def describe(self, batch: Batch) -> None:
        """Puts the schema into the dimension "strata.types", where Type.of finds it."""
    def read(self, layer: Layer) -> Any:
        """What value or array gives, whichever was put."""
    def put(
        self, batch: Batch, dimension: _Number, layer: _LayerKey, value: Any, **options: Any
    ) -> int:
        """One value; options as those of Batch.put. Returns the layer's number."""
    def put_array(
        self, batch: Batch, dimension: _Number, layer: _LayerKey, values: Any, **options: Any
    ) -> int: ...
    def value(self, layer: Layer) -> Any:
        """The value, of a struct in place; Error, type_mismatch, if the layer holds another type."""
    def array(self, layer: Layer) -> numpy.ndarray[Any, Any]:
        """The values, in place and read-only; keeps the snapshot. Error as above."""

class Producer:
    """The one writer of a store; a context manager. A forked child cannot use it."""

    def __init__(
        self,
        name: str,
        base_path: _Path | None = None,
        mode: Literal["open_or_create", "create", "open", "replace"] = "open_or_create",
        memory_limit: int = 0,  # 0: 280 MiB
        region_max_bytes: int = 0,
        own_regions: bool = False,
        retain: int = 0,  # earlier generations that stay readable
        access_mode: int = 0,  # 0o644, 0o640 or 0o600
        retain_for: float | None = None,  # seconds: those of the last so long stay readable, too
        retain_bytes: int = 0,  # for what is retained; 0: memory_limit alone bounds it
        durability: Literal["automatic", "off", "background", "each_commit"] = "automatic",
        durability_interval: float | None = None,  # seconds, of "background"; None: 1
        durability_generations: int = 0,  # "background": also after so many
    ) -> None: ...
    @property
    def generation(self) -> int: ...
    @property
    def durable_generation(self) -> int: ...  # survives a power failure; 0: none
    def set_bookmark(self, name: str | bytes, generation: int = 0, /) -> int:
        """Keeps a generation under a name until it is removed, whoever is producer meanwhile: the
        newest one (0), one that is retained, or one that has another bookmark. A name that is
        taken moves. Error: invalid_name, generation_not_retained, limit_exceeded."""
    def remove_bookmark(self, name: str | bytes, /) -> None:
        """Who has a snapshot by it keeps that. Error, bookmark_not_found."""
    def checkpoint(self) -> int:
        """Makes the newest generation durable, without the GIL, and returns it. Error,
        durability_lost: a flush failed, now or before; it is never tried again."""
    def wait_durable(self, generation: int, /) -> None:
        """Returns when it is durable, without the GIL; those who wait share a flush."""
    @property
    def closed(self) -> bool: ...
    def batch(self) -> Batch: ...
    def add_dimension(
        self,
        dimension: _Number,
        name: str | None = None,
        initial_bytes: int = 0,
        max_bytes: int = 0,
        own_region: bool = False,
        access_mode: int = 0,  # 0o644, 0o640 or 0o600; 0: the producer's
    ) -> int: ...
    def move_dimension(
        self,
        dimension: _Number,
        initial_bytes: int = 0,
        max_bytes: int = 0,
        own_region: bool = False,
        access_mode: int = 0,
    ) -> int:
        """To a region file of its own if an option asks for one, else to the shared ones: one
        generation, in which no layer changes. Copies every layer, without the GIL."""
    def add_core_dimensions(self) -> int: ...
    def set_memory_limit(self, bytes: int, /) -> None: ...
    def trim(self) -> int: ...
    def statistics(self) -> dict[str, Any]: ...
    def close(self) -> None: ...  # closes its batches
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

def stores(base_path: _Path | None = None) -> list[str]: ...
def remove_store(name: str, base_path: _Path | None = None) -> None: ...
def statistics(name: str, base_path: _Path | None = None) -> dict[str, Any]: ...
def layer_number(name: str | bytes, /) -> int: ...
def type_tag(name: str, size: int, alignment: int, array: bool = False, /) -> int: ...
def type_tag_text(tag: int, /) -> str: ...  # "f64", "u32[]", "plain bytes"
