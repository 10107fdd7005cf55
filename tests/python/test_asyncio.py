# SPDX-License-Identifier: Apache-2.0
"""Following a store in an event loop."""

import asyncio

import pytest
import strata


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def test_updates_come_as_they_are_published(consumer, publish):
    async def follow():
        seen = []
        async for snapshot in consumer.updates():
            seen.append(snapshot.generation)
            if len(seen) == 5:
                return seen
            publish(1, 1, b"next")

    assert run(follow()) == [1, 2, 3, 4, 5]


def test_several_listeners_and_loops_after_each_other(consumer, publish):
    async def listen(count):
        generations = []
        async for snapshot in consumer.updates():
            generations.append(snapshot.generation)
            if len(generations) == count:
                return generations

    async def all_listen():
        tasks = [asyncio.create_task(listen(2)) for _ in range(3)]
        while len([task for task in tasks if consumer._watches]) < 3:
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)  # each has its first one
        publish(1, 1, b"x")
        return await asyncio.gather(*tasks)

    first = run(all_listen())
    assert first[0] == first[1] == first[2] and first[0][1] == first[0][0] + 1
    second = run(all_listen())
    assert second[0][0] == first[0][1]
    assert consumer._watches == {}


def test_updates_end_when_the_consumer_is_closed(base, producer):
    consumer = strata.Consumer("store", base)

    async def follow():
        count = 0
        async for _ in consumer.updates():
            count += 1
            asyncio.get_running_loop().call_soon(consumer.close)
        return count

    assert run(follow()) == 1


def test_updates_go_on_with_the_store_that_takes_the_name(base, producer, consumer, publish):
    publish(1, 1, b"old")

    async def follow():
        async for snapshot in consumer.updates():
            text = bytes(snapshot[1, 1])
            if text == b"new":
                return text
            producer.close()
            with strata.Producer("store", base, mode="replace") as again:
                with again.batch() as batch:
                    batch.put(1, 1, b"new")

    assert run(follow()) == b"new"


@pytest.mark.parametrize("then", ["another store", "close"])
def test_updates_do_not_hold_up_the_loop_while_there_is_no_store(base, producer, consumer, publish, then):
    publish(1, 1, b"old")
    others = []  # what else the loop gets to do

    def go_on():
        others.append(then)
        if then == "close":
            consumer.close()
            return
        with strata.Producer("store", base) as again, again.batch() as batch:
            batch.put(1, 1, b"new")

    async def follow():
        texts = []
        async for snapshot in consumer.updates():
            texts.append(bytes(snapshot[1, 1]))
            if texts[-1] == b"new":
                break
            producer.close()
            strata.remove_store("store", base)
            asyncio.get_running_loop().call_soon(go_on)  # once it waits for a store
        return texts

    assert run(follow()) == ([b"old", b"new"] if then == "another store" else [b"old"])
    assert others == [then]


def test_cancelling_leaves_nothing_behind(consumer, publish):
    async def follow():
        async for _ in consumer.updates():
            pass

    async def main():
        task = asyncio.create_task(follow())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return consumer._watches

    assert run(main()) == {}
