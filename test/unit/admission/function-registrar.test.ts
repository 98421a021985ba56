import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { beforeEach, describe, it } from "node:test";
import { functionRegistrar, type ManagedCluster } from "../../../lib/admission/function-registrar.ts";
import { clientConfig, registeredConfig, webhookConfiguration } from "../../../lib/admission/registration.ts";
import { keyHash, keyOf } from "../../../lib/injector-keys.ts";
import type { LogFields } from "../../../lib/ports/telemetry.ts";

const URL = "https://abc.lambda-url.eu-central-1.on.aws/";
const PLACE = { url: URL, caFile: undefined };
const FRONT = { url: "https://front.example.com", caFile: "ca.pem" };
const [KEY, OLD_KEY, OTHER_KEY] = Array.from({ length: 3 }, () => keyOf(randomBytes(32))) as [string, string, string];
const FILES = new Map([[FRONT.caFile, "PEM of a CA"]]);
const SIGNAL = new AbortController().signal;

describe("the registration of the function", () => {
  let found: object | undefined;
  let calls: string[];
  let told: (readonly [string, LogFields])[];
  let counted: unknown[];
  let now: number;
  let file: string;
  let knowsKey: boolean | undefined;
  let asked: string[];

  beforeEach(() => {
    knowsKey = true;
    asked = [];
    found = undefined;
    [calls, told, counted] = [[], [], []];
    now = 0;
    file = `${KEY}\n`;
  });

  function registrar() {
    const write = (event: string, fields: LogFields = {}): void => void told.push([event, fields]);
    return functionRegistrar({
      registrations: {
        get: async () => found,
        apply: async (_cluster, _name, object) => {
          calls.push("apply");
          found = object;
        },
        patch: async (_cluster, _name, patch) => {
          calls.push("patch");
          found = patch;
        },
      },
      files: { text: async (path) => FILES.get(path) ?? (path === "one.key" ? file : assert.fail(path)) },
      knowsKeyAt: async (url) => {
        asked.push(url);
        return knowsKey;
      },
      clock: () => now,
      log: { info: write, error: write },
      metrics: { count: (_name, labels) => void counted.push(labels) },
    });
  }

  const cluster = (more: object = {}): ManagedCluster => ({
    name: "one",
    injector: { manage: true, keys: [keyHash(KEY), keyHash(OLD_KEY)], managedKeyFile: "one.key", ...more },
  });
  const registered = (key: string) => webhookConfiguration(clientConfig({ url: URL, cluster: "one", key }));

  it("has the key of the file, the URL of fleet.yaml and no CA, and is looked at every five minutes", async () => {
    const { keep } = registrar();
    await keep(cluster(), PLACE, SIGNAL);
    assert.deepEqual(found, registered(KEY));
    found = undefined;
    now += 299_999;
    await keep(cluster(), PLACE, SIGNAL);
    assert.equal(found, undefined, "too early");
    now += 1;
    await keep(cluster(), { ...FRONT, caFile: undefined }, SIGNAL);
    assert.equal(registeredConfig(found)?.url, `https://front.example.com/c/one/${KEY}/mutate`);
    assert.deepEqual(calls, ["apply", "apply"]);
    assert.deepEqual(counted, [
      { cluster: "one", result: "created" },
      { cluster: "one", result: "created" },
    ]);
    assert.doesNotMatch(JSON.stringify(told), new RegExp(KEY));
  });

  it("has the CA of what stands before the function, and keeps it", async () => {
    const { keep } = registrar();
    await keep(cluster(), FRONT, SIGNAL);
    const wanted = clientConfig({ url: FRONT.url, cluster: "one", key: KEY, ca: "PEM of a CA" });
    assert.deepEqual(registeredConfig(found), wanted);
    now += 300_000;
    await keep(cluster(), FRONT, SIGNAL);
    assert.deepEqual(calls, ["apply"]);
  });

  it("gets the next key in place of one that fleet.yaml still has, and stays when it is right", async () => {
    found = registered(OLD_KEY);
    const { keep } = registrar();
    await keep(cluster(), PLACE, SIGNAL);
    assert.deepEqual(calls, ["patch"]);
    assert.equal(registeredConfig(found)?.url, registeredConfig(registered(KEY))?.url);
    found = registered(KEY);
    now += 300_000;
    await keep(cluster(), PLACE, SIGNAL);
    assert.deepEqual(calls, ["patch"]);
  });

  it("is left to another keyferry, whose key fleet.yaml does not have", async () => {
    found = registered(OTHER_KEY);
    await registrar().keep(cluster(), PLACE, SIGNAL);
    assert.deepEqual(calls, []);
    assert.deepEqual(
      told.map(([event, fields]) => [event, fields.cluster]),
      [["injector-registration-left", "one"]],
    );
  });

  it("is not made without what it needs, and the log says what", async () => {
    const cases: readonly [ManagedCluster, string | undefined, string, RegExp][] = [
      [cluster(), undefined, file, /needs injector\.url/],
      [{ name: "one", injector: { manage: true } }, URL, file, /needs managedKeyFile on AWS.*none of a hub's clusters/],
      [cluster(), URL, OTHER_KEY, /one\.key holds no key whose hash is among injector\.keys of cluster one/],
      [cluster(), URL, "no key", /holds no key/],
    ];
    for (const [one, url, content, says] of cases) {
      told = [];
      file = content;
      await registrar().keep(one, { url, caFile: undefined }, SIGNAL);
      const [[event, { code, ...rest }] = assert.fail("nothing was told")] = told;
      assert.deepEqual([event, code], ["injector-not-registered", "REFERENCE_INVALID"]);
      assert.match(JSON.stringify(rest), says);
      assert.doesNotMatch(JSON.stringify(rest), new RegExp(OTHER_KEY));
    }
    assert.deepEqual(calls, []);
  });

  it("is not made while the function does not know the key, for it would refuse every pod", async () => {
    const { keep } = registrar();
    for (const before of [undefined, registered(OLD_KEY), registered(KEY)]) {
      found = before;
      told = [];
      knowsKey = false;
      now += 300_000;
      await keep(cluster(), PLACE, SIGNAL);
      assert.deepEqual([calls, found], [[], before]);
      const [[event, { code, error }] = assert.fail("nothing was told")] = told;
      assert.deepEqual([event, code], ["injector-not-registered", "REFERENCE_INVALID"]);
      assert.match(JSON.stringify(error), /does not know the key of one\.key.*deploy its hash/);
      assert.doesNotMatch(JSON.stringify(error), new RegExp(KEY));
    }
    found = registered(OLD_KEY);
    knowsKey = undefined;
    now += 300_000;
    await keep(cluster(), PLACE, SIGNAL);
    assert.deepEqual(calls, ["patch"], "this machine can't tell");
    assert.deepEqual(new Set(asked), new Set([registeredConfig(registered(KEY))?.url]));
  });

  it("is asked about once an hour while it stays, and in each pass while its key is not known", async () => {
    found = registered(KEY);
    const { keep } = registrar();
    for (let minutes = 0; minutes <= 65; minutes += 5, now += 300_000) await keep(cluster(), PLACE, SIGNAL);
    assert.deepEqual([calls, told, asked.length], [[], [], 2]);
    knowsKey = false;
    now += 3_600_000;
    for (let pass = 0; pass < 3; pass++, now += 300_000) await keep(cluster(), PLACE, SIGNAL);
    assert.deepEqual([told.length, asked.length], [3, 5]);
  });

  it("is nobody's without manage", async () => {
    await registrar().keep(cluster({ manage: false }), PLACE, SIGNAL);
    await registrar().keep({ name: "one" }, PLACE, SIGNAL);
    assert.deepEqual([calls, told, counted], [[], [], []]);
  });
});
