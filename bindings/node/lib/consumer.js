// SPDX-License-Identifier: Apache-2.0
'use strict';

const { native, promised, disposable } = require('./native.js');
const { StrataError } = require('./error.js');
const { Snapshot } = require('./snapshot.js');

const ENDS = ['changed', 'timeout', 'producer_gone', 'store_replaced'];

/** Options as the addon takes them. */
function attachOptions(given = {}) {
    const { basePath, trustedOwner, idlePin = true, lookupCacheBytes } = given;
    const known = { basePath, noIdlePin: idlePin ? 0 : 1, lookupCacheBytes };
    if (lookupCacheBytes === 0) {
        known.lookupCacheBytes = 2n ** 64n - 1n; // none at all
    }
    if (trustedOwner === 'anybody') {
        known.trusted = 1;
    } else if (trustedOwner !== undefined) {
        known.trusted = 2;
        known.owner = trustedOwner;
    }
    return known;
}

/** The read-only end of a store; see index.d.ts. */
class Consumer {
    #handle;
    #name;
    #options;
    #closing = new AbortController();

    constructor(name, options, handle) {
        this.#name = name;
        this.#options = attachOptions(options);
        this.#handle = handle ?? native.attach(name, this.#options);
    }

    /** Attaches as soon as the store is there. */
    static async whenPresent(name, { signal, ...options } = {}) {
        const start = (callback) =>
            native.attachWhenPresent(name, attachOptions(options), callback);
        return new this(name, options, await promised(start, signal));
    }

    get name() {
        return this.#name;
    }

    get basePath() {
        return this.#options.basePath;
    }

    get closed() {
        return this.#closing.signal.aborted;
    }

    get generation() {
        return native.generation(this.#handle);
    }

    get durableGeneration() {
        return native.durableGeneration(this.#handle);
    }

    get retained() {
        return native.retained(this.#handle);
    }

    get producerPid() {
        return native.producerPid(this.#handle);
    }

    get storeReplaced() {
        return native.storeReplaced(this.#handle);
    }

    /** The newest generation, or an earlier one that is retained. */
    snapshot(generation) {
        return new Snapshot(
            generation === undefined
                ? native.take(this.#handle)
                : native.takeAt(this.#handle, generation),
        );
    }

    /** What a bookmark (a string) names, or what was current at a time: Date, or ns as a BigInt. */
    snapshotAt(when) {
        if (typeof when === 'string') {
            return new Snapshot(native.takeBookmark(this.#handle, when));
        }
        if (typeof when !== 'bigint' && !(when instanceof Date)) {
            throw new TypeError("a bookmark's name, a Date, or nanoseconds as a BigInt is wanted");
        }
        const time = typeof when === 'bigint' ? when : BigInt(when.getTime()) * 1_000_000n;
        return new Snapshot(native.takeAtTime(this.#handle, time));
    }

    bookmarks() {
        return native.bookmarks(this.#handle);
    }

    /** Waits, off the event loop's thread, for a generation newer than `seen`. */
    async wait({ seen = this.generation, timeout, waitForProducer = false, signal } = {}) {
        signal?.throwIfAborted();
        const closing = this.#closing.signal;
        const either = new AbortController();
        const end = () => either.abort();
        closing.addEventListener('abort', end, { once: true });
        signal?.addEventListener('abort', end, { once: true });
        try {
            const start = (callback) =>
                native.wait(this.#handle, seen, timeout, waitForProducer ? 1 : 0, callback);
            return ENDS[await promised(start, either.signal)];
        } catch (error) {
            if (signal?.aborted) {
                throw signal.reason;
            }
            if (closing.aborted) {
                throw closing.reason;
            }
            throw error;
        } finally {
            closing.removeEventListener('abort', end);
            signal?.removeEventListener('abort', end);
        }
    }

    /** The newest generation, now and whenever there is a newer one. A snapshot is closed when the
     * loop comes back for the next; clone() keeps it. */
    async *updates({ signal, reattach = true } = {}) {
        let seen;
        while (!this.closed) {
            signal?.throwIfAborted();
            if (seen === undefined || this.generation > seen) {
                const snapshot = this.snapshot();
                seen = snapshot.generation;
                try {
                    yield snapshot;
                } finally {
                    snapshot.close();
                }
                continue;
            }
            try {
                const ended = await this.wait({ seen, waitForProducer: true, signal });
                if (ended === 'store_replaced') {
                    if (!reattach) {
                        return;
                    }
                    await this.#follow(signal);
                    seen = undefined; // generations of another store
                }
            } catch (error) {
                if (!this.closed || signal?.aborted) {
                    throw error;
                }
            }
        }
    }

    /** Attaches to what has the name now; if that fails, the old attachment stays. */
    reattach() {
        this.#attached(native.attach(this.#name, this.#options));
    }

    async #follow(signal) {
        const either = new AbortController();
        const end = () => either.abort();
        const closing = this.#closing.signal;
        closing.addEventListener('abort', end, { once: true });
        signal?.addEventListener('abort', end, { once: true });
        try {
            const start = (callback) =>
                native.attachWhenPresent(this.#name, this.#options, callback);
            this.#attached(await promised(start, either.signal));
        } catch (error) {
            throw signal?.aborted ? signal.reason : error;
        } finally {
            closing.removeEventListener('abort', end);
            signal?.removeEventListener('abort', end);
        }
    }

    #attached(handle) {
        if (this.closed) {
            native.detach(handle);
            throw this.#closing.signal.reason;
        }
        const old = this.#handle;
        this.#handle = handle;
        native.detach(old);
    }

    statistics() {
        return JSON.parse(native.consumerStatistics(this.#handle));
    }

    /** What it takes of this process's memory. */
    memory() {
        return native.consumerMemory(this.#handle);
    }

    /** Ends waits and updates(). Snapshots stay valid. */
    close() {
        if (!this.closed) {
            this.#closing.abort(
                new StrataError('the consumer was closed meanwhile', { code: 'closed' }),
            );
            native.detach(this.#handle);
        }
    }
}
disposable(Consumer);

module.exports = { Consumer };
