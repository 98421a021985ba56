import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { systemClock } from "../../../lib/clock.ts";
import { type VaultAccess, vaultAccess } from "../../../lib/connect/vault-access.ts";
import { folderFiles } from "../../../lib/fleet/files.ts";
import { sinkOf } from "../../../lib/inlets/sink.ts";
import { followEvents } from "../../../lib/inlets/subscription.ts";
import { NOTHING_NAMED } from "../../../lib/vault-reach.ts";
import { type TempFolder, tempFolder } from "../../harness/process/temp-folder.ts";
import {
  type RecordedDeps,
  type RecordingInlet,
  recordedDeps,
  recordingInlet,
  until,
} from "../../unit/inlets/recorder.ts";
import { type StandIn, startStandIn } from "./vault-enterprise.ts";

const OWN = { vault: "main", identity: "events" };

describe("a subscription to the events of a Vault (a stand-in, written from the documentation)", () => {
  let folder: TempFolder;
  let vault: StandIn;
  let access: VaultAccess;
  let deps: RecordedDeps;
  let inlet: RecordingInlet;
  let stop: AbortController;
  let done: Promise<void>;

  beforeEach(async () => {
    [folder, vault] = await Promise.all([tempFolder("subscription"), startStandIn()]);
    await writeFile(join(folder.path, "secret-id"), "the-secret-id");
    deps = recordedDeps();
    inlet = recordingInlet();
    const identity = { name: "events", method: "appRole", roleId: "role", secretIdFile: "./secret-id" } as const;
    const { log, metrics } = deps;
    access = vaultAccess({
      clock: systemClock,
      log,
      metrics: { ...metrics, observe: () => undefined },
      reachOf: () => ({ ...NOTHING_NAMED, named: [vault.address] }),
      files: folderFiles(folder.path),
      vaults: () => [{ name: "main", addresses: [vault.address], namespace: "teams", identities: [identity] }],
    });
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await done;
    await access.close();
    await vault[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  function start(): void {
    const sink = sinkOf(inlet, "subscribe", deps);
    done = followEvents(deps, sink, (heard, signal) => access.events(OWN, heard, signal), stop.signal);
  }
  const isOpen = (times: number) => until("a subscription", () => vault.subscriptions.length === times);

  it("is opened as an identity of the Vault, in its namespace, and takes each frame", async () => {
    start();
    await isOpen(1);
    assert.deepEqual(vault.subscriptions, [
      { path: "/v1/sys/events/subscribe/*?json=true&namespaces=*", namespace: "teams" },
    ]);
    vault.send('{"a":1}');
    vault.send(`{"b":"${"x".repeat(1_000)}"}`);
    await until("both frames", () => inlet.lines.length === 2);
    assert.equal(inlet.lines[0], '{"a":1}');
    assert.deepEqual(inlet.reasons, ["reconnected"]);
  });

  it("is opened again when it is cut, and the syncs are swept", async () => {
    start();
    await isOpen(1);
    await until("a sweep", () => inlet.reasons.length === 1);
    vault.cut();
    await isOpen(2);
    await until("another sweep", () => inlet.reasons.length === 2);
    assert.equal(vault.logins(), 1, "with the same token");
    vault.send('{"a":1}');
    await until("the frame", () => inlet.lines.length === 1);
  });

  it("is opened again with a new login when its token was revoked", async () => {
    start();
    await isOpen(1);
    vault.revoke();
    vault.cut();
    await isOpen(2);
    assert.equal(vault.logins(), 2);
  });

  it("that Vault does not have is said, and tried again", async () => {
    vault.isCommunity = true;
    start();
    await until("an error", () => deps.events.some(({ event }) => event === "inlet-unavailable"));
    const failure = deps.events.find(({ event }) => event === "inlet-unavailable");
    assert.match(String(failure?.fields.why), /opens no subscription/);
    assert.match(String(failure?.fields.remedy), /Enterprise/);
    vault.isCommunity = false;
    await isOpen(1);
    assert.doesNotMatch(JSON.stringify(deps.events), /token-\d/);
  });
});
