// SPDX-License-Identifier: Apache-2.0
'use strict';

const assert = require('node:assert');
const { test } = require('node:test');
const { pair, newBase, produce, attach, LiveProducer, failure, strata, turn } =
    require('./support.js');

test('a live producer in another process, generation by generation', async (t) => {
    const base = newBase(t);
    const attached = strata.Consumer.whenPresent('store', { basePath: base });
    const live = new LiveProducer(t, base);
    const consumer = await attached;
    t.after(() => consumer.close());
    let seen = 1; // the empty store
    for (let line = await live.first(); seen < 6; line = await live.next()) {
        assert.strictEqual(await consumer.wait({ seen }), 'changed');
        const snapshot = consumer.snapshot();
        seen = snapshot.generation;
        const quote = snapshot.layer('Quotes', 'BBB').value();
        assert.ok(line.startsWith(`${seen}: `), line);
        assert.ok(line.includes(` BBB=${quote.price.toFixed(2)}x${quote.size} `), line);
        assert.strictEqual(snapshot.has(2, 5), seen % 2 === 0);
        snapshot.close();
    }
    assert.strictEqual(typeof consumer.producerPid, 'number');
    const waiting = consumer.wait({ seen: consumer.generation });
    await live.end();
    assert.strictEqual(await waiting, 'producer_gone');
    assert.strictEqual(consumer.producerPid, undefined);
});

test('a wait leaves the event loop alone, and ends when there is something new', async (t) => {
    const { producer, consumer } = pair(t);
    assert.strictEqual(await consumer.wait({ timeout: 0 }), 'timeout');
    const waiting = consumer.wait();
    await turn();
    producer.publish((batch) => batch.put(1, 1, 'a'));
    assert.strictEqual(await waiting, 'changed');
    assert.strictEqual(await consumer.wait({ seen: 1 }), 'changed');
    await assert.rejects(consumer.wait({ timeout: -1 }), RangeError);
    await assert.rejects(consumer.wait({ seen: -1 }), RangeError);
});

test('a signal ends a wait with its reason', async (t) => {
    const { consumer } = pair(t);
    const controller = new AbortController();
    const waits = Array.from({ length: 8 }, () => consumer.wait({ signal: controller.signal }));
    const many = Promise.allSettled(waits);
    const reason = new Error('enough');
    await turn();
    controller.abort(reason);
    assert.ok((await many).every((wait) => wait.reason === reason));
    await assert.rejects(consumer.wait({ signal: controller.signal }), (e) => e === reason);
    const there = strata.Consumer.whenPresent('nobody', {
        basePath: newBase(t),
        signal: AbortSignal.timeout(10),
    });
    await assert.rejects(there, { name: 'TimeoutError' });
});

test('closing a consumer ends its waits; its snapshots stay', async (t) => {
    const { producer, consumer } = pair(t);
    producer.publish((batch) => batch.put(1, 1, 'a'));
    const snapshot = consumer.snapshot();
    const waiting = Promise.allSettled([consumer.wait(), consumer.wait({ timeout: 1e9 })]);
    const following = (async () => {
        for await (const _ of consumer.updates()) {
            setImmediate(() => consumer.close());
        }
        return 'ended';
    })();
    assert.deepStrictEqual((await waiting).map((wait) => wait.reason.code), ['closed', 'closed']);
    assert.strictEqual(await following, 'ended');
    assert.strictEqual(snapshot.get(1, 1).toString(), 'a');
    await assert.rejects(async () => consumer.wait(), failure('closed'));
    assert.strictEqual(consumer.closed, true);
    consumer.close();
});

test('updates() gives what is there, then what is newer, and lets go of the last', async (t) => {
    const { producer, consumer } = pair(t);
    const seen = [];
    let last;
    for await (const snapshot of consumer.updates()) {
        assert.ok(last === undefined || last.closed);
        seen.push(snapshot.generation);
        if (seen.length === 4) {
            last = snapshot;
            break;
        }
        last = snapshot;
        const publish = () => producer.publish((batch) => batch.put(1, 1, 'x'));
        if (seen.length === 2) {
            publish(); // two while it is busy: the first is left out
        }
        setImmediate(publish);
    }
    assert.strictEqual(last.closed, true);
    assert.strictEqual(seen[0], 1);
    assert.ok(seen.every((g, i) => i === 0 || g > seen[i - 1]), seen.join());

    const controller = new AbortController();
    await assert.rejects(async () => {
        for await (const _ of consumer.updates({ signal: controller.signal })) {
            setImmediate(() => controller.abort());
        }
    }, { name: 'AbortError' });
});

test('updates() goes on with another store under the name', async (t) => {
    const base = newBase(t);
    const first = produce(t, base);
    const consumer = attach(t, base);
    const texts = [];
    first.publish((batch) => batch.put(1, 1, 'first'));
    for await (const snapshot of consumer.updates()) {
        texts.push(snapshot.get(1, 1)?.toString());
        if (texts.length === 1) {
            first.close();
            strata.removeStore('store', base);
            setTimeout(() => {
                produce(t, base).publish((batch) => batch.put(1, 1, 'second'));
            }, 0);
        }
        if (texts.at(-1) === 'second') {
            break;
        }
    }
    assert.strictEqual(texts[0], 'first');
});

test('generations that are retained, by number, time and bookmark', (t) => {
    const { producer, consumer } = pair(t, { retain: 10, retainFor: 1e11 });
    const published = [];
    for (let i = 0; i < 4; ++i) {
        published.push(producer.publish((batch) => batch.put(1, 1, String(i))));
    }
    const text = (snapshot) => snapshot.get(1, 1).toString();
    assert.deepStrictEqual(consumer.retained, { oldest: 1, newest: 5 });
    assert.strictEqual(text(consumer.snapshot(published[1])), '1');
    assert.strictEqual(text(consumer.snapshot(BigInt(published[2]))), '2');
    const then = consumer.snapshot(published[1]).publishedAtNs;
    assert.strictEqual(text(consumer.snapshotAt(then)), '1');
    assert.strictEqual(text(consumer.snapshotAt(new Date(Date.now() + 1000))), '3');
    assert.throws(() => consumer.snapshotAt(new Date(0)), failure('generation_not_retained'));
    assert.throws(() => consumer.snapshotAt(5), TypeError);
    assert.throws(() => consumer.snapshot(99), failure('generation_not_retained'));

    assert.strictEqual(producer.setBookmark('two', published[2]), published[2]);
    assert.strictEqual(producer.setBookmark('now'), published[3]);
    assert.strictEqual(text(consumer.snapshotAt('two')), '2');
    const bookmarks = consumer.bookmarks();
    assert.deepStrictEqual(bookmarks.map((b) => [b.name, b.generation]), [
        ['now', published[3]],
        ['two', published[2]],
    ]);
    assert.strictEqual(typeof bookmarks[0].madeAtNs, 'bigint');
    producer.removeBookmark('two');
    assert.throws(() => consumer.snapshotAt('two'), failure('bookmark_not_found'));
    const { publishedAt, publishedAtNs } = consumer.snapshot();
    assert.strictEqual(publishedAt.getTime(), Number(publishedAtNs / 1_000_000n));
});

test('what a store and a consumer say of themselves', (t) => {
    const { base, producer, consumer } = pair(t);
    producer.publish((batch) => batch.put(1, 1, 'a'));
    assert.deepStrictEqual(strata.stores(base), ['store']);
    const info = strata.inspect('store', base);
    assert.deepStrictEqual([info.generation, info.layers, info.producerPid], [2, 1, process.pid]);
    assert.match(info.id, /^[0-9a-f]{32}$/);
    assert.strictEqual(consumer.statistics().generation, 2);
    assert.strictEqual(producer.statistics().generation, 2);
    assert.strictEqual(strata.statistics('store', base).generation, 2);
    assert.strictEqual(typeof consumer.memory().mappedRegions, 'number');
    assert.strictEqual(consumer.storeReplaced, false);
    const snapshot = consumer.snapshot();
    assert.strictEqual(snapshot.get(1, 1).toString(), 'a');
    producer.close();
    strata.removeStore('store', base);
    assert.strictEqual(consumer.storeReplaced, true);
    assert.deepStrictEqual(strata.stores(base), []);
    assert.throws(() => consumer.reattach(), failure('store_not_found'));
    assert.strictEqual(snapshot.get(1, 1).toString(), 'a');
});

test('an error says what failed, where, and what to do', (t) => {
    const base = newBase(t);
    try {
        new strata.Consumer('nobody', { basePath: base });
        assert.fail('attached to nothing');
    } catch (error) {
        assert.ok(error instanceof strata.StrataError && error instanceof Error);
        assert.deepStrictEqual([error.code, error.number], ['store_not_found', 1]);
        assert.ok(error.path.startsWith(base), error.path);
        assert.ok(error.message.includes(error.path) && error.hint.length > 0, error.message);
    }
    assert.throws(() => new strata.Consumer('../x', { basePath: base }), failure('invalid_name'));
    assert.throws(() => new strata.Consumer(5), TypeError);
});
