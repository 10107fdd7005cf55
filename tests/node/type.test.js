// SPDX-License-Identifier: Apache-2.0
'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { pair, newBase, attach, LiveProducer, failure, strata } = require('./support.js');

const { Type } = strata;
const schema = {
    name: 'Thing', size: 48, alignment: 8, fields: [
        { name: 'id', type: 'u64', offset: 0 },
        { name: 'on', type: 'bool', offset: 8 },
        { name: 'grid', type: 'i16', offset: 10, shape: [2, 3] },
        { name: 'tag', type: 'chars', size: 4, offset: 24 },
        { name: 'raw', type: 'bytes', size: 3, offset: 28 },
        { name: 'at', size: 16, offset: 32, fields: [
            { name: 'x', type: 'f64', offset: 0 }, { name: '__proto__', type: 'f32', offset: 8 }] },
    ],
};
const thing = (id) => ({
    id, on: true, grid: [[1, -2, 3], [4, 5, 6]], tag: 'ab', raw: Buffer.from('xyz'),
    at: Object.fromEntries([['x', 0.5], ['__proto__', 0.25]]),
});

test('structs by their schema, values and arrays', (t) => {
    const { producer, consumer } = pair(t);
    const type = Type.fromSchema(JSON.stringify(schema));
    producer.publish((batch) => {
        type.describe(batch);
        type.put(batch, 1, 1, thing(2n ** 63n), { keywords: ['k'] });
        type.putArray(batch, 1, 'many', [thing(1), thing(2n)]);
    });
    const snapshot = consumer.snapshot();
    assert.deepStrictEqual(snapshot.layer(1, 1).value(), thing(2n ** 63n));
    assert.deepStrictEqual(snapshot.layer(1, 'many').value(), [thing(1n), thing(2n)]);
    assert.deepStrictEqual(snapshot.layer(1, 1).info().keywords, ['k']);
    assert.strictEqual(snapshot.get(1, 1)[9], 0); // between fields
    assert.throws(() => type.array(snapshot.layer(1, 1)), failure('type_mismatch'));
    assert.throws(() => Type.number('f64').value(snapshot.layer(1, 1)), failure('type_mismatch'));
    const batch = producer.batch();
    assert.throws(() => type.put(batch, 1, 1, { id: 1 }), TypeError);
    assert.throws(() => type.put(batch, 1, 1, { ...thing(1), tag: 'too long' }), RangeError);
    assert.throws(() => type.put(batch, 1, 1, { ...thing(1), grid: [1] }), RangeError);
});

test('numbers need no schema; arrays of them are typed arrays', (t) => {
    const { producer, consumer } = pair(t);
    producer.publish((batch) => {
        Type.number('f32').putArray(batch, 1, 1, [1, 2.5]);
        Type.number('i64').put(batch, 1, 2, -5n);
        Type.number('bool').putArray(batch, 1, 3, [true, false]);
        batch.put(1, 4, 'plain');
    });
    const snapshot = consumer.snapshot();
    assert.deepStrictEqual(snapshot.layer(1, 1).value(), new Float32Array([1, 2.5]));
    assert.strictEqual(snapshot.layer(1, 2).value(), -5n);
    assert.deepStrictEqual(snapshot.layer(1, 3).value(), [true, false]);
    assert.throws(() => snapshot.layer(1, 4).value(), TypeError);
    assert.throws(() => Type.number('f16'), TypeError);
});

test('what C++ has put', async (t) => {
    const base = newBase(t);
    const live = new LiveProducer(t, base);
    await live.first();
    const snapshot = attach(t, base).snapshot();
    assert.deepStrictEqual(snapshot.layer('Quotes', 'AAA').value(), { price: 2, size: 200n });
    assert.strictEqual(snapshot.layer('Quotes', 'curve').value()[1], 1);
    assert.strictEqual(snapshot.layer(1, 3).value(), 6n);
});

test('what is no schema is refused, and asks for no memory', (t) => {
    const { producer, consumer } = pair(t);
    const field = (more) => ({
        name: 'X', size: 8, alignment: 8, fields: [{ name: 'a', type: 'u64', offset: 0, ...more }],
    });
    let deep = { name: 'a', type: 'u8', offset: 0 };
    for (let i = 0; i < 20; ++i) {
        deep = { name: 'a', size: 1, offset: 0, fields: [deep] };
    }
    const bad = [
        '', '5', 'null', '[]', '{', { ...schema, size: 47 }, { ...schema, alignment: 3 },
        { ...schema, alignment: 0 }, { ...schema, name: '' }, { ...schema, shape: [1] },
        field({ offset: 1 }), field({ offset: -1 }), field({ type: 'f16' }), field({ type: null }),
        field({ shape: [0] }), field({ shape: [2] }), field({ shape: [2 ** 30, 2 ** 30] }),
        field({ shape: 'x' }), field({ type: 'constructor' }), field({ name: 5 }),
        { ...field(), fields: [...field().fields, ...field().fields] },
        { ...deep, name: 'X', alignment: 1 },
        { name: 'X', size: 0, alignment: 1, fields: [] },
        ' '.repeat(70000) + JSON.stringify(schema),
    ];
    for (const text of bad) {
        assert.throws(() => Type.fromSchema(text), RangeError, JSON.stringify(text).slice(0, 90));
    }
    // Another type's schema under a tag.
    const type = Type.fromSchema(field());
    producer.publish((batch) => {
        type.put(batch, 1, 1, { a: 1 });
        batch.put(batch.dimension('strata.types'), type.tag, JSON.stringify(schema));
    });
    assert.throws(() => consumer.snapshot().layer(1, 1).value(), RangeError);
});
