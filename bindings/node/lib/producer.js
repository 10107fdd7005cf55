// SPDX-License-Identifier: Apache-2.0
'use strict';

const { native, oneOf, disposable } = require('./native.js');
const { Batch } = require('./batch.js');

const MODES = ['open_or_create', 'create', 'open', 'replace'];
const DURABILITIES = ['automatic', 'off', 'background', 'each_commit'];
const SLOW_READERS = ['fail', 'wait', 'relocate'];

const nanoseconds = (milliseconds) => BigInt(Math.trunc(milliseconds)) * 1_000_000n;

/** The one writer of a store; see index.d.ts. */
class Producer {
    #handle;
    #closed = false;

    constructor(name, options = {}) {
        const {
            mode = 'open_or_create',
            durability = 'automatic',
            slowReaders = 'fail',
            retainFor,
            ownRegions = false,
            ...plain
        } = options;
        this.#handle = native.produce(name, {
            ...plain,
            mode: oneOf(MODES, mode, 'mode'),
            durability: oneOf(DURABILITIES, durability, 'durability'),
            slowReaders: oneOf(SLOW_READERS, slowReaders, 'slowReaders'),
            retainForNs: retainFor === undefined ? undefined : nanoseconds(retainFor),
            ownRegions: ownRegions ? 1 : 0,
        });
    }

    get closed() {
        return this.#closed;
    }

    get generation() {
        return native.producerGeneration(this.#handle);
    }

    get durableGeneration() {
        return native.producerDurableGeneration(this.#handle);
    }

    batch() {
        return new Batch(native.newBatch(this.#handle));
    }

    /** Publishes what `change` puts into a batch; if that throws, nothing. */
    publish(change) {
        const batch = this.batch();
        try {
            change(batch);
            return batch.crystallize();
        } finally {
            batch.close();
        }
    }

    addDimension(dimension, name, { ownRegion = false, ...sizes } = {}) {
        const options = { ...sizes, ownRegion: ownRegion ? 1 : 0 };
        return native.addDimension(this.#handle, dimension, name, options);
    }

    addCoreDimensions() {
        return native.addCoreDimensions(this.#handle);
    }

    /** Keeps a generation (the newest, if none is given) under a name; its number. */
    setBookmark(name, generation = 0) {
        return native.setBookmark(this.#handle, name, generation);
    }

    removeBookmark(name) {
        native.removeBookmark(this.#handle, name);
    }

    /** Makes the newest generation durable; its number. */
    checkpoint() {
        return this.#durable(0);
    }

    /** Resolves when a generation is durable. */
    waitDurable(generation) {
        if (!(generation > 0)) {
            throw new RangeError('generations are counted from 1');
        }
        return this.#durable(generation);
    }

    #durable(generation) {
        return new Promise((resolve, reject) => {
            native.makeDurable(this.#handle, generation, (error, result) =>
                error ? reject(error) : resolve(result),
            );
        });
    }

    statistics() {
        return JSON.parse(native.producerStatistics(this.#handle));
    }

    setMemoryLimit(bytes) {
        native.setMemoryLimit(this.#handle, bytes);
    }

    /** Gives free memory back to the system: how many bytes. */
    trim() {
        return native.trim(this.#handle);
    }

    /** Lets others produce; the store stays. Its batches are closed. */
    close() {
        this.#closed = true;
        native.closeProducer(this.#handle);
    }
}
disposable(Producer);

module.exports = { Producer };
