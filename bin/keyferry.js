#!/usr/bin/env node
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { HEAP_FLAGS, runOnPinnedNode } from "./pinned-node.js";

// A checkout runs its sources. The npm package has a bundle, because Node runs no TypeScript in node_modules.
const sources = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const bundle = fileURLToPath(new URL("../dist/keyferry.mjs", import.meta.url));

runOnPinnedNode([...HEAP_FLAGS, existsSync(sources) ? sources : bundle, ...process.argv.slice(2)]);
