// SPDX-License-Identifier: Apache-2.0
// A program against index.d.ts that is compiled, never run: what users write has to pass, what is
// marked as an error has to be one.
import * as strata from 'strata';
import { Consumer, Producer, Snapshot, StrataError, Type } from 'strata';

interface Quote {
    price: number;
    size: bigint;
}

export function read(snapshot: Snapshot, rows: Float32Array): string | undefined {
    const joy: Buffer | undefined = snapshot.get('Emotion', 'joy');
    const dimension = snapshot.dimension(1);
    for (const [number, bytes] of dimension) {
        dimension.gather([number, 2, 3n], rows, new Uint8Array(3));
        bytes.subarray(1);
    }
    for (const [numbers, values] of dimension.batches({ layers: 16 })) {
        values[Number(numbers[0])].toString();
    }
    for (const { kind, after, layer } of snapshot.changes(undefined, 'Emotion')) {
        if (kind !== 'removed' && after?.number === layer) {
            after.copyTo(new ArrayBuffer(8), 1n);
        }
    }
    const many: (Buffer | undefined)[] = snapshot.getMany([[1, 5], [2, 7n]]);
    return many[0]?.toString() ?? joy?.toString() ?? snapshot.layer(1, 5)?.info().name;
}

export async function follow(signal: AbortSignal): Promise<Snapshot | undefined> {
    const consumer = await Consumer.whenPresent('market', { basePath: '/srv', signal });
    const ended: 'changed' | 'timeout' | 'producer_gone' | 'store_replaced' = await consumer.wait({
        seen: consumer.generation, timeout: 10, signal });
    for await (const snapshot of consumer.updates({ signal, reattach: ended !== 'timeout' })) {
        return snapshot.clone();
    }
    return consumer.snapshotAt(new Date()) ?? consumer.snapshotAt('mark') ?? consumer.snapshotAt(1n);
}

export async function produce(quotes: readonly Quote[]): Promise<number> {
    const producer = new Producer('market', {
        mode: 'open', memoryLimit: 500 << 20, retain: 100, durability: 'each_commit' });
    const quote = Type.fromSchema<Quote>({ name: 'Quote', size: 16, alignment: 8, fields: [
        { name: 'price', type: 'f64', offset: 0 }, { name: 'size', type: 'u64', offset: 8 }] });
    const generation = producer.publish((batch) => {
        const number: bigint = batch.put(batch.dimension('Emotion'), 'joy', 'joy', {
            frequency: 1.5, keywords: ['emotion'] });
        batch.put(1, number, new Uint8Array(4)).toString();
        quote.describe(batch);
        quote.put(batch, 2, 'best', { price: 1.25, size: 100n });
        quote.putArray(batch, 2, 'all', quotes);
        batch.erase(1, 6).clearDimension(4);
    });
    try {
        return await producer.waitDurable(generation);
    } catch (error) {
        return error instanceof StrataError && error.code === 'durability_lost' ? -1 : 0;
    } finally {
        producer.close();
        strata.removeStore('market');
    }
}

export function wrong(snapshot: Snapshot, consumer: Consumer, producer: Producer): void {
    // @ts-expect-error: a name or a number
    snapshot.get(1, null);
    // @ts-expect-error: it may not be there
    snapshot.get(1, 5).toString();
    // @ts-expect-error: cannot be assigned
    snapshot.generation = 1;
    // @ts-expect-error: a promise
    consumer.wait().length;
    // @ts-expect-error: no such policy
    new Producer('market', { durability: 'always' });
    // @ts-expect-error: bytes or text, not a number
    producer.batch().put(1, 5, 7);
    // @ts-expect-error: given, not made
    new Snapshot();
    // @ts-expect-error: a value has all members
    Type.fromSchema<Quote>('{}').put(producer.batch(), 1, 1, { price: 1 });
    // @ts-expect-error: what only the declarations use is not exported
    const hidden: strata.Closable | undefined = undefined;
    hidden;
}
