// SPDX-License-Identifier: Apache-2.0
// What Node.js pays: look-ups and gathering beside a Map, and how soon updates() hears of a commit.
// Processor time but for the last row; medians of rounds that alternate.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const { Consumer, Producer } = require('strata');

const [LAYERS, COUNT, BYTES, ROUNDS, BATCH] = [10_000, 20_000, 256, 15, 4096];

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

function rows(snapshot, table, keys) {
    const dimension = snapshot.dimension(1);
    const numbers = BigUint64Array.from(keys.slice(0, BATCH), BigInt);
    const big = keys.map(BigInt);
    const memory = new Uint8Array(BATCH * BYTES);
    const each = (work, given = keys) => [() => given.forEach((key) => work(key)), given.length];
    return {
        'Map: table.get(n)': each((n) => table.get(n)),
        'Buffer.from(table.get(n))': each((n) => Buffer.from(table.get(n))),
        'snapshot.has(1, n)': each((n) => snapshot.has(1, n)),
        'snapshot.has(1, n), a BigInt': each((n) => snapshot.has(1, n), big),
        "snapshot.has('D1', n)": each((n) => snapshot.has('D1', n)),
        'snapshot.get(1, n)': each((n) => snapshot.get(1, n)),
        'getMany of 4096': [() => dimension.getMany(numbers), BATCH],
        'gather of 4096': [() => dimension.gather(numbers, memory), BATCH],
        'a step of entries()': [() => { for (const _ of dimension); }, LAYERS],
        'a step of keys()': [() => { for (const _ of dimension.keys()); }, LAYERS],
    };
}

/** Microseconds from before a commit until its snapshot arrives in the loop of this process. */
async function latency(producer, consumer) {
    const times = [];
    let start;
    for await (const _ of consumer.updates()) {
        if (start !== undefined) {
            times.push(Number(process.hrtime.bigint() - start) / 1000);
        }
        if (times.length === 300) {
            return median(times);
        }
        setTimeout(() => {
            start = process.hrtime.bigint();
            producer.publish((batch) => batch.put(2, 1, 'now'));
        }, 1);
    }
}

async function main() {
    const basePath = fs.mkdtempSync('/dev/shm/strata-bench.');
    try {
        const table = new Map();
        for (let n = 0; n < LAYERS; ++n) {
            table.set(n, crypto.randomBytes(BYTES));
        }
        const keys = Array.from({ length: COUNT }, () => crypto.randomInt(LAYERS));
        const producer = new Producer('bench', { basePath });
        const consumer = new Consumer('bench', { basePath });
        producer.publish((batch) => table.forEach((content, n) => batch.put(1, n, content)));
        const snapshot = consumer.snapshot();
        const times = {};
        for (let round = 0; round < ROUNDS; ++round) {
            for (const [name, [run, count]] of Object.entries(rows(snapshot, table, keys))) {
                const begin = process.cpuUsage();
                run();
                const used = process.cpuUsage(begin);
                (times[name] ??= []).push(((used.user + used.system) * 1000) / count);
            }
        }
        snapshot.close();
        for (const [name, values] of Object.entries(times)) {
            console.log(`${name.padEnd(34)} ${median(values).toFixed(0).padStart(8)} ns`);
        }
        const heard = await latency(producer, consumer);
        console.log(`${'commit until updates() has it'.padEnd(34)} ${heard.toFixed(0).padStart(8)} us`);
        consumer.close();
        producer.close();
    } finally {
        fs.rmSync(basePath, { recursive: true });
    }
}

main();
