# SPDX-License-Identifier: Apache-2.0
"""Versioned, read-mostly data shared between the processes of one machine, in place and read-only.

    with strata.Consumer("market") as consumer, consumer.snapshot() as snapshot:
        bytes(snapshot[1, 5])
"""

import json as _json

from ._consumer import Bookmark, Consumer, WaitResult
from ._producer import Producer
from ._store_watch import StoreWatch
from ._type import Type
from ._strata import (
    Batch,
    Change,
    Dimension,
    DimensionChange,
    Error,
    Layer,
    Loan,
    Snapshot,
    layer_number,
    type_tag,
    type_tag_text,
)
from ._strata import remove_store as _remove_store
from ._strata import statistics_json as _statistics_json
from ._strata import stores as _stores
from ._strata import version as __version__

__all__ = [
    "Batch",
    "Bookmark",
    "Change",
    "Consumer",
    "Dimension",
    "DimensionChange",
    "Error",
    "Layer",
    "Loan",
    "Producer",
    "Snapshot",
    "StoreWatch",
    "Type",
    "WaitResult",
    "layer_number",
    "remove_store",
    "statistics",
    "stores",
    "type_tag",
    "type_tag_text",
]


def stores(base_path=None):
    """The names of all stores under a base path, sorted."""
    return _stores(base_path)


def remove_store(name, base_path=None):
    """Removes a store for good; its name disappears atomically."""
    _remove_store(name, base_path)


def statistics(name, base_path=None):
    """What a store is doing and where its memory is, as a dict."""
    return _json.loads(_statistics_json(name, base_path))
