// SPDX-License-Identifier: Apache-2.0
'use strict';

const { native, disposable } = require('./native.js');

/** Changes that become visible together, or not at all. Producers make them. */
class Batch {
    #handle;

    constructor(handle) {
        this.#handle = handle;
    }

    get size() {
        return native.batchSize(this.#handle);
    }

    /** A new version of a layer; its number. */
    put(dimension, layer, data, options) {
        return native.put(this.#handle, dimension, layer, data, options);
    }

    erase(dimension, layer) {
        native.erase(this.#handle, dimension, layer);
        return this;
    }

    /** The number of the dimension of that name; a new one is added. */
    dimension(name) {
        return native.batchDimension(this.#handle, name);
    }

    nameDimension(dimension, name) {
        native.nameDimension(this.#handle, dimension, name);
        return this;
    }

    removeDimension(dimension) {
        native.removeDimension(this.#handle, dimension);
        return this;
    }

    clearDimension(dimension) {
        native.clearDimension(this.#handle, dimension);
        return this;
    }

    /** Publishes all of it; the generation. The batch is empty then, and may be used again. */
    crystallize() {
        return native.crystallize(this.#handle);
    }

    clear() {
        native.clearBatch(this.#handle);
    }

    /** Drops what was not published. */
    close() {
        native.closeBatch(this.#handle);
    }
}
disposable(Batch);

module.exports = { Batch };
