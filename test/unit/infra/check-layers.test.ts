import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LAYERS, violations, WITHOUT_IO } from "../../../infra/check-layers.ts";

/** What is wrong with a file of these imports, one a line. */
const wrongWith = (file: string, ...imports: readonly string[]) => violations([file], () => imports.join("\n"));

describe("the check of layers", () => {
  it("refuses a layer above, one that a layer doesn't know, and folders that stay apart", () => {
    assert.deepEqual(wrongWith("lib/plan/plan.ts", 'import { a } from "../vault/a.ts";'), [
      "lib/plan/plan.ts imports lib/vault/a.ts: plan is below adapters",
    ]);
    assert.deepEqual(wrongWith("lib/rights/table.ts", 'import type { Row } from "../ports/rows.ts";'), [
      "lib/rights/table.ts imports lib/ports/rows.ts: rights knows util, root, pure only",
    ]);
    assert.deepEqual(wrongWith("lib/vault/login.ts", 'import { b } from "../aws/b.ts";'), [
      "lib/vault/login.ts imports lib/aws/b.ts: adapters do not know each other",
    ]);
    assert.deepEqual(wrongWith("lib/plan/plan.ts", 'import { c } from "../kinds/c.ts";', 'import "./d.ts";'), []);
  });

  it("refuses a file of no layer, and imports of one", () => {
    assert.deepEqual(wrongWith("lib/new/a.ts"), ["lib/new/a.ts: add its folder to a layer in infra/check-layers.ts"]);
    assert.deepEqual(wrongWith("cli/run.ts", 'import { a } from "../test/a.ts";', 'import p from "../package.json";'), [
      "cli/run.ts imports test/a.ts: it is in no layer",
    ]);
  });

  it("refuses packages to every folder without I/O, however they are imported", () => {
    const folders = LAYERS.filter(({ name, group = name }) => WITHOUT_IO.includes(group)).flatMap((of) => of.folders);
    assert.ok(folders.length > WITHOUT_IO.length);
    for (const folder of folders) {
      for (const [line, name] of [
        ['import { readFile } from "node:fs/promises";', "node:fs/promises"],
        ['import * as timers from "node:timers/promises";', "node:timers/promises"],
        ['import type { Dispatcher } from "undici";', "undici"],
        ['export { S3Client } from "@aws-sdk/client-s3";', "@aws-sdk/client-s3"],
        ['const { pino } = await import("pino");', "pino"],
        ['import "prom-client";', "prom-client"],
        ['import type {\n  V1Secret,\n} from "@kubernetes/client-node";', "@kubernetes/client-node"],
      ] as const) {
        const [found = "nothing", ...others] = wrongWith(`${folder}/a.ts`, line);
        assert.ok(found.startsWith(`${folder}/a.ts imports ${name}: `), `${folder} may import ${name}: ${found}`);
        assert.ok(found.endsWith("ask through lib/ports, or let PURE name the package"));
        assert.deepEqual(others, []);
      }
    }
  });

  it("refuses them the machine's clock, timers and randomness, however they are used", () => {
    for (const [line, name] of [
      ["await ask(AbortSignal.timeout(10_000));", "AbortSignal.timeout"],
      ["const now = Date.now();", "Date.now"],
      ["const clock = Date.now;", "Date.now"],
      ["const at = new Date().toISOString();", "new Date()"],
      ["const began = performance.now();", "performance.now"],
      ["const timer = setTimeout(end, 1);", "setTimeout"],
      ["const timer = globalThis.setInterval(end, 1);", "setInterval"],
      ["setImmediate(next);", "setImmediate"],
      ["const jitter = Math.random();", "Math.random"],
      ["const now = systemClock();", "systemClock"],
      ["const pause = { sleep: systemSleep };", "systemSleep"],
      ["await systemDeadline(1, work);", "systemDeadline"],
    ] as const) {
      for (const folder of ["lib/issues", "lib/hubs/objects", "lib/schedule", "lib/injector"]) {
        const [found = "nothing", ...others] = wrongWith(`${folder}/a.ts`, line, line);
        assert.ok(found.startsWith(`${folder}/a.ts uses ${name}: `), `${folder} may use ${name}: ${found}`);
        assert.deepEqual(others, []);
      }
      assert.deepEqual(wrongWith("lib/vault/a.ts", line), []);
    }
    const given = ["const at = new Date(now).toISOString();", "const { clock, random, sleep, withDeadline } = deps;"];
    assert.deepEqual(wrongWith("lib/issues/a.ts", ...given), []);
  });

  it("allows them packages that do none, and adapters all", () => {
    const pure = ['import { z } from "zod";', 'import { string } from "zod/mini";', 'import { a } from "node:crypto";'];
    assert.deepEqual(wrongWith("lib/declarations/a.ts", ...pure), []);
    assert.equal(wrongWith("lib/declarations/a.ts", 'import { z } from "zodiac";').length, 1);
    assert.deepEqual(wrongWith("lib/vault/a.ts", 'import { request } from "undici";'), []);
  });

  it("knows each layer and group that it names", () => {
    const known = new Set(LAYERS.flatMap(({ name, group = name }) => [name, group]));
    for (const name of [...WITHOUT_IO, ...LAYERS.flatMap(({ knows = [] }) => knows)]) assert.ok(known.has(name), name);
  });
});
