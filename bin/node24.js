#!/usr/bin/env node
// Runs a script on the Node 24 that package.json pins, whatever Node started this one: `node bin/node24.js script.ts args`.
import { runOnPinnedNode } from "./pinned-node.js";

runOnPinnedNode(process.argv.slice(2));
