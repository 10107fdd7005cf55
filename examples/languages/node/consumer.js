// SPDX-License-Identifier: Apache-2.0
// Prints a line for every generation of the store that languages_producer publishes, until the
// producer is gone: consumer.js STORE [BASE_PATH]
'use strict';

const { Consumer } = require('strata');

const NUMBERS = BigUint64Array.from({ length: 1000 }, (_, i) => BigInt(i));

function line(snapshot) {
    const words = [`${snapshot.generation}:`];
    for (const symbol of ['AAA', 'BBB', 'CCC']) {
        const quote = snapshot.layer('Quotes', symbol).value(); // by the producer's schema
        words.push(`${symbol}=${quote.price.toFixed(2)}x${quote.size}`);
    }
    const counters = new BigUint64Array(NUMBERS.length);
    snapshot.gather(1, NUMBERS, counters); // one call
    words.push(`counters=${counters.reduce((sum, counter) => sum + counter)}`);
    words.push(`curve=${snapshot.layer('Quotes', 'curve').value()[0].toFixed(2)}`);
    const joy = snapshot.layer(2, 5);
    const text = joy === undefined ? 'none' : [joy.text(), ...joy.info().keywords].join(' ');
    return [...words, `text=${text}`].join(' ');
}

async function main(name, basePath) {
    const consumer = await Consumer.whenPresent(name, { basePath });
    let seen = 1; // the empty store
    while ((await consumer.wait({ seen })) === 'changed') {
        const snapshot = consumer.snapshot();
        seen = snapshot.generation;
        console.log(line(snapshot));
        snapshot.close();
    }
    consumer.close();
}

main(...process.argv.slice(2)).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
});
