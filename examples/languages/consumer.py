# SPDX-License-Identifier: Apache-2.0
"""Prints a line for every generation of the store that languages_producer publishes, until the
producer is gone: consumer.py STORE [BASE_PATH]"""

import sys

import numpy
import strata

CURVE = strata.Type("f4")


def line(snapshot):
    words = [f"{snapshot.generation}:"]
    for symbol in ["AAA", "BBB", "CCC"]:
        layer = snapshot["Quotes", symbol]
        quote = strata.Type.of(snapshot, layer).value(layer)  # in place, by the producer's schema
        words.append(f"{symbol}={quote['price']:.2f}x{quote['size']}")
    numbers = numpy.arange(1000, dtype=numpy.uint64)
    counters = numpy.empty(1000, numpy.uint64)
    snapshot.gather(1, numbers, counters)  # one call
    words.append(f"counters={counters.sum()}")
    words.append(f"curve={CURVE.array(snapshot['Quotes', 'curve'])[0]:.2f}")
    joy = snapshot.get(2, 5)
    text = "none" if joy is None else " ".join([joy.text(), *joy.keywords])
    return " ".join([*words, f"text={text}"])


def main(name, base=None):
    with strata.Consumer(name, base, wait=60) as consumer:
        seen = 1  # the empty store
        while consumer.wait(seen) == strata.WaitResult.CHANGED:
            with consumer.snapshot() as snapshot:
                seen = snapshot.generation
                print(line(snapshot), flush=True)


try:
    main(*sys.argv[1:])
except strata.Error as error:
    sys.exit(str(error))
