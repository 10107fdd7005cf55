// SPDX-License-Identifier: Apache-2.0
// The addon, and what all modules need around it.
'use strict';

const { StrataError } = require('./error.js');
const native = require('../strata.node');

native.setErrorClass(StrataError);

/** Number of one of some words, as the C ABI counts them. */
function oneOf(words, given, what) {
    const index = words.indexOf(given);
    if (index < 0) {
        throw new TypeError(`${what} is one of ${words.join(', ')}, not ${String(given)}`);
    }
    return index;
}

/** A promise of what `start(callback)` calls back with; a signal that is aborted rejects it. */
function promised(start, signal) {
    return new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        let task;
        const abort = () => native.cancelTask(task);
        task = start((error, result) => {
            signal?.removeEventListener('abort', abort);
            if (signal?.aborted) {
                reject(signal.reason);
            } else if (error !== undefined) {
                reject(error);
            } else {
                resolve(result);
            }
        });
        signal?.addEventListener('abort', abort, { once: true });
    });
}

/** Layer numbers as the addon takes them. */
function numbersOf(layers) {
    if (layers instanceof BigUint64Array) {
        return layers;
    }
    if (typeof layers !== 'object' || typeof layers?.length !== 'number') { // one alone would be none
        throw new TypeError('layer numbers in an array are wanted');
    }
    const result = new BigUint64Array(layers.length);
    for (let i = 0; i < layers.length; ++i) {
        result[i] = unsigned(layers[i]);
    }
    return result;
}

/** 64 bits as a BigInt. */
function unsigned(value) {
    if (typeof value === 'number' ? !Number.isSafeInteger(value) : typeof value !== 'bigint') {
        throw new TypeError(`a safe integer or a BigInt is wanted, not ${String(value)}`);
    }
    const result = BigInt(value);
    if (BigInt.asUintN(64, result) !== result) {
        throw new RangeError('a number of 64 bits without a sign is wanted');
    }
    return result;
}

/** Lets `using` close what has close(), where Node knows it. */
function disposable(kind) {
    if (Symbol.dispose !== undefined) {
        Object.defineProperty(kind.prototype, Symbol.dispose, {
            value() {
                this.close();
            },
        });
    }
    if (Symbol.asyncDispose !== undefined) {
        Object.defineProperty(kind.prototype, Symbol.asyncDispose, {
            async value() {
                this.close();
            },
        });
    }
}

module.exports = { native, oneOf, promised, numbersOf, unsigned, disposable };
