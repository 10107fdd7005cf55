# SPDX-License-Identifier: Apache-2.0
"""Waiting for stores that are not there yet."""

import asyncio
import os
import select

import pytest
import strata


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def readable(watch, seconds=60):
    return select.select([watch], [], [], seconds)[0] != []


def test_a_loop_with_poll_misses_nothing(base):
    with strata.StoreWatch("late", base) as watch:
        assert not watch.present() and not readable(watch, 0)
        strata.Producer("late", base).close()
        while not watch.present():
            assert readable(watch)
        strata.Consumer("late", base).close()
        strata.remove_store("late", base)
        assert not watch.present()
    assert watch.closed
    for use in [watch.present, watch.fileno, watch.__enter__]:
        with pytest.raises(ValueError, match="closed"):
            use()
    watch.close()
    with pytest.raises(strata.Error) as caught:
        strata.StoreWatch("a/b", base)
    assert caught.value.code == "invalid_name"


def test_attaching_as_soon_as_there_is_a_store(base):
    async def main():
        waiting = [
            asyncio.create_task(strata.Consumer.when_present("late", base, idle_pin=False))
            for _ in range(3)
        ]
        await asyncio.sleep(0)
        with strata.Producer("other", base):  # another name is none
            await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        with strata.Producer("late", base) as producer:
            with producer.batch() as batch:
                batch.put(1, 1, b"here")
            for consumer in await asyncio.gather(*waiting):
                with consumer:
                    assert await first_text(consumer) == b"here"
            with await strata.Consumer.when_present("late", base) as consumer:  # there already
                assert consumer.generation == producer.generation

    async def first_text(consumer):
        async for snapshot in consumer.updates():
            if (1, 1) in snapshot:
                return bytes(snapshot[1, 1])

    run(main())


def test_the_base_directory_may_come_later_too(base):
    async def main():
        deep = os.path.join(base, "not", "yet")
        waiting = asyncio.create_task(strata.Consumer.when_present("late", deep))
        await asyncio.sleep(0)
        os.makedirs(deep)
        await asyncio.sleep(0)
        strata.Producer("late", deep).close()
        (await waiting).close()

    run(main())


def test_what_is_no_store_is_an_error_and_what_blocks_is_refused(base):
    async def main():
        with open(os.path.join(base, "file"), "wb"):
            pass
        with pytest.raises(strata.Error) as caught:
            await strata.Consumer.when_present("file", base)
        assert caught.value.code == "not_a_store"
        with pytest.raises(TypeError, match="wait"):
            await strata.Consumer.when_present("late", base, wait=1)

    run(main())


def test_waits_end_when_cancelled_or_closed(base):
    async def main():
        watch = strata.StoreWatch("late", base)
        first = asyncio.create_task(watch.wait())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task"):
            await watch.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = asyncio.create_task(watch.wait())
        await asyncio.sleep(0)
        watch.close()
        with pytest.raises(ValueError, match="closed"):
            await second
        with strata.StoreWatch("late", base) as third:
            task = asyncio.create_task(third.wait())
            await asyncio.sleep(0)
            strata.Producer("late", base).close()
            await task
            assert third.present()
        task = asyncio.create_task(strata.Consumer.when_present("never", base))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
