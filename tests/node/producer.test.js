// SPDX-License-Identifier: Apache-2.0
'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { pair, newBase, produce, failure, strata } = require('./support.js');

test('changes become visible together, or not at all', (t) => {
    const { producer, consumer } = pair(t);
    const batch = producer.batch();
    batch.put(1, 1, 'a');
    batch.put(2, 'name', 'b');
    assert.strictEqual(batch.size, 2);
    assert.strictEqual(consumer.snapshot().layerCount, 0);
    assert.strictEqual(batch.crystallize(), 2);
    assert.strictEqual(batch.size, 0);
    assert.strictEqual(consumer.snapshot().layerCount, 2);
    batch.erase(1, 1).erase(2, 'name').put(1, 3, 'c');
    batch.clear();
    batch.erase(2, 'name');
    assert.strictEqual(batch.crystallize(), 3);
    assert.strictEqual(consumer.snapshot().layerCount, 1);

    const thrown = new Error('no');
    assert.throws(() => producer.publish((given) => {
        given.put(1, 9, 'never');
        throw thrown;
    }), (error) => error === thrown);
    assert.strictEqual(producer.generation, 3);
});

test('dimensions are added, renamed, cleared and removed', (t) => {
    const { producer, consumer } = pair(t);
    const names = () => consumer.snapshot().dimensions().map((d) => `${d.number}:${d.name}:${d.layers}`);
    producer.addDimension(7, 'Seven', { ownRegion: true, initialBytes: 1 << 16 });
    producer.publish((batch) => {
        const named = batch.dimension('Named');
        assert.strictEqual(batch.dimension('Seven'), 7);
        batch.put(named, 1, 'x');
        batch.put(7, 1, 'x');
        batch.put(9, 1, 'x');
    });
    producer.publish((batch) => batch.removeDimension(9).clearDimension(7).nameDimension(7, 'VII'));
    assert.deepStrictEqual(names().filter((n) => !n.includes('Named')), ['7:VII:0']);
    assert.throws(() => producer.addDimension(7, 'VII', { maxBytes: 1 << 16 }),
        failure('dimension_exists'));
});

test('one producer at a time; what is closed says so', (t) => {
    const base = newBase(t);
    const producer = produce(t, base);
    const open = () => new strata.Producer('store', { basePath: base, mode: 'open' });
    assert.throws(open, failure('producer_active'));
    const batch = producer.batch();
    batch.put(1, 1, 'dropped');
    producer.close();
    assert.throws(() => batch.put(1, 1, 'x'), failure('closed'));
    assert.throws(() => producer.batch(), failure('closed'));
    assert.throws(() => producer.generation, failure('closed'));
    const next = open();
    assert.strictEqual(next.publish((given) => given.put(1, 1, 'x')), 2);
    next.close();
    next.close();
    const create = { basePath: base, mode: 'create' };
    assert.throws(() => new strata.Producer('store', create), failure('store_exists'));
    assert.throws(() => new strata.Producer('store', { mode: 'nonsense' }), TypeError);
});

test('a limit that is hit leaves the batch as it was', (t) => {
    const { producer, consumer } = pair(t, { memoryLimit: 1 << 20 });
    const batch = producer.batch();
    batch.put(1, 1, 'small');
    assert.throws(() => batch.put(1, 2, Buffer.alloc(2 << 20)), (error) => {
        return error.code === 'limit_exceeded' && error.limit === 1 << 20 && error.needed >= 2 << 20;
    });
    assert.strictEqual(batch.crystallize(), 2);
    assert.strictEqual(consumer.snapshot().get(1, 1).toString(), 'small');
    producer.setMemoryLimit(8 << 20);
    producer.publish((given) => given.put(1, 2, Buffer.alloc(2 << 20)));
    assert.strictEqual(typeof producer.trim(), 'number');
});

test('durable generations, off the event loop', async (t) => {
    const { producer, consumer } = pair(t);
    const generation = producer.publish((batch) => batch.put(1, 1, 'kept'));
    const waited = Promise.all([producer.checkpoint(), producer.waitDurable(generation)]);
    assert.deepStrictEqual(await waited, [generation, generation]);
    assert.strictEqual(producer.durableGeneration, generation);
    assert.strictEqual(consumer.durableGeneration, generation);
    await assert.rejects(producer.waitDurable(99), failure('invalid_argument'));
    const last = producer.checkpoint();
    producer.close(); // not before it has answered
    assert.strictEqual(await last, generation);
});

test('arguments that are none are refused', (t) => {
    const { producer } = pair(t);
    const batch = producer.batch();
    for (const data of [undefined, null, 5, {}, [1]]) {
        assert.throws(() => batch.put(1, 1, data), TypeError);
    }
    assert.throws(() => batch.put(1, 1, 'x', { keywords: 'word' }), Error);
    assert.throws(() => batch.put(1, 1, 'x', { keywords: [1] }), TypeError);
    assert.throws(() => batch.put(1, 1, 'x', { alignment: 3 }), failure('invalid_argument'));
    assert.strictEqual(batch.size, 0);
    // A getter that closes what is being used, or takes its memory away.
    const closing = { get keywords() { batch.close(); return []; } };
    assert.throws(() => batch.put(1, 1, 'x', closing), failure('closed'));
    const other = producer.batch();
    const memory = new Uint8Array(64).fill(1);
    const detaching = { get alignment() { structuredClone(memory, { transfer: [memory.buffer] }); } };
    other.put(1, 1, memory, detaching);
    assert.strictEqual(other.size, 1);
});
