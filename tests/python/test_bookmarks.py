# SPDX-License-Identifier: Apache-2.0
"""Generations that are kept under names."""

import time

import pytest
import strata


def publish(producer, text):
    with producer.batch() as batch:
        batch.put(1, 1, text)
    return producer.generation


def test_a_bookmark_outlives_its_producer(base):
    with strata.Producer("marked", base) as producer:
        first = publish(producer, "first")
        before_ns = time.time_ns()
        assert producer.set_bookmark("before-import") == first
        for digit in range(50):
            publish(producer, str(digit) * 1000)
        assert producer.set_bookmark("again", first) == first
        producer.remove_bookmark("again")
    with strata.Producer("marked", base) as producer, strata.Consumer("marked", base) as consumer:
        for digit in range(50):
            publish(producer, str(digit) * 1000)
        with consumer.snapshot_at("before-import") as snapshot:
            assert snapshot.generation == first
            assert snapshot[1, 1].text() == "first"
            (bookmark,) = consumer.bookmarks()
            assert bookmark[:2] == ("before-import", first)
            assert abs(bookmark.made_at_ns - before_ns) < 600 * 10**9
            # It moves; who has it keeps what it has.
            assert producer.set_bookmark(b"before-import") == producer.generation
            producer.remove_bookmark("before-import")
            publish(producer, "x")
            assert snapshot[1, 1].text() == "first"
        assert consumer.bookmarks() == []


def test_what_is_no_bookmark_is_an_error(base):
    with strata.Producer("marked", base) as producer, strata.Consumer("marked", base) as consumer:
        first = publish(producer, "first")
        publish(producer, "second")
        for act, code in [
            (lambda: consumer.snapshot_at("none"), "bookmark_not_found"),
            (lambda: producer.remove_bookmark("none"), "bookmark_not_found"),
            (lambda: producer.set_bookmark(""), "invalid_name"),
            (lambda: producer.set_bookmark("a\0b"), "invalid_name"),
            (lambda: producer.set_bookmark("n" * 64), "invalid_name"),
            (lambda: producer.set_bookmark("old", first), "generation_not_retained"),
        ]:
            with pytest.raises(strata.Error) as caught:
                act()
            assert caught.value.code == code
        with pytest.raises(TypeError):
            producer.set_bookmark(7)
        with pytest.raises(TypeError):
            consumer.snapshot_at("x", ns=1)
        # Names are any bytes; what is no UTF-8 is shown as the file system's names are.
        producer.set_bookmark(b"\xff")
        assert [one.name for one in consumer.bookmarks()] == ["\udcff"]
        assert consumer.snapshot_at(b"\xff").generation == producer.generation
    for act in (lambda: producer.set_bookmark("x"), lambda: consumer.bookmarks()):
        with pytest.raises(ValueError):
            act()
