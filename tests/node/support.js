// SPDX-License-Identifier: Apache-2.0
// What the tests share: stores in shared memory, a live producer in C++, waiting without a clock.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const readline = require('node:readline');
const vm = require('node:vm');
const v8 = require('node:v8');
const strata = require('strata');

/** A base directory for one test, removed after it. */
function newBase(test) {
    const base = fs.mkdtempSync('/dev/shm/strata-node.');
    test.after(() => fs.rmSync(base, { recursive: true, force: true }));
    return base;
}

function produce(test, basePath, options = {}) {
    const producer = new strata.Producer('store', { basePath, memoryLimit: 64 << 20, ...options });
    test.after(() => producer.close());
    return producer;
}

function attach(test, basePath) {
    const consumer = new strata.Consumer('store', { basePath });
    test.after(() => consumer.close());
    return consumer;
}

/** A store with a producer and a consumer of it. */
function pair(test, options) {
    const base = newBase(test);
    return { base, producer: produce(test, base, options), consumer: attach(test, base) };
}

/** The producer in C++: next() has it publish, and gives the line that it prints of that. */
class LiveProducer {
    constructor(test, base) {
        this.process = spawn(process.env.STRATA_TEST_PRODUCER, ['store', base], {
            stdio: ['pipe', 'pipe', 'inherit'],
        });
        test.after(() => this.process.kill());
        this.lines = readline.createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
    }

    async first() {
        return (await this.lines.next()).value;
    }

    next() {
        this.process.stdin.write('\n');
        return this.first();
    }

    async end() {
        const ended = new Promise((resolve) => this.process.once('exit', resolve));
        this.process.stdin.end();
        await ended;
    }
}

function collectGarbage() {
    v8.setFlagsFromString('--expose-gc');
    vm.runInNewContext('gc')();
}

/** One turn of the event loop. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** assert.throws takes this: a StrataError of a code. */
const failure = (code) => ({ name: 'StrataError', code });

module.exports = {
    strata,
    newBase,
    produce,
    attach,
    pair,
    LiveProducer,
    collectGarbage,
    turn,
    failure,
};
