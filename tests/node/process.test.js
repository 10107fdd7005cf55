// SPDX-License-Identifier: Apache-2.0
// Ends: of workers, of the process, with waits outstanding.
'use strict';

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');
const { pair } = require('./support.js');

const ended = (worker) => new Promise((resolve, reject) => {
    worker.once('exit', resolve);
    worker.once('error', reject);
});
const message = (worker) => new Promise((resolve) => worker.once('message', resolve));

const waiting = `
    const { parentPort, workerData } = require('node:worker_threads');
    const strata = require('strata');
    const consumer = new strata.Consumer('store', { basePath: workerData });
    const snapshot = consumer.snapshot();
    for (let i = 0; i < 4; ++i) consumer.wait();
    strata.Consumer.whenPresent('nobody', { basePath: workerData });
    snapshot.verify();
    parentPort.postMessage(snapshot.get(1, 1).toString());
    if (process.env.STRATA_TEST_EXIT) process.exit(0);
`;

/** Runs a script in a process of its own: its exit code and output. */
function run(script, env = {}) {
    const result = spawnSync(process.execPath, ['-e', script],
        { encoding: 'utf8', timeout: 120_000, env: { ...process.env, ...env } });
    return [result.status, result.stdout + result.stderr];
}

test('a worker has a strata of its own, and may be terminated while it waits', async (t) => {
    const { base, producer } = pair(t);
    producer.publish((batch) => batch.put(1, 1, 'shared'));
    for (let round = 0; round < 3; ++round) {
        const workers = [0, 1].map(() => new Worker(waiting, { eval: true, workerData: base }));
        assert.deepStrictEqual(await Promise.all(workers.map(message)), ['shared', 'shared']);
        await Promise.all(workers.map((worker) => worker.terminate()));
    }
    const exits = new Worker(waiting, {
        eval: true, workerData: base, env: { ...process.env, STRATA_TEST_EXIT: '1' },
    });
    assert.strictEqual(await ended(exits), 0);
});

test('only workers have loaded it: it stays loaded when they end', (t) => {
    const { base, producer } = pair(t);
    producer.publish((batch) => batch.put(1, 1, 'shared'));
    const script = `
        const { Worker } = require('node:worker_threads');
        (async () => {
            for (let i = 0; i < 3; ++i) {
                const worker = new Worker(${JSON.stringify(waiting)},
                    { eval: true, workerData: process.env.STRATA_TEST_BASE });
                await new Promise((resolve) => worker.once('message', resolve));
                await worker.terminate();
            }
            const { readFileSync } = require('node:fs');
            console.log(readFileSync('/proc/self/maps', 'utf8').includes('strata.node'));
        })();`;
    assert.deepStrictEqual(run(script, { STRATA_TEST_BASE: base }), [0, 'true\n']);
});

test('a process exits with waits outstanding, and does not while it waits', (t) => {
    const { base, producer } = pair(t);
    producer.publish((batch) => batch.put(1, 1, 'a'));
    const env = { STRATA_TEST_BASE: base };
    const attach = `const strata = require('strata');
        const basePath = process.env.STRATA_TEST_BASE;
        const consumer = new strata.Consumer('store', { basePath });`;
    assert.deepStrictEqual(run(`${attach} consumer.wait(); process.exit(3);`, env), [3, '']);
    assert.deepStrictEqual(
        run(`${attach} consumer.wait(); setImmediate(() => process.exit(4));`, env), [4, '']);
    // Nothing but a wait keeps it alive, and its end lets it go.
    assert.deepStrictEqual(
        run(`${attach} consumer.wait({ timeout: 20 }).then(console.log);`, env), [0, 'timeout\n']);
    assert.deepStrictEqual(run(`${attach} consumer.snapshot();`, env), [0, '']);
    const [status, output] = run(`${attach} consumer.wait({ seen: -1 });`, env);
    assert.strictEqual(status, 1);
    assert.match(output, /RangeError/);
});

test('ES modules import it by name', () => {
    // Imports do not look into NODE_PATH, so by the file's own.
    const script = `import(require.resolve('strata')).then(({ Consumer, default: all }) =>
        console.log(Consumer === all.Consumer));`;
    assert.deepStrictEqual(run(script), [0, 'true\n']);
});
