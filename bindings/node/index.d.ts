// SPDX-License-Identifier: Apache-2.0
// The manual of the package: docs/node.md says it in sentences.
//
// 64 bits: layer numbers, type tags, checksums and nanoseconds are always BigInts when they come
// back. Where one is taken, a safe integer will do; what is negative, broken or too large is a
// RangeError. Generations, counts and bytes are Numbers (exact up to 2^53).
/// <reference types="node" />

export {}; // nothing but what says so

/** A layer's number, or the name that it was put under. */
export type LayerKey = number | bigint | string;
/** A dimension's number, or its name. */
export type DimensionKey = number | string;
type Unsigned = number | bigint;
type Data = string | NodeJS.ArrayBufferView | ArrayBuffer;
type Layers = BigUint64Array | readonly Unsigned[];

export const version: string;

/** What the library refused or could not do. */
export class StrataError extends Error {
    readonly name: 'StrataError';
    /** "limit_exceeded", "store_not_found" ..., as in include/strata/error.hpp; or "closed". */
    readonly code: string;
    readonly number?: number;
    readonly operation?: string;
    readonly path?: string;
    readonly hint?: string;
    /** 0: no system call failed. */
    readonly errno?: number;
    /** Bytes, where that is meaningful. */
    readonly needed?: number;
    readonly limit?: number;
    readonly current?: number;
}

interface Closable {
    close(): void;
    [Symbol.dispose](): void; // where Node has these two
    [Symbol.asyncDispose](): Promise<void>;
}

export interface LayerInfo {
    dimension: number;
    number: bigint;
    name: string | undefined;
    size: number;
    generation: number;
    frequency: number;
    keywords: string[];
    checksum: bigint;
    /** 0n: plain bytes. */
    typeTag: bigint;
}

/** One layer of a snapshot, for as long as that is open. */
export class Layer {
    private constructor();
    readonly snapshot: Snapshot;
    readonly dimension: number;
    readonly number: bigint;
    readonly size: number;
    info(): LayerInfo;
    /** A copy. */
    bytes(): Buffer;
    /** UTF-8. */
    text(): string;
    /** From `offset` on, as much as there is room for: how many bytes. */
    copyTo(target: NodeJS.ArrayBufferView | ArrayBuffer, offset?: Unsigned): number;
    /** The value or array that it holds, by its type: Type.of(this).read(this). */
    value(): unknown;
    /** Recomputes the checksum: StrataError, corrupt, if it does not match. */
    verify(): void;
}

/** One dimension of a snapshot: a map that cannot be changed, ascending by number. */
export class Dimension implements Iterable<[bigint, Buffer]> {
    private constructor();
    readonly number: number;
    readonly size: number;
    get(layer: LayerKey): Buffer | undefined;
    has(layer: LayerKey): boolean;
    layer(layer: LayerKey): Layer | undefined;
    /** One call for all; the Buffers share one piece of memory. */
    getMany(layers: Layers): (Buffer | undefined)[];
    gather(layers: Layers, rows: NodeJS.ArrayBufferView, states?: Uint8Array): number;
    keys(): IterableIterator<bigint>;
    values(): IterableIterator<Buffer>;
    entries(): IterableIterator<[bigint, Buffer]>;
    layers(): IterableIterator<Layer>;
    [Symbol.iterator](): IterableIterator<[bigint, Buffer]>;
    /** In portions of at most so many layers (256) and about so many bytes (1 MiB). */
    batches(options?: {
        layers?: number;
        bytes?: number;
    }): IterableIterator<[BigUint64Array, Buffer[]]>;
}

export interface DimensionInfo {
    number: number;
    name: string;
    layers: number;
    liveBytes: number;
    /** That changed it last. */
    generation: number;
}

export interface Change {
    dimension: number;
    layer: bigint;
    kind: 'added' | 'updated' | 'removed';
    before: Layer | undefined;
    after: Layer | undefined;
}

export interface DimensionChange {
    dimension: number;
    kind: 'added' | 'removed' | 'renamed';
    before: string | undefined;
    after: string | undefined;
}

export interface Verification {
    layers: number;
    payloadBytes: number;
    failureCount: number;
    /** The first hundred. */
    failures: { file: string; dimension?: number; layer?: bigint; what: string }[];
}

/** One generation of the whole store, unchanged until it is closed. It keeps memory that the
 * producer would use again: close it. */
export class Snapshot implements Closable {
    private constructor();
    readonly generation: number;
    readonly publishedAt: Date;
    readonly publishedAtNs: bigint;
    readonly layerCount: number;
    readonly dimensionCount: number;
    readonly closed: boolean;
    /** A copy; undefined if there is no such layer or dimension. */
    get(dimension: DimensionKey, layer: LayerKey): Buffer | undefined;
    has(dimension: DimensionKey, layer: LayerKey): boolean;
    layer(dimension: DimensionKey, layer: LayerKey): Layer | undefined;
    /** [dimension, layer] by number, of dimensions in any mixture: one call for all. */
    getMany(ids: readonly (readonly [number, Unsigned])[]): (Buffer | undefined)[];
    /** Copies payloads of equal size to rows, one behind the other: how many were copied. The row
     * of a layer that there is not, or of another size, is zeroed. states[i]: 0 none, 1 copied,
     * 2 of another size. */
    gather(
        dimension: DimensionKey,
        layers: Layers,
        rows: NodeJS.ArrayBufferView,
        states?: Uint8Array,
    ): number;
    hasDimension(dimension: DimensionKey): boolean;
    /** StrataError, dimension_not_found. */
    dimension(dimension: DimensionKey): Dimension;
    dimensions(): DimensionInfo[];
    /** What differs from another snapshot of the store, ascending; without one, everything. O(what
     * differs). */
    changes(since?: Snapshot, dimension?: DimensionKey): Change[];
    /** Dimensions that were added, removed or renamed. */
    dimensionChanges(since?: Snapshot): DimensionChange[];
    /** Checks every byte, in a thread of its own. */
    verify(): Promise<Verification>;
    /** Another of the same generation, which is closed for itself. */
    clone(): Snapshot;
    close(): void;
    [Symbol.dispose](): void;
    [Symbol.asyncDispose](): Promise<void>;
}

export interface ConsumerOptions {
    /** Default: STRATA_BASE_PATH, else /dev/shm/strata. */
    basePath?: string;
    /** Whose stores are attached beside root's; default: this user's. */
    trustedOwner?: 'anybody' | number;
    /** Default true; false: no background thread, the last snapshot's end is a system call. */
    idlePin?: boolean;
    /** 0: no look-up cache. */
    lookupCacheBytes?: number;
}

export type WaitResult = 'changed' | 'timeout' | 'producer_gone' | 'store_replaced';

export interface Bookmark {
    name: string;
    generation: number;
    madeAtNs: bigint;
}

/** A process's read-only end of a store. It writes to nothing that is shared. */
export class Consumer implements Closable {
    constructor(name: string, options?: ConsumerOptions);
    /** Attaches as soon as the store is there. An aborted signal rejects within 50 ms. */
    static whenPresent(
        name: string,
        options?: ConsumerOptions & { signal?: AbortSignal },
    ): Promise<Consumer>;
    readonly name: string;
    readonly basePath: string | undefined;
    readonly closed: boolean;
    /** The newest one. */
    readonly generation: number;
    /** The newest that survives a power failure; 0: none. StrataError, durability_lost. */
    readonly durableGeneration: number;
    /** What snapshot(generation) can give. */
    readonly retained: { oldest: number; newest: number };
    readonly producerPid: number | undefined;
    readonly storeReplaced: boolean;
    /** The newest generation, or one that is retained. */
    snapshot(generation?: Unsigned): Snapshot;
    /** A string: what that bookmark names. Else what was current at a time: a Date, or nanoseconds
     * since 1970 as a BigInt. StrataError: bookmark_not_found, generation_not_retained. */
    snapshotAt(when: string | Date | bigint): Snapshot;
    bookmarks(): Bookmark[];
    /** Waits for a generation newer than `seen` (default: the newest), in a thread of its own;
     * `timeout` in ms. Keeps the process alive. Rejects with a signal's reason; with a StrataError,
     * closed, if the consumer is closed meanwhile. */
    wait(options?: {
        seen?: Unsigned;
        timeout?: number;
        /** Default false; true: the end of the producer does not end the wait. */
        waitForProducer?: boolean;
        signal?: AbortSignal;
    }): Promise<WaitResult>;
    /** The newest generation, now and whenever there is a newer one; those between are left out. A
     * snapshot is closed when the loop comes back for the next: clone() keeps it. Goes on with
     * another store under the name (unless `reattach` is false); ends with the consumer. */
    updates(options?: {
        signal?: AbortSignal;
        reattach?: boolean;
    }): AsyncGenerator<Snapshot, void, undefined>;
    /** Attaches anew under the name; if that fails, the old attachment stays. */
    reattach(): void;
    /** As `strata stat --json`. */
    statistics(): Record<string, unknown>;
    /** What it takes of this process's memory. */
    memory(): {
        lookupCacheBytes: number;
        lookupCacheLimit: number;
        cachedDimensions: number;
        cachedLists: number;
        mappedRegions: number;
    };
    /** Ends waits and updates(). Snapshots stay valid. */
    close(): void;
    [Symbol.dispose](): void;
    [Symbol.asyncDispose](): Promise<void>;
}

export interface LayerOptions {
    frequency?: number;
    keywords?: readonly string[];
    /** Of the payload: a power of two. */
    alignment?: number;
    typeTag?: Unsigned;
}

/** Changes that become visible together, or not at all. */
export class Batch implements Closable {
    private constructor();
    /** Changes that wait. */
    readonly size: number;
    /** Copies the bytes (a string's as UTF-8) in; the layer's number. */
    put(dimension: number, layer: LayerKey, data: Data, options?: LayerOptions): bigint;
    erase(dimension: number, layer: LayerKey): this;
    /** The number of the dimension of that name; a new one is added. */
    dimension(name: string): number;
    nameDimension(dimension: number, name: string): this;
    removeDimension(dimension: number): this;
    /** Removes all layers that it has by then but those that this batch puts. */
    clearDimension(dimension: number): this;
    /** Publishes all of it: the generation. After an error the batch is as it was. */
    crystallize(): number;
    clear(): void;
    close(): void;
    [Symbol.dispose](): void;
    [Symbol.asyncDispose](): Promise<void>;
}

export interface ProducerOptions {
    basePath?: string;
    mode?: 'open_or_create' | 'create' | 'open' | 'replace';
    /** Bytes; default: 280 MiB. */
    memoryLimit?: Unsigned;
    regionMaxBytes?: Unsigned;
    ownRegions?: boolean;
    /** Earlier generations that stay readable. */
    retain?: number;
    /** Milliseconds: those of the last so long stay readable, too. */
    retainFor?: number;
    /** For what is retained. */
    retainBytes?: Unsigned;
    /** 0o644, 0o640 or 0o600. */
    accessMode?: number;
    slowReaders?: 'fail' | 'wait' | 'relocate';
    durability?: 'automatic' | 'off' | 'background' | 'each_commit';
    /** Milliseconds, of "background". */
    durabilityInterval?: number;
    durabilityGenerations?: Unsigned;
}

/** The one writer of a store. */
export class Producer implements Closable {
    constructor(name: string, options?: ProducerOptions);
    readonly closed: boolean;
    readonly generation: number;
    readonly durableGeneration: number;
    batch(): Batch;
    /** Publishes what `change` puts into a batch: the generation. If it throws, nothing. */
    publish(change: (batch: Batch) => void): number;
    addDimension(
        dimension: number,
        name?: string,
        options?: {
            ownRegion?: boolean;
            initialBytes?: Unsigned;
            maxBytes?: Unsigned;
            accessMode?: number;
        },
    ): number;
    addCoreDimensions(): number;
    /** Keeps a generation (default: the newest) under a name until that is removed: its number. */
    setBookmark(name: string, generation?: Unsigned): number;
    removeBookmark(name: string): void;
    /** Makes the newest generation durable, in a thread of its own: its number. */
    checkpoint(): Promise<number>;
    waitDurable(generation: number): Promise<number>;
    statistics(): Record<string, unknown>;
    setMemoryLimit(bytes: Unsigned): void;
    /** Bytes that went back to the system. */
    trim(): number;
    /** Lets others produce; its batches are closed. A checkpoint that is under way ends before. */
    close(): void;
    [Symbol.dispose](): void;
    [Symbol.asyncDispose](): Promise<void>;
}

/** A type of values by the name that all languages give it. 64-bit members are BigInts, arrays of
 * numbers typed arrays, structs objects, `bytes` Buffers, `chars` strings. */
export class Type<Value = unknown> {
    private constructor();
    readonly name: string;
    readonly size: number;
    readonly alignment: number;
    readonly tag: bigint;
    readonly arrayTag: bigint;
    readonly schema: string | undefined;
    /** "f64", "u8" ... */
    static number(name: string): Type;
    /** A struct by its schema (docs/python.md), JSON. RangeError: it is none. */
    static fromSchema<Value = unknown>(schema: string | object): Type<Value>;
    /** The type of a layer: a number's, or what its snapshot's schema of it says. TypeError: there
     * is none; RangeError: it is damaged, or a lie. */
    static of(layer: Layer): Type;
    /** Puts the schema where Type.of finds it. */
    describe(batch: Batch): void;
    /** What value or array gives, whichever was put. */
    read(layer: Layer): Value | ArrayLike<Value>;
    /** A copy. StrataError, type_mismatch, if the layer holds another type. */
    value(layer: Layer): Value;
    array(layer: Layer): ArrayLike<Value>;
    put(
        batch: Batch,
        dimension: number,
        layer: LayerKey,
        value: Value,
        options?: LayerOptions,
    ): bigint;
    putArray(
        batch: Batch,
        dimension: number,
        layer: LayerKey,
        values: ArrayLike<Value>,
        options?: LayerOptions,
    ): bigint;
}

export interface StoreInfo {
    id: string;
    formatVersion: number;
    owner: number;
    mode: number;
    createdAtNs: bigint;
    publishedAtNs: bigint;
    producerPid: number | undefined;
    readers: number;
    generation: number;
    oldestRetained: number;
    dimensions: number;
    layers: number;
    memoryLimit: number;
    liveBytes: number;
    committedBytes: number;
    regionMaxBytes: number;
}

/** Names, sorted. */
export function stores(basePath?: string): string[];
export function removeStore(name: string, basePath?: string): void;
export function inspect(name: string, basePath?: string): StoreInfo;
export function statistics(name: string, basePath?: string): Record<string, unknown>;
/** The number of the layer of that name. */
export function layerNumber(name: string): bigint;
