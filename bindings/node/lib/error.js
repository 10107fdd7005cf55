// SPDX-License-Identifier: Apache-2.0
'use strict';

/** What the library refuses, or could not do; see index.d.ts. */
class StrataError extends Error {
    constructor(message, details) {
        super(message);
        Object.assign(this, details);
    }

    get name() {
        return 'StrataError';
    }
}

module.exports = { StrataError };
