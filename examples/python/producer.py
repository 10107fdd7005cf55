# SPDX-License-Identifier: Apache-2.0
"""Publishes three layers in two dimensions, then a new version of one of them every second."""

import time

import strata

with strata.Producer("hello") as producer:
    with producer.batch() as batch:
        batch.put(1, 5, "joy", frequency=1.5, keywords=["emotion", "feeling"])
        batch.put(1, 6, "calm")
        batch.put(4, 1, "a handshake")
    print("published generation", producer.generation)
    for second in range(1, 11):
        time.sleep(1)
        with producer.batch() as batch:
            batch.put(1, 5, f"joy, for {second} s", frequency=1.5)
        print("published generation", producer.generation)
