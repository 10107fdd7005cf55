// SPDX-License-Identifier: Apache-2.0
'use strict';

const { native, numbersOf } = require('./native.js');
const { Layer } = require('./layer.js');

const BATCH = 256; // layers that a walk takes with one call
const MOST_BYTES = 1 << 20; // about what it copies with one, unless a layer is larger

/** What getMany and getIn give, as Buffers; undefined where there is no layer. */
function buffersOf([memory, bounds]) {
    const result = new Array(bounds.length / 2);
    for (let i = 0; i < result.length; ++i) {
        const end = bounds[2 * i + 1];
        result[i] = end < 0 ? undefined : memory.subarray(bounds[2 * i], end);
    }
    return result;
}

/** One dimension of a snapshot, as a Map that cannot be changed: layer numbers to Buffers. */
class Dimension {
    #snapshot;
    #handle;

    constructor(snapshot, handle, number) {
        this.#snapshot = snapshot;
        this.#handle = handle;
        this.number = number;
    }

    get size() {
        return native.dimensionLayers(this.#handle, this.number);
    }

    get(layer) {
        return native.get(this.#handle, this.number, layer);
    }

    has(layer) {
        return native.has(this.#handle, this.number, layer);
    }

    layer(layer) {
        const found = native.locate(this.#handle, this.number, layer);
        return found && new Layer(this.#snapshot, this.#handle, found[0], found[1]);
    }

    getMany(layers) {
        return buffersOf(native.getIn(this.#handle, this.number, numbersOf(layers)));
    }

    gather(layers, rows, states) {
        return native.gather(this.#handle, this.number, numbersOf(layers), rows, states);
    }

    /** In portions: [BigUint64Array of numbers, array of Buffers]. */
    *batches({ layers = BATCH, bytes = MOST_BYTES } = {}) {
        const cursor = native.openCursor(this.#handle, this.number);
        try {
            for (let found; (found = native.cursorNext(cursor, layers, bytes)) !== undefined; ) {
                const [numbers, memory, ends] = found;
                const buffers = new Array(numbers.length);
                for (let i = 0, begin = 0; i < buffers.length; begin = ends[i++]) {
                    buffers[i] = memory.subarray(begin, ends[i]);
                }
                yield [numbers, buffers];
            }
        } finally {
            native.closeCursor(cursor);
        }
    }

    *entries() {
        for (const [numbers, buffers] of this.batches()) {
            for (let i = 0; i < buffers.length; ++i) {
                yield [numbers[i], buffers[i]];
            }
        }
    }

    *values() {
        for (const [, buffers] of this.batches()) {
            yield* buffers;
        }
    }

    *keys() {
        const cursor = native.openCursor(this.#handle, this.number);
        try {
            for (let found; (found = native.cursorNumbers(cursor, BATCH)) !== undefined; ) {
                yield* found;
            }
        } finally {
            native.closeCursor(cursor);
        }
    }

    *layers() {
        for (const number of this.keys()) {
            yield new Layer(this.#snapshot, this.#handle, this.number, number);
        }
    }

    [Symbol.iterator]() {
        return this.entries();
    }
}

module.exports = { Dimension, buffersOf };
