// SPDX-License-Identifier: Apache-2.0
// index.d.ts says what there is: TypeScript's compiler (Debian's node-typescript) takes it, with
// declarations.ts, and its classes have the members that are declared, and no others.
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const strata = require('strata');

function compiler() {
    for (const name of ['typescript', '/usr/share/nodejs/typescript']) {
        try {
            return require(name);
        } catch (error) {
            if (error.code !== 'MODULE_NOT_FOUND') {
                throw error;
            }
        }
    }
    return undefined;
}

const ts = compiler();
const types = ['/usr/share/nodejs/@types', '/usr/lib/node_modules/@types']
    .find((folder) => fs.existsSync(path.join(folder, 'node')));
const skip = ts === undefined || types === undefined ? 'no TypeScript, or no types of Node' : false;

function compiled() {
    const folder = path.dirname(require.resolve('strata'));
    return ts.createProgram([path.join(__dirname, 'declarations.ts')], {
        noEmit: true,
        strict: true,
        target: ts.ScriptTarget.ES2020,
        module: ts.ModuleKind.CommonJS,
        moduleResolution: ts.ModuleResolutionKind.NodeJs,
        baseUrl: path.dirname(folder),
        typeRoots: [types],
        types: ['node'],
    });
}

const names = (symbols) => [...symbols].map((symbol) => symbol.name)
    .filter((name) => !name.startsWith('__') && name !== 'prototype').sort();
const publicNames = (object, but) => Object.getOwnPropertyNames(object)
    .filter((name) => !name.startsWith('_') && !but.includes(name)).sort();
const SET_BY_CONSTRUCTORS = {
    StrataError: ['code', 'number', 'operation', 'path', 'hint', 'errno', 'needed', 'limit', 'current'],
    Layer: ['dimension', 'number'],
    Dimension: ['number'],
    Type: ['Value', 'alignment', 'arrayTag', 'name', 'size', 'tag'], // Value is its parameter
};

test('declarations', { skip }, () => {
    const program = compiled();
    const messages = ts.getPreEmitDiagnostics(program).map(
        (one) => `${one.file?.fileName}:${one.start}: ${ts.flattenDiagnosticMessageText(one.messageText, '\n')}`);
    assert.deepStrictEqual(messages, []);

    const checker = program.getTypeChecker();
    const file = program.getSourceFile(require.resolve('strata').replace(/\.js$/, '.d.ts'));
    const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(file));
    const values = exported.filter((symbol) => (symbol.flags & ts.SymbolFlags.Value) !== 0);
    assert.deepStrictEqual(names(values), Object.keys(strata).sort());

    for (const symbol of values.filter((one) => (one.flags & ts.SymbolFlags.Class) !== 0)) {
        const real = strata[symbol.name];
        const others = SET_BY_CONSTRUCTORS[symbol.name] ?? [];
        assert.deepStrictEqual(names(symbol.members.values()).filter((name) => !others.includes(name)),
            publicNames(real.prototype, ['constructor']), symbol.name);
        assert.deepStrictEqual(names(symbol.exports.values()),
            publicNames(real, ['length', 'name', 'prototype']), `static in ${symbol.name}`);
    }
});
