// SPDX-License-Identifier: Apache-2.0
// The package `strata`; index.d.ts is the manual.
'use strict';

const { StrataError } = require('./lib/error.js');
const { Consumer } = require('./lib/consumer.js');
const { Dimension } = require('./lib/dimension.js');
const { Layer } = require('./lib/layer.js');
const { Batch } = require('./lib/batch.js');
const { Producer } = require('./lib/producer.js');
const { Snapshot } = require('./lib/snapshot.js');
const { Type } = require('./lib/type.js');
const store = require('./lib/store.js');
const { inspect, layerNumber, removeStore, statistics, stores, version } = store;

module.exports = {
    StrataError,
    Batch,
    Consumer,
    Dimension,
    Layer,
    Producer,
    Snapshot,
    Type,
    inspect,
    layerNumber,
    removeStore,
    statistics,
    stores,
    version,
};
