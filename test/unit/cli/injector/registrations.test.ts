import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type ManagedKeys, managedKeys } from "../../../../cli/injector/managed-keys.ts";
import { keepRegistered, type RegistrationDeps } from "../../../../cli/injector/registrations.ts";
import { clientConfig, keyIn, registeredConfig, webhookConfiguration } from "../../../../lib/admission/registration.ts";
import { HOUR_MS } from "../../../../lib/clock.ts";
import type { Fleet } from "../../../../lib/fleet/fleet.ts";
import { keyOf } from "../../../../lib/injector-keys.ts";
import type { KubeCall } from "../../../../lib/kubernetes/kube-call.ts";
import type { KubeAnswer } from "../../../../lib/kubernetes/kube-failure.ts";

const DAY_MS = 24 * HOUR_MS;
/** Only the control planes may reach the webhook, so nobody answers this process. */
const URL = "https://127.0.0.1:1";
const SIGNAL = new AbortController().signal;

describe("a managed registration whose URL this process does not reach", () => {
  let folder: string;
  let now: number;
  let found: object | undefined;
  let told: string[];
  let keys: ManagedKeys;
  let deps: RegistrationDeps;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "registrations-"));
    now = Date.UTC(2030, 0, 1);
    found = undefined;
    started();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Another process, with the same data directory. */
  function started(): void {
    const write = (event: string): void => void told.push(event);
    told = [];
    keys = managedKeys(folder, randomBytes);
    deps = {
      clients: { send },
      keys,
      clock: () => now,
      log: { debug: write, info: write, warn: write, error: write },
      metrics: { count: () => undefined },
      done: new Map(),
    };
  }

  async function send<T>({ verb, body }: KubeCall): Promise<KubeAnswer<T>> {
    const kind = "mutatingwebhookconfigurations";
    if (verb === "patch") found = body as object;
    if (found === undefined) return { failure: { http: 404, status: { kind } } } as KubeAnswer<T>;
    return { object: found } as KubeAnswer<T>;
  }

  async function pass(manage = true): Promise<void> {
    const one = { name: "one", connect: {}, injector: { url: URL, manage } };
    const fleet = { clusters: [one], vaults: [], hubs: [], injector: {} } as unknown as Fleet;
    await keepRegistered(deps, fleet, undefined, SIGNAL);
  }

  const registeredKey = (): string => keyIn(registeredConfig(found) ?? assert.fail("it is not registered"));
  const storedText = (): string => ["keys", "ended-keys"].map(fileOf).join("");
  const fileOf = (name: string): string => readFileSync(join(folder, `injector-${name}.json`), "utf8");

  it("gets a new key after it was not managed for longer than the old key was valid", async () => {
    await pass();
    const before = registeredKey();
    await pass(false);
    now += 8 * DAY_MS;
    await pass(false);
    await pass();
    assert.notEqual(registeredKey(), before);
    assert.deepEqual(keys.of("one", now), [registeredKey()]);
    assert.deepEqual(told, ["injector-registered", "injector-key-ends", "injector-key-ended", "injector-registered"]);
  });

  it("gets the newest key when it came back with one from before", async () => {
    await pass();
    const before = found;
    const firstKey = registeredKey();
    now += 61 * DAY_MS;
    await pass();
    now += HOUR_MS;
    await pass();
    const newest = registeredKey();
    assert.notEqual(newest, firstKey);
    // From a backup of etcd, or of a repository.
    found = before;
    await pass();
    assert.equal(registeredKey(), newest);
    started();
    await pass();
    found = before;
    await pass();
    assert.equal(registeredKey(), newest, "also after a restart");
    assert.deepEqual(keys.of("one", now), [newest], "the former key stays refused");
    assert.doesNotMatch(storedText(), new RegExp(firstKey));
  });

  it("is left to another keyferry, whose key was never made here, also when that is called as what objects have", async () => {
    await pass();
    for (const key of [keyOf(randomBytes(32)), "constructor"]) {
      found = webhookConfiguration(clientConfig({ url: URL, cluster: "one", key }));
      await pass();
      assert.equal(registeredKey(), key);
    }
  });

  it("keeps what it knows of the last four keys, and forgets it after a year", async () => {
    const made: string[] = [];
    for (let n = 0; n < 6; n++, now += 61 * DAY_MS) {
      await pass();
      now += HOUR_MS;
      await pass();
      made.push(registeredKey());
    }
    assert.deepEqual(
      made.map((key) => keys.hasEnded("one", key, now)),
      [false, true, true, true, true, false],
    );
    const [, second = "", , , last = ""] = made;
    const later = now + 300 * DAY_MS;
    assert.deepEqual([keys.hasEnded("one", second, later), keys.hasEnded("one", last, later)], [false, true]);
  });
});
