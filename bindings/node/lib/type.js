// SPDX-License-Identifier: Apache-2.0
'use strict';

const { native } = require('./native.js');
const schema = require('./schema.js');

const byTag = new Map(); // numbers: what needs no schema

/** A type of values, by the name that all languages give it; see index.d.ts. */
class Type {
    #part;
    #array;
    #schema;

    constructor({ name, size, alignment, part }, text, array) {
        this.name = name;
        this.size = size;
        this.alignment = alignment;
        this.tag = native.typeTag(name, size, alignment, false);
        this.arrayTag = native.typeTag(name, size, alignment, true);
        this.#part = part;
        this.#array = array;
        this.#schema = text;
    }

    /** A number's: 'f64', 'u8' ... */
    static number(name) {
        const known = schema.numbers.get(name);
        if (known === undefined) {
            throw new TypeError(`no number is called ${String(name)}`);
        }
        const part = schema.numberPart(known);
        return new Type({ name, size: known.size, alignment: known.size, part }, undefined,
            known.array);
    }

    static fromSchema(text) {
        const given = typeof text === 'string' ? text : JSON.stringify(text);
        return new Type(schema.read(given), given);
    }

    /** The type of a layer: a number's, or what its snapshot's schema of it says. */
    static of(layer) {
        const tag = layer.info().typeTag;
        if (byTag.size === 0) {
            for (const name of schema.numbers.keys()) {
                const type = Type.number(name);
                byTag.set(type.tag, type).set(type.arrayTag, type);
            }
        }
        const known = byTag.get(tag);
        if (known !== undefined) {
            return known;
        }
        const text = tag === 0n ? undefined : layer.snapshot.get(schema.DIMENSION, tag);
        if (text === undefined) {
            throw new TypeError(`the store does not say what is in ${native.typeTagText(tag)}`);
        }
        const found = Type.fromSchema(text.toString('utf8'));
        if (tag !== found.tag && tag !== found.arrayTag) {
            throw new RangeError(`the schema of ${found.name} lies under another type's tag`);
        }
        return found;
    }

    get schema() {
        return this.#schema;
    }

    /** Puts the schema where Type.of finds it. */
    describe(batch) {
        if (this.#schema === undefined) {
            throw new TypeError('a number needs no schema');
        }
        const types = batch.dimension(schema.DIMENSION);
        batch.put(types, this.tag, this.#schema);
        batch.put(types, this.arrayTag, this.#schema);
    }

    /** The value or the array that a layer holds, whichever was put. */
    read(layer) {
        return layer.info().typeTag === this.tag ? this.value(layer) : this.array(layer);
    }

    value(layer) {
        layer._expect(this.name, this.size, this.alignment, false);
        return this.#part.read(this.#view(layer), 0);
    }

    /** A typed array, of numbers; else an array. */
    array(layer) {
        layer._expect(this.name, this.size, this.alignment, true);
        const view = this.#view(layer);
        if (this.#array !== undefined) {
            return new this.#array(view.buffer);
        }
        const length = view.byteLength / this.size;
        return Array.from({ length }, (_, i) => this.#part.read(view, i * this.size));
    }

    #view(layer) {
        const memory = new ArrayBuffer(layer.size);
        layer.copyTo(memory);
        return new DataView(memory);
    }

    /** One value as a new version of a layer; its number. */
    put(batch, dimension, layer, value, options) {
        const memory = new ArrayBuffer(this.size); // zeros between fields
        this.#part.write(new DataView(memory), 0, value);
        return this.#put(batch, dimension, layer, memory, this.tag, options);
    }

    putArray(batch, dimension, layer, values, options) {
        const memory = new ArrayBuffer(this.size * values.length);
        const view = new DataView(memory);
        for (let i = 0; i < values.length; ++i) {
            this.#part.write(view, i * this.size, values[i]);
        }
        return this.#put(batch, dimension, layer, memory, this.arrayTag, options);
    }

    #put(batch, dimension, layer, memory, typeTag, options) {
        const own = this.alignment > 8 ? this.alignment : 0;
        const alignment = Math.max(options?.alignment ?? 0, own);
        return batch.put(dimension, layer, memory, { ...options, alignment, typeTag });
    }
}

module.exports = { Type };
