import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MINUTE_MS } from "../../../lib/clock.ts";
import { SyncError } from "../../../lib/errors.ts";
import type { CredentialRef } from "../../../lib/ports/credentials.ts";
import type { VaultTarget } from "../../../lib/ports/vault.ts";
import { caCache } from "../../../lib/references/ca-cache.ts";
import { SecretValue } from "../../../lib/secret-value.ts";

const signal = new AbortController().signal;
const TARGET = { address: "https://vault.test", headers: {}, skipTlsVerify: false, timeoutMs: 1_000 };
const PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
const ref = (change: Partial<CredentialRef> = {}) =>
  ({ kind: "secret", cluster: "east", namespace: "shop", name: "ca", key: "ca.crt", ...change }) as NonNullable<
    VaultTarget["caRef"]
  >;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** What is in use. */
function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** Secrets and files that hold bundles, and what was read of them. */
function bundles() {
  const read: string[] = [];
  const world = { now: 0, pem: PEM, fails: false, read };
  const answer = (what: string): string => {
    read.push(what);
    if (world.fails) throw new SyncError("REFERENCE_MISSING", "it is not there");
    return world.pem;
  };
  const credentials = {
    credential: async ({ cluster, namespace, name }: CredentialRef) => ({
      value: SecretValue.of(answer(`${cluster}/${namespace}/${name}`)),
    }),
    secret: async () => new Map(),
    annotations: async () => ({}),
  };
  const anchors = async (vault: string) => answer(`file ${vault}`);
  return Object.assign(world, { deps: { credentials, clock: () => world.now, anchors } });
}

describe("the CA bundle of a Vault", () => {
  it("comes from the Secret or the file that is named; neither name goes on to the connection", async () => {
    const { deps, read } = bundles();
    const cache = caCache(deps);
    assert.deepEqual(await cache.resolve({ ...TARGET, caRef: ref() }, signal), { ...TARGET, caPem: PEM });
    assert.deepEqual(await cache.resolve({ ...TARGET, caOf: "main" }, signal), { ...TARGET, caPem: PEM });
    assert.deepEqual(read, ["east/shop/ca", "file main"]);
  });

  it("is not read where none is named, or where certificates are not verified", async () => {
    const { deps, read } = bundles();
    const cache = caCache(deps);
    const unverified = { ...TARGET, skipTlsVerify: true };
    assert.deepEqual(await cache.resolve(TARGET, signal), TARGET);
    assert.deepEqual(await cache.resolve({ ...unverified, caRef: ref(), caOf: "main" }, signal), unverified);
    assert.deepEqual(read, []);
  });

  it("is read once for five minutes, for each Secret and version of its own", async () => {
    const world = bundles();
    const cache = caCache(world.deps);
    const resolve = (caRef = ref()) => cache.resolve({ ...TARGET, caRef }, signal);
    await resolve();
    world.now = 5 * MINUTE_MS - 1;
    await resolve();
    assert.equal(world.read.length, 1);
    world.now = 5 * MINUTE_MS;
    await resolve();
    assert.equal(world.read.length, 2);
    world.read.length = 0;
    const others = [{ cluster: "west" }, { namespace: "team" }, { name: "other" }, { version: "2" }].map(ref);
    for (const other of others) await resolve(other);
    assert.deepEqual(world.read, ["west/shop/ca", "east/team/ca", "east/shop/other", "east/shop/ca"]);
  });

  it("is that of each Vault's own file, which is kept as well", async () => {
    const { deps, read } = bundles();
    const cache = caCache(deps);
    for (const caOf of ["main", "other", "main"]) await cache.resolve({ ...TARGET, caOf }, signal);
    assert.deepEqual(read, ["file main", "file other"]);
  });

  it("is read anew after Vault's certificate was refused, and then alone", async () => {
    const { deps, read } = bundles();
    const cache = caCache(deps);
    const [target, other] = [
      { ...TARGET, caRef: ref() },
      { ...TARGET, caRef: ref({ name: "other" }) },
    ];
    for (const each of [target, other]) await cache.resolve(each, signal);
    cache.refused(TARGET);
    cache.refused(target);
    read.length = 0;
    for (const each of [target, other]) await cache.resolve(each, signal);
    assert.deepEqual(read, ["east/shop/ca"]);
  });

  it("that could not be read is read again at once", async () => {
    const world = bundles();
    const cache = caCache(world.deps);
    world.fails = true;
    await assert.rejects(cache.resolve({ ...TARGET, caRef: ref() }, signal), { code: "REFERENCE_MISSING" });
    world.fails = false;
    assert.equal((await cache.resolve({ ...TARGET, caRef: ref() }, signal)).caPem, PEM);
  });

  it("must hold a certificate", async () => {
    const world = bundles();
    world.pem = "hello";
    const resolved = caCache(world.deps).resolve({ ...TARGET, caRef: ref() }, signal);
    await assert.rejects(resolved, { code: "REFERENCE_INVALID", message: /Secret shop\/ca .*ca\.crt/ });
  });

  it("of a Secret may have 512 KiB", async () => {
    const world = bundles();
    const cache = caCache(world.deps);
    world.pem = PEM.padEnd(512 * 1_024);
    assert.equal((await cache.resolve({ ...TARGET, caRef: ref() }, signal)).caPem, world.pem);
    world.pem += "\n";
    await assert.rejects(cache.resolve({ ...TARGET, caRef: ref({ version: "2" }) }, signal), {
      code: "REFERENCE_INVALID",
      message:
        "Secret shop/ca has more than 512 KiB under ca.crt: leave only the CA certificates of the VaultConnection's Vault there",
    });
  });

  it("is kept with others up to 32 MiB: beyond that the oldest ones are read again", async () => {
    const world = bundles();
    const cache = caCache(world.deps);
    const resolve = (version: number) => cache.resolve({ ...TARGET, caRef: ref({ version: `${version}` }) }, signal);
    world.pem = PEM.padEnd(512 * 1_024);
    for (let version = 0; version < 64; version++) await resolve(version);
    for (const version of [0, 63]) await resolve(version);
    assert.equal(world.read.length, 64);
    for (const version of [64, 63, 1, 0, 63, 64]) await resolve(version);
    assert.equal(world.read.length, 66);
  });

  it("is forgotten when its time is over and another one is read", async () => {
    const world = bundles();
    const cache = caCache(world.deps);
    const resolve = (name: string) => cache.resolve({ ...TARGET, caRef: ref({ name }) }, signal);
    world.pem = PEM.padEnd(100 * 1_024);
    await resolve("one");
    const before = heapBytes();
    for (let at = 0; at < 300; at++) {
      world.now += 5 * MINUTE_MS;
      await resolve(`other-${at}`);
    }
    assert.ok(heapBytes() - before < 8 * 1_024 * 1_024, `${heapBytes() - before} bytes`);
  });

  it("of a file is refused where files can't be read", async () => {
    const { credentials, clock } = bundles().deps;
    const resolved = caCache({ credentials, clock }).resolve({ ...TARGET, caOf: "main" }, signal);
    await assert.rejects(resolved, { code: "REFERENCE_INVALID", message: /Vault main/ });
  });
});
