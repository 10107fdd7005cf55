// SPDX-License-Identifier: Apache-2.0
// Schemas: what a type is made of, as a text in JSON that any language can write and read.
// docs/python.md has the rules. Whoever wrote the store may be hostile: what a text may ask for is
// bounded, and no part lies outside of its whole.
'use strict';

const { endianness } = require('node:os');

/** Where schemas lie: a dimension of this name, layers with tags as their numbers. */
const DIMENSION = 'strata.types';

const MOST_BYTES = 1 << 16; // of a text
const MOST_FIELDS = 4096; // in all, those of fields included
const MOST_DEPTH = 16;
const MOST_VALUES = 1 << 20; // that one value may have, all shapes multiplied

const LITTLE = endianness() === 'LE';

/** A number by its name: size, and how a DataView reads and writes it. */
const numbers = new Map(
    [
        ['bool', 1, 'Uint8', undefined],
        ['i8', 1, 'Int8', Int8Array],
        ['u8', 1, 'Uint8', Uint8Array],
        ['i16', 2, 'Int16', Int16Array],
        ['u16', 2, 'Uint16', Uint16Array],
        ['i32', 4, 'Int32', Int32Array],
        ['u32', 4, 'Uint32', Uint32Array],
        ['i64', 8, 'BigInt64', BigInt64Array],
        ['u64', 8, 'BigUint64', BigUint64Array],
        ['f32', 4, 'Float32', Float32Array],
        ['f64', 8, 'Float64', Float64Array],
    ].map(([name, size, method, array]) => [name, { name, size, method, array }]),
);

class NotASchema extends RangeError {}

function refuse(reason) {
    throw new NotASchema(`not a schema: ${reason}`);
}

function numberIn(described, key, least = 0) {
    const value = described[key];
    if (!Number.isInteger(value) || value < least || value >= 2 ** 31) {
        refuse(`${key} is a number`);
    }
    return value;
}

function textIn(described, key) {
    const value = described[key];
    if (typeof value !== 'string' || value === '') {
        refuse(`${key} is a text`);
    }
    return value;
}

// ---- Parts: size, read(view, offset), write(view, offset, value) -------------------------------
function numberPart({ name, size, method }) {
    if (name === 'bool') {
        return {
            size,
            read: (view, offset) => view.getUint8(offset) !== 0,
            write: (view, offset, value) => view.setUint8(offset, value ? 1 : 0),
        };
    }
    const whole = method.startsWith('Big') ? BigInt : Number;
    const [get, set] = [`get${method}`, `set${method}`];
    return {
        size,
        read: (view, offset) => view[get](offset, LITTLE),
        write: (view, offset, value) => view[set](offset, whole(value), LITTLE),
    };
}

/** `bytes` are a Buffer, `chars` a string that ends before the first zero. */
function opaquePart(kind, size) {
    const bytesOf = (view, offset) => Buffer.from(view.buffer, view.byteOffset + offset, size);
    return {
        size,
        read(view, offset) {
            const bytes = bytesOf(view, offset);
            if (kind === 'bytes') {
                return Buffer.from(bytes);
            }
            const end = bytes.indexOf(0);
            return bytes.toString('utf8', 0, end < 0 ? size : end);
        },
        write(view, offset, value) {
            const bytes = Buffer.from(value);
            if (bytes.length > size) {
                throw new RangeError(`${bytes.length} bytes do not fit into ${size}`);
            }
            bytesOf(view, offset).set(bytes);
        },
    };
}

function arrayPart(element, length) {
    return {
        size: element.size * length,
        read(view, offset) {
            return Array.from({ length }, (_, i) => element.read(view, offset + i * element.size));
        },
        write(view, offset, value) {
            if (value?.length !== length) {
                throw new RangeError(`an array of ${length} is wanted`);
            }
            for (let i = 0; i < length; ++i) {
                element.write(view, offset + i * element.size, value[i]);
            }
        },
    };
}

function structPart(fields, size) {
    return {
        size,
        read(view, offset) {
            // No member can be a prototype's, whatever its name is.
            return Object.fromEntries(
                fields.map(({ name, at, part }) => [name, part.read(view, offset + at)]),
            );
        },
        write(view, offset, value) {
            for (const { name, at, part } of fields) {
                if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name)) {
                    throw new TypeError(`the field ${name} is missing`);
                }
                part.write(view, offset + at, value[name]);
            }
        },
    };
}

class Reader {
    #fields = 0;

    part(described, depth, times) {
        if (depth > MOST_DEPTH) {
            refuse(`it is at most ${MOST_DEPTH} deep`);
        }
        if (described === null || typeof described !== 'object' || Array.isArray(described)) {
            refuse('a type is an object');
        }
        const shape = described.shape ?? [];
        if (!Array.isArray(shape)) {
            refuse('a shape is a list');
        }
        for (const length of shape) {
            if (!Number.isInteger(length) || length < 1) {
                refuse('a shape is made of numbers');
            }
            times *= length;
            if (times > MOST_VALUES) {
                refuse(`it has at most ${MOST_VALUES} values`);
            }
        }
        return shape.reduceRight(arrayPart, this.#one(described, depth, times));
    }

    #one(described, depth, times) {
        if (described.fields === undefined) {
            const name = textIn(described, 'type');
            if (name === 'bytes' || name === 'chars') {
                return opaquePart(name, numberIn(described, 'size'));
            }
            return numberPart(numbers.get(name) ?? refuse('no such type'));
        }
        if (!Array.isArray(described.fields)) {
            refuse('fields are a list');
        }
        this.#fields += described.fields.length;
        if (this.#fields > MOST_FIELDS) {
            refuse(`it has at most ${MOST_FIELDS} fields`);
        }
        const size = numberIn(described, 'size');
        const names = new Set();
        const fields = described.fields.map((field) => {
            const part = this.part(field, depth + 1, times);
            const [name, at] = [textIn(field, 'name'), numberIn(field, 'offset')];
            if (at + part.size > size || names.has(name)) {
                refuse('a field is there twice, or lies outside');
            }
            names.add(name);
            return { name, at, part };
        });
        return structPart(fields, size);
    }
}

/** Name, size, alignment and part of a schema; a RangeError if it is none. */
function read(text) {
    if (Buffer.byteLength(text) > MOST_BYTES) {
        refuse(`it has at most ${MOST_BYTES} bytes`);
    }
    let described;
    try {
        described = JSON.parse(text);
    } catch (error) {
        refuse(error.message);
    }
    const part = new Reader().part(described, 0, 1);
    if (described.shape?.length > 0) {
        refuse('a type as a whole has no shape, its fields may');
    }
    const alignment = numberIn(described, 'alignment', 1);
    if ((alignment & (alignment - 1)) !== 0) {
        refuse('an alignment is a power of two');
    }
    const size = numberIn(described, 'size', 1);
    if (part.size !== size) {
        refuse(`it says ${size} bytes, its parts make ${part.size}`);
    }
    return { name: textIn(described, 'name'), size, alignment, part };
}

module.exports = { DIMENSION, numbers, numberPart, read };
