# SPDX-License-Identifier: Apache-2.0
"""StoreWatch: waiting for a store to appear, in an event loop."""

import asyncio

from . import _strata


class StoreWatch(_strata.StoreWatch):
    """Tells when a store may have appeared; a context manager. See strata/__init__.pyi."""

    _waiting = None

    def __enter__(self):
        self.fileno()  # raises if it is closed
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Ends wait(), with ValueError. In the loop's thread."""
        self._end(ValueError("the watch is closed"))
        super().close()

    async def wait(self):
        """Returns when there is something of that name."""
        while not self.present():
            await self._readable()

    async def _readable(self):
        """Returns when it is worth asking present() again."""
        if self._waiting is not None:
            raise RuntimeError("another task waits with this watch: each needs one of its own")
        loop = asyncio.get_running_loop()
        waiting = loop.create_future()
        loop.add_reader(self.fileno(), self._end)
        self._waiting = waiting
        try:
            await waiting
        finally:
            if self._waiting is waiting:  # cancelled
                self._end()

    def _end(self, error=None):
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        waiting.get_loop().remove_reader(self.fileno())  # while the number is still the watch's
        if waiting.done():
            return
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)
