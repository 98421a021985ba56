#!/usr/bin/env node
// Runs a script on the Node 24 that package.json pins, whatever Node started this one: `node bin/node24.js script.ts args`.
import { fileURLToPath } from "node:url";
import { runOnPinnedNode } from "./pinned-node.js";

const args = process.argv.slice(2);
const isTest = args.includes("--test");
// Tests also fail for unhandled errors in their process.
const watched = isTest ? ["--import", fileURLToPath(new URL("../test/strays.ts", import.meta.url))] : [];
// Test files, and the commands that they start, load mostly the same modules.
if (isTest)
  process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL("../node_modules/.cache/compiled", import.meta.url));
runOnPinnedNode([...watched, ...args]);
