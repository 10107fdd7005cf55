// SPDX-License-Identifier: Apache-2.0
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { pair, failure, strata, collectGarbage, turn } = require('./support.js');

const most = 2n ** 64n - 1n;

test('layers are found by number and by name, and are copies', (t) => {
    const { producer, consumer } = pair(t);
    const named = strata.layerNumber('joy');
    producer.publish((batch) => {
        assert.strictEqual(batch.put(1, 5, 'ünï'), 5n);
        batch.put(1, most, Buffer.from([0, 1, 255]));
        batch.put(1, 6, new Uint8Array(0));
        const emotion = batch.dimension('Emotion');
        const options = { frequency: 1.5, keywords: ['a', 'wörd'] };
        assert.strictEqual(batch.put(emotion, 'joy', new Float64Array([1, 2]), options), named);
    });
    const snapshot = consumer.snapshot();
    assert.strictEqual(snapshot.get(1, 5).toString(), 'ünï');
    assert.strictEqual(snapshot.get(1, 5n).toString(), 'ünï');
    assert.deepStrictEqual(snapshot.get(1, most), Buffer.from([0, 1, 255]));
    assert.strictEqual(snapshot.get(1, 6).length, 0);
    assert.strictEqual(snapshot.get(1, 7), undefined);
    assert.strictEqual(snapshot.get(9, 7), undefined);
    assert.strictEqual(snapshot.get('nowhere', 'joy'), undefined);
    assert.strictEqual(snapshot.get('Emotion', 'joy').length, 16);
    assert.strictEqual(snapshot.has('Emotion', named), true);
    assert.strictEqual(snapshot.has('Emotion', 'grief'), false);

    const copy = snapshot.get(1, 5);
    copy.fill(0);
    assert.strictEqual(snapshot.get(1, 5).toString(), 'ünï');

    const layer = snapshot.layer('Emotion', 'joy');
    const { checksum, ...info } = layer.info();
    assert.strictEqual(typeof checksum, 'bigint');
    assert.deepStrictEqual(info, {
        dimension: snapshot.dimension('Emotion').number,
        number: named,
        name: 'joy',
        size: 16,
        generation: 2,
        frequency: 1.5,
        keywords: ['a', 'wörd'],
        typeTag: 0n,
    });
    const part = new Uint8Array(8);
    assert.strictEqual(layer.copyTo(part, 8), 8);
    assert.strictEqual(new Float64Array(part.buffer)[0], 2);
    assert.strictEqual(layer.copyTo(part, 12), 4);
    assert.throws(() => layer.copyTo(part, 17), RangeError);
    assert.strictEqual(snapshot.layer(1, 5).text(), 'ünï');
    assert.strictEqual(snapshot.layer(1, 5).info().name, undefined);
    assert.strictEqual(snapshot.layer(1, 99), undefined);
    layer.verify();
});

test('numbers that are none of 64 bits are refused, nowhere another number', (t) => {
    const { producer, consumer } = pair(t);
    producer.publish((batch) => batch.put(1, 0, 'zero'));
    const snapshot = consumer.snapshot();
    for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53, -1n, 2n ** 64n]) {
        assert.throws(() => snapshot.get(1, bad), RangeError, String(bad));
        assert.throws(() => snapshot.dimension(1).getMany([bad]), Error, String(bad));
    }
    assert.throws(() => snapshot.get(2 ** 32, 0), RangeError);
    assert.throws(() => snapshot.getMany([[2 ** 32, 0]]), RangeError);
    for (const bad of [null, undefined, {}, true]) {
        assert.throws(() => snapshot.get(1, bad), TypeError);
    }
    for (const bad of [5, 5n, true, {}, null, new DataView(new ArrayBuffer(8))]) { // not in an array
        assert.throws(() => snapshot.gather(1, bad, Buffer.alloc(8)), TypeError, String(bad));
    }
    assert.strictEqual(snapshot.get(1, -0).toString(), 'zero');
});

test('many layers with one call', (t) => {
    const { producer, consumer } = pair(t);
    producer.publish((batch) => {
        for (let i = 0; i < 1000; ++i) {
            batch.put(1, i, Buffer.from(String(i % 7).repeat(1 + (i % 3))));
            batch.put(2, i, Buffer.from(new Uint32Array([i, i * i]).buffer));
        }
    });
    const snapshot = consumer.snapshot();
    const one = snapshot.dimension(1);
    const numbers = [3, 999, 5000, 0n, 4, 7, 10];
    const found = one.getMany(numbers);
    numbers.forEach((n, i) => assert.deepStrictEqual(found[i], one.get(n), String(n)));
    assert.deepStrictEqual(one.getMany([]), []);

    const mixed = snapshot.getMany([[2, 7], [1, 7], [2, 8], [2, 9], [3, 1], [1, 5000]]);
    assert.deepStrictEqual(mixed, [
        snapshot.get(2, 7), snapshot.get(1, 7), snapshot.get(2, 8), snapshot.get(2, 9),
        undefined, undefined,
    ]);

    const rows = new Uint32Array(2 * 4);
    const states = new Uint8Array(4);
    assert.strictEqual(snapshot.gather(2, [9, 5000, 1, 0], rows, states), 3);
    assert.deepStrictEqual([...rows], [9, 81, 0, 0, 1, 1, 0, 0]);
    assert.deepStrictEqual([...states], [1, 0, 1, 1]);
    const odd = new Uint8Array(2);
    assert.strictEqual(one.gather(new BigUint64Array([1n, 0n]), odd, states), 1);
    assert.deepStrictEqual([...states.subarray(0, 2)], [2, 1]);
    assert.throws(() => one.gather([1, 2], new Uint8Array(3)), RangeError);
    assert.throws(() => one.gather([1, 2], new Uint8Array(2), new Uint8Array(1)), RangeError);
    assert.throws(() => snapshot.gather('nowhere', [1], odd), failure('dimension_not_found'));
});

test('a dimension is a map, walked in portions', (t) => {
    const { producer, consumer } = pair(t);
    const count = 1500;
    producer.publish((batch) => {
        batch.nameDimension(1, 'Numbers');
        for (let i = 0; i < count; ++i) {
            batch.put(1, i * 3, Buffer.alloc(i % 5 === 0 ? 40 : 8, i & 255));
        }
    });
    const snapshot = consumer.snapshot();
    const dimension = snapshot.dimension('Numbers');
    assert.strictEqual(dimension.size, count);
    let i = 0;
    for (const [number, content] of dimension) {
        assert.strictEqual(number, BigInt(i * 3));
        assert.ok(content.equals(Buffer.alloc(i % 5 === 0 ? 40 : 8, i & 255)), String(i));
        ++i;
    }
    assert.strictEqual(i, count);
    assert.strictEqual([...dimension.keys()].length, count);
    assert.strictEqual([...dimension.values()].length, count);
    assert.strictEqual([...dimension.layers()][7].number, 21n);

    // Portions are bounded by layers and by bytes, but have at least one layer.
    const sizes = (options) => Array.from(dimension.batches(options), ([numbers]) => numbers.length);
    assert.deepStrictEqual(sizes({ layers: 1000 }), [1000, 500]);
    assert.strictEqual(sizes({ bytes: 1 }).length, count);
    assert.ok(sizes({ bytes: 100 }).every((n) => n >= 1 && n <= 12));
    assert.throws(() => snapshot.dimension(77), failure('dimension_not_found'));
    assert.throws(() => snapshot.dimension('nowhere'), failure('dimension_not_found'));

    assert.deepStrictEqual(
        snapshot.dimensions().map(({ number, name, layers }) => [number, name, layers]),
        [[1, 'Numbers', count]],
    );
    assert.strictEqual(snapshot.hasDimension('Numbers'), true);
    assert.strictEqual(snapshot.hasDimension(2), false);
    assert.deepStrictEqual([snapshot.layerCount, snapshot.dimensionCount], [count, 1]);
});

test('what differs from an earlier snapshot', (t) => {
    const { producer, consumer } = pair(t);
    producer.publish((batch) => {
        batch.put(1, 1, 'a');
        batch.put(1, 2, 'b');
        batch.put(2, 1, 'c');
    });
    const before = consumer.snapshot();
    producer.publish((batch) => {
        batch.put(1, 1, 'A');
        batch.erase(1, 2);
        batch.put(3, 9, 'new');
        batch.nameDimension(2, 'Renamed');
    });
    const after = consumer.snapshot();
    const short = (changes) =>
        changes.map((c) => [c.dimension, c.layer, c.kind, c.before?.text(), c.after?.text()]);
    assert.deepStrictEqual(short(after.changes(before)), [
        [1, 1n, 'updated', 'a', 'A'],
        [1, 2n, 'removed', 'b', undefined],
        [3, 9n, 'added', undefined, 'new'],
    ]);
    assert.deepStrictEqual(short(after.changes(before, 3)), [[3, 9n, 'added', undefined, 'new']]);
    assert.strictEqual(after.changes().length, 3);
    const renamed = after.dimensionChanges(before);
    assert.deepStrictEqual(renamed.map((c) => [c.dimension, c.kind, c.after]), [
        [2, 'renamed', 'Renamed'],
        [3, 'added', 'D3'],
    ]);
});

test('what is closed says so; clones and iterators keep the generation', (t) => {
    const { producer, consumer } = pair(t);
    producer.publish((batch) => batch.put(1, 1, 'a'));
    const snapshot = consumer.snapshot();
    const clone = snapshot.clone();
    const entries = snapshot.dimension(1).entries();
    const [layer, dimension] = [snapshot.layer(1, 1), snapshot.dimension(1)];
    snapshot.close();
    snapshot.close();
    assert.strictEqual(snapshot.closed, true);
    assert.throws(() => snapshot.get(1, 1), failure('closed'));
    assert.throws(() => layer.bytes(), failure('closed'));
    assert.throws(() => dimension.get(1), failure('closed'));
    assert.throws(() => entries.next(), failure('closed')); // it had not begun
    consumer.close();
    assert.throws(() => consumer.snapshot(), failure('closed'));
    assert.strictEqual(clone.get(1, 1).toString(), 'a');
    if (Symbol.dispose !== undefined) {
        clone[Symbol.dispose]();
        assert.throws(() => clone.get(1, 1), failure('closed'));
    }
});

test('verify looks at every byte, in a thread of its own', async (t) => {
    const { base, producer, consumer } = pair(t);
    producer.publish((batch) => batch.put(1, 1, Buffer.alloc(5000, 'secret')));
    const snapshot = consumer.snapshot();
    assert.deepStrictEqual((await snapshot.verify()).failures, []);
    const store = path.join(base, 'store');
    for (const name of fs.readdirSync(store)) {
        const file = path.join(store, name);
        const at = fs.readFileSync(file).indexOf('secretsecret');
        if (at >= 0) {
            const damaged = fs.openSync(file, 'r+');
            fs.writeSync(damaged, 'S', at + 600);
            fs.closeSync(damaged);
        }
    }
    const found = await snapshot.verify();
    assert.strictEqual(found.failureCount, 1);
    assert.deepStrictEqual([found.failures[0].dimension, found.failures[0].layer], [1, 1n]);
    assert.throws(() => snapshot.layer(1, 1).verify(), failure('corrupt'));
});

test('a file that is cut short is an error, not the end of the process', (t) => {
    const { base, producer, consumer } = pair(t);
    producer.publish((batch) => {
        for (let i = 0; i < 100; ++i) {
            batch.put(1, i, Buffer.alloc(8000, 1));
        }
    });
    const snapshot = consumer.snapshot();
    const store = path.join(base, 'store');
    for (const name of fs.readdirSync(store)) {
        const file = path.join(store, name);
        if (fs.statSync(file).size > 100 * 8000) {
            fs.truncateSync(file, fs.statSync(file).size - 100 * 8000 + 4096);
        }
    }
    const all = Array.from({ length: 100 }, (_, i) => i);
    const errors = [
        () => snapshot.gather(1, all, new Uint8Array(100 * 8000)),
        () => snapshot.dimension(1).getMany(all),
        () => all.map((i) => snapshot.get(1, i)),
        () => [...snapshot.dimension(1)],
    ];
    for (const read of errors) {
        assert.throws(read, failure('truncated'));
    }
});

test('what nobody closed is given back by the garbage collector', async (t) => {
    const { producer, consumer } = pair(t, { memoryLimit: 24 << 20 });
    const payload = Buffer.alloc(1 << 20);
    for (let i = 0; i < 60; ++i) { // of which the store has room for some twenty
        producer.publish((batch) => batch.put(1, 1, payload));
        assert.strictEqual(consumer.snapshot().has(1, 1), true);
        if (i % 8 === 0) {
            await turn();
            collectGarbage();
            await turn();
        }
    }
});
