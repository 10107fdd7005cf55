# SPDX-License-Identifier: Apache-2.0
"""Prints every layer, then whatever changes, until the producer is gone. Start it first or second."""

import strata

with strata.Consumer("hello", wait=60) as consumer:
    seen = None
    while True:
        now = consumer.snapshot()
        for change in now.changes(since=seen):
            text = change.after.text() if change.after is not None else "(removed)"
            print(f"{now.generation}: layer {change.layer} of dimension {change.dimension} = {text}")
        seen = now
        if consumer.wait(seen.generation, timeout=60) != strata.WaitResult.CHANGED:
            break
