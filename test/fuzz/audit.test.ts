import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Effect, PathEffect, PrefixEffect } from "../../lib/audit/effect.ts";
import { effectsOf } from "../../lib/audit/effects.ts";
import { frameMeaning } from "../../lib/audit/event-frames.ts";
import { type AuditLine, auditLine, type NoChange, readLine } from "../../lib/audit/line.ts";
import { type Facts, lineOf, pick, type Random, someFacts, somePath } from "../audit/generated.ts";
import { isDoubted, isSweep, type Touch, touchOf } from "../audit/naive.ts";
import { FLAVORS, recorded } from "../audit/recorded.ts";
import { seededRandom } from "../e2e/support/chaos.ts";

const INPUTS = Number(process.env.KEYFERRY_FUZZ_INPUTS ?? 100_000);
const SEED = Number(process.env.KEYFERRY_FUZZ_SEED ?? 20_261_129);

function meaning(read: AuditLine | NoChange): readonly Effect[] {
  return typeof read === "string" ? [] : effectsOf(read);
}

const isUnder = (path: string, above: string): boolean => `${path}/`.startsWith(`${above}/`);

/** Whether the index of places finds a row at this place by an effect. */
function finds(effect: PathEffect | PrefixEffect, place: string): boolean {
  if (effect.kind === "path") return effect.path === place;
  return isUnder(place, effect.prefix) && (effect.endsWith === undefined || place.endsWith(`/${effect.endsWith}`));
}

function touchBy(effects: readonly Effect[], place: string): Touch | undefined {
  const found = effects.filter(
    (effect): effect is PathEffect | PrefixEffect =>
      (effect.kind === "path" || effect.kind === "prefix") && finds(effect, place),
  );
  if (found.length === 0) return undefined;
  const { kind: _kind, ...merged }: Touch & { kind?: string; path?: string } = Object.assign({}, ...found);
  const { version, forget, lease } = merged;
  return {
    ...(version !== undefined && { version }),
    ...(forget !== undefined && { forget }),
    ...(lease !== undefined && { lease }),
  };
}

/** Places that the operation may concern, and others that only look like it. */
function placesNear(random: Random, { namespace, mount, path }: Facts): readonly string[] {
  const absolute = (text: string) => (namespace === "" ? text : `${namespace}/${text}`);
  const below = path.slice(mount.length + 1);
  const tails = below.split("/").map((_part, at, parts) => parts.slice(at).join("/"));
  const folders = ["", "creds/", "static-creds/", "issue/", "issuer/app/issue/", "data/"];
  const tail = pick(random, tails);
  const near =
    mount === "sys" ? [tail, ...tails] : [tail, ...tails].map((one) => `${mount}/${pick(random, folders)}${one}`);
  return [
    ...near.map(absolute),
    ...near.map((one) => absolute(one.replace(/\/[^/]+$/, ""))),
    ...folders.map((folder) => absolute(`${mount}/${folder}${tail}`)),
    ...[pick(random, near), absolute(mount), absolute(`${pick(random, near)}2`), absolute(`${pick(random, near)}/app`)],
    ...[`ns1/${pick(random, near)}`, absolute(somePath(random)), somePath(random, 4)],
  ];
}

/** Login mounts, absolute, that the operation may concern. */
function loginsNear({ namespace, mount, path }: Facts): readonly string[] {
  const asked = path
    .split("/")
    .slice(2)
    .join("/")
    .replace(/\/tune$/, "");
  return [mount, "auth/app", `auth/${asked}`, asked]
    .filter((login) => /^auth\/./.test(login) && !login.startsWith("auth/token"))
    .map((login) => (namespace === "" ? login : `${namespace}/${login}`));
}

/** How often each was met: what is never met is not tested. */
type Met = Record<"touched" | "version" | "forget" | "lease" | "sweep" | "tokens" | "nothing", number>;

function comparePlaces(random: Random, facts: Facts, effects: readonly Effect[], met: Met, told: () => string): void {
  for (const place of placesNear(random, facts)) {
    const touch = touchOf(facts, place);
    assert.deepEqual(touchBy(effects, place), touch, `${place}\n${told()}`);
    if (touch === undefined) continue;
    met.touched += 1;
    for (const name of ["version", "forget", "lease"] as const) met[name] += Number(touch[name] !== undefined);
  }
}

function compareOthers(facts: Facts, effects: readonly Effect[], met: Met, told: () => string): void {
  const sweeps = effects.some(({ kind }) => kind === "sweep");
  assert.equal(sweeps, isSweep(facts), told());
  met.sweep += Number(sweeps);
  for (const login of loginsNear(facts)) {
    const isIn = effects.some((one) => one.kind === "tokens" && (one.mount ?? login) === login);
    assert.equal(isIn, isDoubted(facts, login), `${login}\n${told()}`);
    met.tokens += Number(isIn);
  }
  met.nothing += Number(effects.length === 0);
}

describe("generated audit lines", () => {
  it(`concern the places that a second, naive matcher names, and no other: ${INPUTS} lines`, () => {
    const random = seededRandom(SEED);
    const met: Met = { touched: 0, version: 0, forget: 0, lease: 0, sweep: 0, tokens: 0, nothing: 0 };
    for (let at = 0; at < INPUTS; at++) {
      const facts = someFacts(random);
      const line = lineOf(random, facts);
      const effects = meaning(auditLine(line));
      const told = () => `seed ${SEED}, input ${at}: ${JSON.stringify(facts)}\n${line}\n${JSON.stringify(effects)}`;
      comparePlaces(random, facts, effects, met, told);
      compareOthers(facts, effects, met, told);
    }
    for (const [name, count] of Object.entries(met)) assert.ok(count > INPUTS / 2_000, `${name}: ${count}`);
  });

  it(`are skipped unread only where reading them tells of no change: ${INPUTS} lines`, () => {
    const random = seededRandom(SEED + 1);
    const skipped = new Map<string, number>();
    for (let at = 0; at < INPUTS; at++) {
      const line = lineOf(random, someFacts(random));
      const [quick, whole] = [auditLine(line), readLine(line)];
      if (typeof quick !== "string") assert.deepEqual(quick, whole, line);
      else assert.equal(typeof whole, "string", `${quick}\n${line}`);
      assert.notEqual(whole, "bad", line);
      if (typeof quick === "string") skipped.set(quick, (skipped.get(quick) ?? 0) + 1);
    }
    for (const reason of ["request", "unchanging", "failed", "own"]) assert.ok((skipped.get(reason) ?? 0) > 0, reason);
  });
});

const RECORDED = FLAVORS.flatMap((flavor) => recorded(flavor).flatMap(({ lines }) => lines));
const WEIRD: readonly unknown[] = [
  ...[null, true, 0, -1, 1.5, 1e308, 2 ** 53, "", "/", "//", "kv//app/", "../..", "\ud800", "\u0000", [], {}, [[]]],
  ...["a/".repeat(20_000), { path: "kv/data/app" }, JSON.parse('{"__proto__": {"path": "kv/data/app"}}')],
];

/** Something else at a random place of it, or less. */
function mutated(random: Random, value: unknown): unknown {
  const isLeaf = typeof value !== "object" || value === null || Object.keys(value).length === 0;
  if (isLeaf || random() < 0.1) return pick(random, WEIRD);
  if (Array.isArray(value)) return value.map((item) => (random() < 0.3 ? mutated(random, item) : item));
  const entries = Object.entries(value);
  const [chosen] = pick(random, entries);
  if (random() < 0.2) return Object.fromEntries(entries.filter(([name]) => name !== chosen));
  return Object.fromEntries(entries.map(([name, item]) => [name, name === chosen ? mutated(random, item) : item]));
}

/** A line that no server writes: other values, other characters, or only a part. */
function damaged(random: Random, line: string): string {
  const how = random();
  if (how < 0.6) return JSON.stringify(mutated(random, JSON.parse(line)));
  const [from, to] = [Math.floor(random() * line.length), Math.floor(random() * line.length)];
  if (how < 0.8) return line.slice(Math.min(from, to), Math.max(from, to));
  const sign = pick(random, ['"', "\\", "{", "}", ",", ":", " ", "\u0000", "é", '"path"', '"operation":"update"']);
  return `${line.slice(0, from)}${sign}${line.slice(from + Math.floor(random() * 3))}`;
}

function namedBy(effect: Effect): string | undefined {
  if (effect.kind === "sweep") return undefined;
  if (effect.kind === "tokens") return effect.mount;
  return effect.kind === "path" ? effect.path : effect.prefix;
}

function mustNamePaths(effects: readonly Effect[], told: () => string): void {
  for (const named of effects.map(namedBy)) {
    assert.ok(named === undefined || (named !== "" && !/^\/|\/$/.test(named)), told());
  }
}

const METADATA = { path: "secret/data/app", name: "app", modified: "true", operation: "x", current_version: "2" };
const PLUGIN = { mount_class: "secret", mount_path: "secret/", plugin: "kv" };
const FRAMES = [
  "kv-v1/write",
  "kv-v2/data-write",
  "kv-v2/metadata-delete",
  "kv-v2/config-write",
  "database/rotate",
].map((event_type) =>
  JSON.stringify({
    ...{ id: "1", specversion: "1.0", time: "2026-01-01T00:00:00Z" },
    data: { event: { metadata: METADATA }, event_type, namespace: "ns1/", plugin_info: PLUGIN },
  }),
);

describe("damaged frames of events", () => {
  it(`are read without an error, and name only paths: ${INPUTS} inputs`, () => {
    const random = seededRandom(SEED + 3);
    const kinds = { bad: 0, none: 0, effects: 0 };
    for (let at = 0; at < INPUTS; at++) {
      const frame = damaged(random, pick(random, FRAMES));
      const read = frameMeaning(frame);
      kinds[read.kind] += 1;
      if (read.kind === "effects")
        mustNamePaths(read.effects, () => `seed ${SEED}, input ${at}: ${frame.slice(0, 2_000)}`);
    }
    for (const [kind, count] of Object.entries(kinds)) assert.ok(count > INPUTS / 100, `${kind}: ${count}`);
  });
});

describe("damaged audit lines", () => {
  it(`are read without an error, and name only paths: ${INPUTS} inputs`, () => {
    const random = seededRandom(SEED + 2);
    const kinds = new Map<string, number>();
    for (let at = 0; at < INPUTS; at++) {
      const line = damaged(random, pick(random, RECORDED));
      const told = () => `seed ${SEED}, input ${at}: ${line.slice(0, 2_000)}`;
      const [quick, whole] = [auditLine(line), readLine(line)];
      if (typeof quick !== "string") assert.deepEqual(quick, whole, told());
      else assert.equal(typeof whole, "string", told());
      mustNamePaths(meaning(quick), told);
      for (const { kind } of meaning(quick)) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    for (const kind of ["path", "prefix", "tokens", "sweep"]) assert.ok((kinds.get(kind) ?? 0) > 0, kind);
  });
});
