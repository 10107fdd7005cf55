# SPDX-License-Identifier: Apache-2.0
"""Follows the store "hello" in an event loop; runs on when it is replaced. Ctrl-C ends it."""

import asyncio

import strata


async def main():
    with strata.Consumer("hello", wait=60) as consumer:
        async for snapshot in consumer.updates():
            print(snapshot.generation, {n: bytes(layer) for n, layer in snapshot.dimension(1).items()})


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
