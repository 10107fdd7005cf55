// SPDX-License-Identifier: Apache-2.0
'use strict';

const { native } = require('./native.js');

/** One layer of a snapshot; what it says is looked up when it is asked. */
class Layer {
    #snapshot;
    #handle;

    constructor(snapshot, handle, dimension, number) {
        this.#snapshot = snapshot;
        this.#handle = handle;
        this.dimension = dimension;
        this.number = number;
    }

    get snapshot() {
        return this.#snapshot;
    }

    get size() {
        return native.describeLayer(this.#handle, this.dimension, this.number).size;
    }

    info() {
        return native.describeLayer(this.#handle, this.dimension, this.number);
    }

    bytes() {
        return native.get(this.#handle, this.dimension, this.number);
    }

    text() {
        return this.bytes().toString('utf8');
    }

    copyTo(target, offset = 0) {
        return native.copyLayer(this.#handle, this.dimension, this.number, target, offset);
    }

    /** Its value, of whichever type it says it is. */
    value() {
        const { Type } = require('./type.js'); // which needs layers
        return Type.of(this).read(this);
    }

    verify() {
        native.verifyLayer(this.#handle, this.dimension, this.number);
    }

    /** For Type: an error unless the layer holds that. */
    _expect(name, size, alignment, array) {
        native.expectType(this.#handle, this.dimension, this.number, name, size, alignment, array);
    }
}

module.exports = { Layer };
