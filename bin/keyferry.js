#!/usr/bin/env node
import { fileURLToPath } from "node:url";
import { runOnPinnedNode } from "./pinned-node.js";

runOnPinnedNode([fileURLToPath(new URL("../cli/main.ts", import.meta.url)), ...process.argv.slice(2)]);
