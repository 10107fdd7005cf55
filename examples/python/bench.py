# SPDX-License-Identifier: Apache-2.0
"""What Python pays: look-ups and gathering beside a dict and numpy, and how soon asyncio hears of a
commit. Processor time but for the last row; medians of rounds that alternate."""

import asyncio
import random
import shutil
import statistics
import tempfile
import time

import numpy
import strata

LAYERS, COUNT, BYTES, ROUNDS = 10_000, 20_000, 256, 15


def rows(snapshot, table, keys):
    numbers = numpy.array(keys[:4096], numpy.uint64)
    indices = numbers.astype(numpy.intp)
    out = numpy.empty((4096, BYTES), numpy.uint8)
    array = numpy.stack([numpy.frombuffer(table[n], numpy.uint8) for n in range(LAYERS)])
    dimension = snapshot.dimension(1)

    def each(work):
        def run():
            for key in keys:
                work(key)

        return run, len(keys)

    return {
        "dict: table[n]": each(lambda n: table[n]),
        "dimension[n]": each(lambda n: dimension[n]),
        "snapshot[1, n]": each(lambda n: snapshot[1, n]),
        "snapshot.get(1, n)": each(lambda n: snapshot.get(1, n)),
        'snapshot["D1", n]': each(lambda n: snapshot["D1", n]),
        "bytes(snapshot[1, n])": each(lambda n: bytes(snapshot[1, n])),
        "memoryview(snapshot[1, n])": each(lambda n: memoryview(snapshot[1, n])),
        "gather of 4096": (lambda: dimension.gather(numbers, out), 4096),
        "numpy.take of 4096": (lambda: numpy.take(array, indices, axis=0, out=out), 4096),
        "iterating over dimension.items()": (lambda: list(dimension.items()), LAYERS),
    }


async def latency(producer, consumer):
    """Microseconds from before a commit until its snapshot arrives in the loop of this process."""
    times, start = [], None
    loop = asyncio.get_running_loop()

    def publish():
        nonlocal start
        batch.put(2, 1, b"now")
        start = time.perf_counter()
        batch.crystallize()

    batch = producer.batch()
    async for _ in consumer.updates():
        if start is not None:
            times.append((time.perf_counter() - start) * 1e6)
        if len(times) == 300:
            return statistics.median(times)
        loop.call_later(0.001, publish)


def main():
    base = tempfile.mkdtemp(prefix="strata-bench.", dir="/dev/shm")
    try:
        table = {n: random.randbytes(BYTES) for n in range(LAYERS)}
        keys = [random.randrange(LAYERS) for _ in range(COUNT)]
        with strata.Producer("bench", base) as producer, strata.Consumer("bench", base) as consumer:
            with producer.batch() as batch:
                for number, content in table.items():
                    batch.put(1, number, content)
            times = {}
            with consumer.snapshot() as snapshot:
                work = rows(snapshot, table, keys)
                for _ in range(ROUNDS):
                    for name, (run, count) in work.items():
                        begin = time.process_time_ns()
                        run()
                        times.setdefault(name, []).append((time.process_time_ns() - begin) / count)
            for name, values in times.items():
                print(f"{name:34} {statistics.median(values):8.1f} ns")
            print(f"{'commit until asyncio has it':34} {asyncio.run(latency(producer, consumer)):8.1f} us")
    finally:
        shutil.rmtree(base)


main()
