// SPDX-License-Identifier: Apache-2.0
'use strict';

const { native, numbersOf, unsigned, disposable } = require('./native.js');
const { Dimension, buffersOf } = require('./dimension.js');
const { Layer } = require('./layer.js');

const KINDS = ['added', 'updated', 'removed'];

/** One generation of the whole store, unchanged until it is closed. Consumers make them. */
class Snapshot {
    #handle;
    #known;
    #closed = false;

    constructor(handle) {
        this.#handle = handle;
        this.#known = native.describeSnapshot(handle);
    }

    get generation() {
        return this.#known.generation;
    }

    get publishedAt() {
        return new Date(Number(this.#known.publishedAtNs / 1_000_000n));
    }

    get publishedAtNs() {
        return this.#known.publishedAtNs;
    }

    get layerCount() {
        return this.#known.layerCount;
    }

    get dimensionCount() {
        return this.#known.dimensionCount;
    }

    get closed() {
        return this.#closed;
    }

    get(dimension, layer) {
        return native.get(this.#handle, dimension, layer);
    }

    has(dimension, layer) {
        return native.has(this.#handle, dimension, layer);
    }

    layer(dimension, layer) {
        const found = native.locate(this.#handle, dimension, layer);
        return found && new Layer(this, this.#handle, found[0], found[1]);
    }

    /** Copies of layers of any dimensions: [[dimension, layer], ...] by number. */
    getMany(ids) {
        const flat = new BigUint64Array(2 * ids.length);
        ids.forEach(([dimension, layer], i) => {
            flat[2 * i] = unsigned(dimension);
            flat[2 * i + 1] = unsigned(layer);
        });
        return buffersOf(native.getMany(this.#handle, flat));
    }

    gather(dimension, layers, rows, states) {
        return native.gather(this.#handle, dimension, numbersOf(layers), rows, states);
    }

    hasDimension(dimension) {
        return native.hasDimension(this.#handle, dimension);
    }

    dimension(dimension) {
        return new Dimension(this, this.#handle, native.dimensionNumber(this.#handle, dimension));
    }

    dimensions() {
        return native.dimensions(this.#handle);
    }

    /** What differs from an earlier (or later) snapshot; without one, everything. */
    changes(since, dimension) {
        const number =
            dimension === undefined ? undefined : native.dimensionNumber(this.#handle, dimension);
        const found = native.changes(since?.#handle, this.#handle, number);
        const result = new Array(found.length / 3);
        for (let i = 0; i < result.length; ++i) {
            const [in_, layer] = [Number(found[3 * i]), found[3 * i + 1]];
            const kind = KINDS[Number(found[3 * i + 2])];
            result[i] = {
                dimension: in_,
                layer,
                kind,
                before: kind === 'added' ? undefined : new Layer(since, since.#handle, in_, layer),
                after: kind === 'removed' ? undefined : new Layer(this, this.#handle, in_, layer),
            };
        }
        return result;
    }

    dimensionChanges(since) {
        return native.dimensionChanges(since?.#handle, this.#handle);
    }

    /** Checks every byte, in a thread of its own. */
    verify() {
        return new Promise((resolve, reject) => {
            native.verify(this.#handle, (error, found) => (error ? reject(error) : resolve(found)));
        });
    }

    /** One more that is closed for itself. */
    clone() {
        return new Snapshot(native.share(this.#handle));
    }

    close() {
        this.#closed = true;
        native.release(this.#handle);
    }
}
disposable(Snapshot);

module.exports = { Snapshot };
