#!/usr/bin/env node
// Runs a script on the Node 24 that package.json pins, whatever Node started this one: `node bin/node24.js script.ts args`.
import { fileURLToPath } from "node:url";
import { runOnPinnedNode } from "./pinned-node.js";

const args = process.argv.slice(2);
// Tests fail by what goes astray in their process as well.
const watched = args.includes("--test")
  ? ["--import", fileURLToPath(new URL("../test/strays.ts", import.meta.url))]
  : [];
runOnPinnedNode([...watched, ...args]);
