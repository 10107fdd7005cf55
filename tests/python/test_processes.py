# SPDX-License-Identifier: Apache-2.0
"""Forked children, multiprocessing, pickling."""

import multiprocessing
import os
import pickle

import pytest
import strata


def read(consumer):
    return bytes(consumer.snapshot()[1, 1])


def test_consumers_pickle_as_their_address(base, consumer, publish):
    publish(1, 1, b"joy")
    other = pickle.loads(pickle.dumps(consumer))
    assert (other.name, other.base_path) == ("store", base)
    assert read(other) == b"joy"
    other.close()


def test_producers_snapshots_and_layers_do_not_pickle(consumer, producer, publish):
    publish(1, 1, b"joy")
    snapshot = consumer.snapshot()
    for thing in [producer, snapshot, snapshot[1, 1], producer.batch()]:
        with pytest.raises(TypeError):
            pickle.dumps(thing)


def test_a_relative_base_path_is_pickled_absolute(base, consumer, publish, monkeypatch):
    publish(1, 1, b"joy")
    monkeypatch.chdir(os.path.dirname(base))
    with strata.Consumer("store", os.path.basename(base)) as relative:
        data = pickle.dumps(relative)
    monkeypatch.chdir("/")
    with pickle.loads(data) as other:
        assert read(other) == b"joy"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(consumer, publish, method):
    publish(1, 1, b"joy")
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.map(read, [consumer] * 4) == [b"joy"] * 4


def test_a_forked_child_reads_on_but_cannot_produce(consumer, producer, publish):
    publish(1, 1, b"joy")
    snapshot = consumer.snapshot()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert bytes(snapshot[1, 1]) == read(consumer) == b"joy"
            try:
                with producer.batch() as batch:
                    batch.put(1, 1, b"no")
            except strata.Error as error:
                assert error.code == "wrong_process"
                status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    publish(1, 1, b"still the producer")
    assert read(consumer) == b"still the producer"
