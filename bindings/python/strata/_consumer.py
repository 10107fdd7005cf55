# SPDX-License-Identifier: Apache-2.0
"""Consumer: attaching, waiting, following a store with asyncio."""

import asyncio
import datetime
import enum
import json
import numbers
import os
import typing

from . import _strata
from ._store_watch import StoreWatch


class WaitResult(enum.IntEnum):
    """How a wait ended."""

    CHANGED = 0
    TIMEOUT = 1
    PRODUCER_GONE = 2
    STORE_REPLACED = 3


class Bookmark(typing.NamedTuple):
    """A generation that is kept under a name."""

    name: str
    generation: int
    made_at_ns: int


_EPOCH = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)


def _ns_since_1970(time):
    if isinstance(time, datetime.datetime):
        return (time.astimezone(datetime.timezone.utc) - _EPOCH) // _MICROSECOND * 1000
    if not isinstance(time, numbers.Real):
        raise TypeError(f"a time is a number of seconds or a datetime, not {type(time).__name__}")
    return int(time * 1_000_000_000)


class _Watch:
    """The listeners of one event loop to a consumer's one descriptor."""

    def __init__(self, consumer, loop):
        self._consumer = consumer
        self._loop = loop
        self._descriptor = None
        self._events = set()

    def add(self):
        event = asyncio.Event()
        if self._descriptor is None:
            self._descriptor = self._consumer.fileno()
            self._loop.add_reader(self._descriptor, self._notify)
        self._events.add(event)
        return event

    def discard(self, event):
        self._events.discard(event)
        if not self._events:
            self.stop()

    def stop(self):
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            self._descriptor = None
        self.wake()

    def wake(self):
        for event in self._events:
            event.set()

    def _notify(self):
        try:
            self._consumer.acknowledge()
        except Exception:
            self.stop()  # whoever listens meets the reason when it takes its snapshot
        for watch in list(self._consumer._watches.values()):
            if watch is self:
                watch.wake()
            else:  # another thread's loop: the descriptor may be silent before it looks
                watch._loop.call_soon_threadsafe(watch.wake)


class Consumer(_strata.Consumer):
    """A process's read-only end of a store; a context manager. See strata/__init__.pyi."""

    def __init__(self, name, base_path=None, **options):
        self.name = name
        self.base_path = None if base_path is None else os.path.abspath(os.fsdecode(base_path))
        self._options = {key: value for key, value in options.items() if key != "wait"}
        self._watches = {}
        super().__init__(name, base_path, **options)

    def __enter__(self):
        self.generation  # raises if it is closed
        return self

    def __exit__(self, *exception):
        self.close()

    def __reduce__(self):
        return _attach, (self.name, self.base_path, self._options)

    def __repr__(self):
        state = "closed" if self.closed else f"generation {self.generation}"
        return f"<strata.Consumer {self.name!r}, {state}>"

    def close(self):
        """Ends waits and updates() of this consumer. Snapshots and layers stay valid."""
        self._stop_watches()
        super().close()

    def reattach(self):
        """Attaches anew; if that fails, the old attachment stays. Waits of other threads end."""
        options = {"base_path": self.base_path, **self._options}
        # Before: afterwards its number may be another descriptor's.
        watches = [watch for watch in self._watches.values() if watch._descriptor is not None]
        for watch in watches:
            watch._loop.remove_reader(watch._descriptor)
            watch._descriptor = None
        try:
            super().__init__(self.name, **options)
        finally:
            for watch in watches:
                watch._descriptor = self.fileno()
                watch._loop.add_reader(watch._descriptor, watch._notify)
                watch.wake()

    @classmethod
    async def when_present(cls, name, base_path=None, **options):
        """Attaches as soon as the store is there, without blocking the event loop."""
        if "wait" in options:
            raise TypeError("when_present() waits by itself: `wait` would block the event loop")
        with StoreWatch(name, base_path) as watch:
            while True:
                if watch.present():
                    try:
                        return cls(name, base_path, **options)
                    except _strata.Error as error:  # gone again
                        if error.code != "store_not_found":
                            raise
                await watch._readable()

    def snapshot_at(self, when=None, *, ns=None):
        """What a bookmark names (a str or bytes); or what was current at a time: as time.time() or
        time.time_ns(), or a datetime."""
        if (when is None) == (ns is None):
            raise TypeError("snapshot_at() takes a bookmark or a time, or ns=")
        if isinstance(when, (str, bytes)):
            return self._snapshot_of_bookmark(when)
        return self._snapshot_at(_ns_since_1970(when) if ns is None else ns)

    def bookmarks(self):
        """All bookmarks of the store, by name."""
        return [Bookmark(*one) for one in self._bookmarks()]

    def wait(self, seen=None, timeout=None, *, wait_for_producer=False):
        """Sleeps, without the GIL, until there is a generation newer than `seen`."""
        if seen is None:
            seen = self.generation
        return WaitResult(self._wait(seen, timeout, wait_for_producer))

    def statistics(self):
        """What the store is doing and where its memory is, as a dict."""
        return json.loads(self._statistics_json())

    async def updates(self, *, reattach=True):
        """Yields a snapshot of the newest generation, now and whenever there is a newer one."""
        loop = asyncio.get_running_loop()
        watch = self._watches.setdefault(loop, _Watch(self, loop))
        event = watch.add()
        seen = None
        try:
            while not self.closed:
                event.clear()
                gone = False
                if reattach and self.store_replaced:
                    try:
                        self.reattach()
                    except _strata.Error as error:
                        if error.code != "store_not_found":
                            raise
                        gone = True
                    else:
                        seen = None  # generations of another store
                if self.closed:
                    break
                if seen is None or self.generation > seen:
                    snapshot = self.snapshot()
                    seen = snapshot.generation
                    yield snapshot
                    del snapshot  # so that no old one is held while nothing happens
                elif gone:
                    await self._another_store(loop, event)
                else:
                    await event.wait()
        finally:
            watch.discard(event)
            if not watch._events:
                self._watches.pop(loop, None)

    async def _another_store(self, loop, event):
        """Until there is a store of that name again, or the consumer is closed."""
        with StoreWatch(self.name, self.base_path) as store:
            loop.add_reader(store.fileno(), event.set)
            try:
                while not (self.closed or store.present()):
                    await event.wait()
                    event.clear()
            finally:
                loop.remove_reader(store.fileno())

    def _stop_watches(self):
        for watch in list(self._watches.values()):
            watch.stop()


def _attach(name, base_path, options):
    return Consumer(name, base_path, **options)
