# SPDX-License-Identifier: Apache-2.0
"""A base directory in shared memory for each test, which must leave it as empty as it was."""

import gc
import os
import shutil
import tempfile

from multiprocessing import resource_tracker

import pytest
import strata

resource_tracker.ensure_running()  # its descriptor stays for good


@pytest.fixture
def base():
    path = tempfile.mkdtemp(prefix="strata-test.", dir="/dev/shm")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def producer(base):
    with strata.Producer("store", base, memory_limit=64 << 20, region_max_bytes=64 << 20) as made:
        yield made


@pytest.fixture
def consumer(base, producer):
    with strata.Consumer("store", base) as attached:
        yield attached


@pytest.fixture
def publish(producer):
    def put(dimension, layer, data, **options):
        with producer.batch() as batch:
            batch.put(dimension, layer, data, **options)
        return producer.generation

    return put


@pytest.fixture(autouse=True)
def no_descriptor_is_left():
    before = set(os.listdir("/proc/self/fd"))
    yield
    gc.collect()  # exceptions that were caught hold the frames of their test
    after = set(os.listdir("/proc/self/fd"))
    assert len(after) <= len(before)
