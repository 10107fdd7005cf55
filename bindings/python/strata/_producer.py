# SPDX-License-Identifier: Apache-2.0
"""Producer: the one writer of a store."""

import json

from . import _strata


class Producer(_strata.Producer):
    """Opens or creates the store; a context manager that gives it up again."""

    def statistics(self):
        """What the store is doing and where its memory is, as a dict."""
        return json.loads(self._statistics_json())

    def __reduce__(self):
        raise TypeError("a producer cannot be pickled: there is one for each store")
