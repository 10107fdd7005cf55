// SPDX-License-Identifier: Apache-2.0
// Stores as a whole, by name.
'use strict';

const { native } = require('./native.js');

const stores = (basePath) => native.listStores(basePath);
const removeStore = (name, basePath) => native.removeStore(name, basePath);
const inspect = (name, basePath) => native.inspect(name, basePath);
const statistics = (name, basePath) => JSON.parse(native.storeStatistics(name, basePath));
const layerNumber = (name) => native.layerNumber(name);
const version = native.version;

module.exports = { stores, removeStore, inspect, statistics, layerNumber, version };
