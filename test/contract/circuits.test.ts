import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { circuitOfVault } from "../../lib/circuits.ts";
import { MINUTE_MS, SECOND_MS } from "../../lib/clock.ts";
import { type ErrorCode, SyncError } from "../../lib/errors.ts";
import { referenceKey, syncKey } from "../../lib/keys.ts";
import { type Circuits, circuits } from "../../lib/outage/circuit.ts";
import type { VsoLease } from "../../lib/ports/clusters.ts";
import type { ReconcileDeps } from "../../lib/ports/deps.ts";
import type { FleetVault } from "../../lib/ports/fleet-vault.ts";
import type { WorkMessage } from "../../lib/ports/queue.ts";
import type { VaultTarget } from "../../lib/ports/vault.ts";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { aCluster, aDeclared, aReference } from "../builders.ts";
import { tempFolder } from "../harness/process/temp-folder.ts";
import { counting, QUIET, sending } from "../unit/aws/records.ts";
import { aScene, type Scene } from "./lease-store/scene.ts";

const ADDRESS = "https://vault.example.com:8200";
const CIRCUIT = circuitOfVault(ADDRESS);
const forever = new AbortController().signal;
const gone = (): never => {
  throw new SyncError("VAULT_UNAVAILABLE", `${ADDRESS} is out of reach`, { circuit: CIRCUIT });
};
const isPlain = ({ headers, tlsServerName }: VaultTarget) =>
  Object.keys(headers).length === 0 && tlsServerName === undefined;
const met = (code: "VAULT_UNAVAILABLE" | "VAULT_SEALED" = "VAULT_UNAVAILABLE") =>
  new SyncError(code, "GET kv/data/hostile/secret failed", { circuit: CIRCUIT });
const HASTY: VaultTarget = { address: ADDRESS, headers: {}, skipTlsVerify: false, timeoutMs: 1, connection: "h/h" };

interface Stage {
  readonly scene: Scene;
  readonly circuits: Circuits;
  /** How Vault answers, by target. */
  vault: (target: VaultTarget) => Promise<"unsealed" | "answered"> | "unsealed" | "answered";
  /** How a cluster answers. */
  cluster: (name: string) => string;
  /** The lease of VSO's leader election. */
  vsoLease: () => VsoLease | undefined;
  /** What was asked so far. */
  readonly asked: VaultTarget[];
  readonly refused: SyncError[];
  /** Messages. */
  readonly sent: WorkMessage[];
  readonly errors: string[];
  /** Clusters of the fleet. */
  fleet: readonly string[];
  /** A VaultConnection whose row was settled, as the table holds it. */
  connection(cluster: string, namespace: string, name: string, spec?: object, more?: object): Promise<void>;
  /** What fleet.yaml says of Vaults, in each cluster. */
  vaults: readonly FleetVault[];
  isOpen(): Promise<boolean>;
}

async function onStage(test: (stage: Stage) => Promise<void>): Promise<void> {
  await using folder = await tempFolder("circuits");
  await using scene = await aScene(async () => openSqliteStore({ path: join(folder.path, "state.sqlite") }));
  const { store, clock } = scene;
  const errors: string[] = [];
  const queue = sending();
  const deps = {
    ...{ leases: store, clock, random: () => 0, metrics: counting(), queue, installation: "i" },
    log: { ...QUIET, error: (event: string) => errors.push(event) },
    clusters: { identity: async (name: string) => stage.cluster(name), vsoLease: async () => stage.vsoLease() },
    fleet: (name: string) => (stage.fleet.includes(name) ? aCluster({ name, vaults: stage.vaults }) : undefined),
    vault: {
      probe: async (target: VaultTarget) => {
        stage.asked.push(target);
        return stage.vault(target);
      },
      giveUp: (outage: SyncError) => stage.refused.push(outage),
    },
  } as unknown as ReconcileDeps;
  const ca = {
    resolve: async ({ caRef, ...target }: VaultTarget) => {
      if (caRef?.cluster === "dead") throw new SyncError("KUBE_UNREACHABLE", "dead", { circuit: "cluster:dead" });
      return { ...target, caPem: `of ${caRef?.cluster}` };
    },
    refused: () => undefined,
  };
  const stage: Stage = {
    scene,
    circuits: circuits(deps, ca),
    vault: gone,
    cluster: (name) => assert.fail(`${name} was asked`),
    vsoLease: () => undefined,
    ...{ asked: [], refused: [], sent: queue.sent, errors, fleet: ["east", "west"], vaults: [] },
    async connection(cluster, namespace, name, spec = {}, more = {}) {
      const object = { cluster, kind: "VaultConnection", namespace, name };
      const declared = { spec: { address: ADDRESS, ...spec }, ...more };
      await store.putReference(aReference({ key: referenceKey(object), ...declared }));
      await scene.settled({ kind: "parked" }, aDeclared({ key: syncKey(object), ...declared }), {
        awaits: [`circuit:${CIRCUIT}`],
      });
    },
    isOpen: async () => (await store.circuits()).some(({ id }) => id === CIRCUIT),
  };
  await test(stage);
}

/** Opens the circuit, and lets its first probe become due. */
async function opened(stage: Stage): Promise<void> {
  await stage.circuits.classify(met(), HASTY, forever);
  assert.ok(await stage.isOpen());
  stage.asked.length = 0;
  stage.scene.pass(2 * SECOND_MS);
}

describe("the circuit of a Vault: by whose evidence it opens", () => {
  it("lease-table 16: not by a sync's word, when Vault answers a question that carries nothing of its connection", () =>
    onStage(async (stage) => {
      stage.vault = () => "answered";
      const target = { ...HASTY, headers: { "x-a": "b" }, tlsServerName: "other", caPem: "none" };
      const error = await stage.circuits.classify(met(), target, forever);
      assert.equal(error.code, "VAULT_NO_ANSWER");
      assert.equal(error.circuit, undefined);
      assert.deepEqual(stage.asked, [{ address: ADDRESS, headers: {}, skipTlsVerify: true, timeoutMs: 3_000 }]);
      assert.equal((await stage.circuits.classify(met("VAULT_SEALED"), HASTY, forever)).code, "VAULT_FAILED");
      assert.equal(await stage.isOpen(), false);
      assert.deepEqual(stage.refused, []);
    }));

  it("lease-table 16: by silence, asked once for all who meet it, and in words that name no one's path", () =>
    onStage(async (stage) => {
      const errors = await Promise.all(
        Array.from({ length: 50 }, () => stage.circuits.classify(met(), HASTY, forever)),
      );
      for (const { code } of errors) assert.equal(code, "VAULT_UNAVAILABLE");
      assert.equal(stage.asked.length, 1);
      const [circuit] = await stage.scene.store.circuits();
      assert.equal(circuit?.message, `${ADDRESS} is out of reach`);
      assert.equal(stage.refused.length > 0, true);
      await stage.circuits.classify(met(), HASTY, forever);
      assert.equal(stage.asked.length, 1, "an open circuit is not asked about");
    }));

  it("lease-table 16: sealed is what its seal status says, whatever a sync met", () =>
    onStage(async (stage) => {
      stage.vault = () => {
        throw new SyncError("VAULT_SEALED", `${ADDRESS} is sealed`, { circuit: CIRCUIT });
      };
      const error = await stage.circuits.classify(met(), HASTY, forever);
      assert.deepEqual([error.code, error.message], ["VAULT_SEALED", `${ADDRESS} is sealed`]);
      assert.equal((await stage.scene.store.circuits())[0]?.code, "VAULT_SEALED");
    }));

  it("not where the sync's own connection leads there, by its header", () =>
    onStage(async (stage) => {
      stage.vault = ({ headers }) => (headers["x-go"] === "vault" ? "unsealed" : gone());
      const led = { ...HASTY, headers: { "x-go": "vault" } };
      assert.equal((await stage.circuits.classify(met(), led, forever)).code, "VAULT_NO_ANSWER");
      assert.equal((await stage.circuits.classify(met(), HASTY, forever)).code, "VAULT_UNAVAILABLE");
    }));

  it("sealed is what Vault says behind a gateway, where nothing else answers", () =>
    onStage(async (stage) => {
      await stage.connection("west", "team", "led", { headers: { "x-go": "vault" } });
      stage.vault = ({ headers }) => {
        if (headers["x-go"] !== "vault") return gone();
        throw new SyncError("VAULT_SEALED", "sealed", { circuit: CIRCUIT });
      };
      assert.equal((await stage.circuits.classify(met(), HASTY, forever)).code, "VAULT_SEALED");
    }));

  it("a bug in a probe is a bug, whatever the others met", () =>
    onStage(async (stage) => {
      await stage.connection("west", "team", "led", { headers: { "x-go": "vault" } });
      await stage.connection("west", "team", "bad", { headers: { "x-go": "bad" } });
      stage.vault = ({ headers }) => {
        if (headers["x-go"] !== "bad") return gone();
        throw new TypeError("a bug");
      };
      await assert.rejects(stage.circuits.classify(met(), HASTY, forever), TypeError);
      assert.equal(await stage.isOpen(), false);
    }));

  it("what only one sync met is its own, with the pause that the server asked for", () =>
    onStage(async (stage) => {
      stage.vault = () => "unsealed";
      const options = { circuit: CIRCUIT, retryAfterMs: 7_000 };
      const slow = new SyncError("VAULT_UNAVAILABLE", "read kv/db", options);
      assert.equal((await stage.circuits.classify(slow, HASTY, forever)).retryAfterMs, 7_000);
      assert.equal((await stage.circuits.classify(met(), HASTY, forever)).retryAfterMs, undefined);
      const other = new SyncError("VAULT_DENIED", "no");
      assert.equal(await stage.circuits.classify(other, HASTY, forever), other);
    }));

  it("not where a gateway lets others through, by a header or by a name", () =>
    onStage(async (stage) => {
      await stage.connection("west", "team", "named", { tlsServerName: "vault.internal" });
      stage.vault = (target) => (target.tlsServerName === "vault.internal" ? "unsealed" : gone());
      assert.equal((await stage.circuits.classify(met(), HASTY, forever)).code, "VAULT_NO_ANSWER");
      // An answer that is not Vault's is the gateway's own.
      stage.vault = (target) => (isPlain(target) ? gone() : "answered");
      assert.equal((await stage.circuits.classify(met(), HASTY, forever)).code, "VAULT_UNAVAILABLE");
      assert.ok(await stage.isOpen());
    }));

  it("asks through a bounded number of connections, and no namespace keeps the others out", () =>
    onStage(async (stage) => {
      for (let number = 0; number < 60; number++) {
        await stage.connection("east", "hostile", `c-${number}`, { headers: { "x-go": `nowhere-${number}` } });
      }
      await stage.connection("west", "team", "led", { headers: { "x-go": "vault" } });
      stage.vault = ({ headers }) => (headers["x-go"] === "vault" ? "unsealed" : gone());
      assert.equal((await stage.circuits.classify(met(), HASTY, forever)).code, "VAULT_NO_ANSWER");
      assert.ok(stage.asked.length <= 9, `${stage.asked.length} questions`);
    }));

  it("a question that can't be asked is this sync's failure, and opens nothing", () =>
    onStage(async (stage) => {
      stage.vault = () => {
        throw new SyncError("DEADLINE_EXCEEDED", "no time left");
      };
      assert.equal((await stage.circuits.classify(met(), HASTY, forever)).code, "DEADLINE_EXCEEDED");
      assert.equal(await stage.isOpen(), false);
    }));
});

describe("the circuit of a Vault that a worker without probes met", () => {
  for (const code of ["VAULT_UNAVAILABLE", "VAULT_SEALED"] as const) {
    it(`is opened once, and asks for a probe; its connections ${code === "VAULT_SEALED" ? "stay" : "tell"} of ${code}`, () =>
      onStage(async (stage) => {
        await stage.connection("east", "team", "c");
        const outage = new SyncError(code, "m", { circuit: CIRCUIT });
        for (let times = 0; times < 2; times++) await stage.circuits.open(outage);
        const at = stage.scene.clock() + SECOND_MS;
        const probes = stage.sent.filter(({ kind }) => kind === "probe");
        assert.deepEqual(probes, [{ kind: "probe", circuit: CIRCUIT, at }]);
        const [open] = await stage.scene.store.circuits();
        assert.deepEqual([open?.code, open?.attempts, open?.probeAt], [code, 1, at]);
        assert.equal(stage.sent.filter(({ kind }) => kind === "keys").length, code === "VAULT_SEALED" ? 0 : 1);
        await stage.circuits.open(new SyncError("VAULT_DENIED", "no outage"));
        assert.equal((await stage.scene.store.circuits()).length, 1);
      }));
  }
});

describe("the circuit of a cluster", () => {
  const circuit = "cluster:east";
  const unreachable = () => new SyncError("KUBE_UNREACHABLE", "patch secrets team/db was not answered", { circuit });

  it("lease-table 16: opens when the cluster does not answer the probe's question either", () =>
    onStage(async (stage) => {
      stage.cluster = () => "uid";
      const alone = await stage.circuits.classify(unreachable(), HASTY, forever);
      assert.deepEqual([alone.code, alone.circuit], ["KUBE_NO_ANSWER", undefined]);
      assert.deepEqual(await stage.scene.store.circuits(), []);
      stage.cluster = (name) => {
        throw new SyncError("KUBE_UNREACHABLE", `cluster ${name} is out of reach`, { circuit });
      };
      assert.equal((await stage.circuits.classify(unreachable(), undefined, forever)).code, "KUBE_UNREACHABLE");
      const [open] = await stage.scene.store.circuits();
      assert.deepEqual([open?.id, open?.message], [circuit, "cluster east is out of reach"]);
    }));
});

describe("a Vault that gives access to a cluster", () => {
  it("is asked itself when a sync meets its outage, and not the Vault that the sync reads", () =>
    onStage(async (stage) => {
      stage.vault = ({ address }) => (address === ADDRESS ? gone() : "unsealed");
      const read = { ...HASTY, address: "https://another.example.com", headers: { "x-a": "b" }, timeoutMs: 9 };
      assert.equal((await stage.circuits.classify(met(), read, forever)).code, "VAULT_UNAVAILABLE");
      assert.ok(await stage.isOpen());
      assert.deepEqual(stage.asked, [{ address: ADDRESS, headers: {}, skipTlsVerify: true, timeoutMs: 3_000 }]);
    }));

  it("and is away confirms no outage of the cluster that can't be asked for it", () =>
    onStage(async (stage) => {
      stage.cluster = () => gone();
      const suspected = new SyncError("KUBE_UNREACHABLE", "patch secrets team/db", { circuit: "cluster:east" });
      const error = await stage.circuits.classify(suspected, HASTY, forever);
      assert.deepEqual([error.code, error.circuit], ["VAULT_UNAVAILABLE", CIRCUIT]);
      assert.deepEqual(await stage.scene.store.circuits(), []);
      assert.deepEqual(stage.refused, []);
    }));
});

describe("the circuit of a Vault: by whose evidence it closes", () => {
  it("lease-table 16: when any of those who use it now is answered, whoever opened it", () =>
    onStage(async (stage) => {
      const ca = { caCertSecretRef: "ca", headers: { "x-go": "vault" } };
      await stage.connection("dead", "vso", "default", ca);
      await stage.connection("west", "vso", "default", ca);
      stage.fleet = ["dead", "west"];
      await opened(stage);
      stage.vault = ({ caPem }) => (caPem === "of west" ? "unsealed" : gone());
      await stage.circuits.probeDue(forever);
      assert.equal(await stage.isOpen(), false);
      assert.deepEqual(stage.errors, []);
    }));

  it("of a cluster that left the fleet, and of a connection that leads elsewhere now, nothing is asked", () =>
    onStage(async (stage) => {
      await stage.connection("dead", "vso", "default", { headers: { "x-of": "dead" } });
      await stage.connection("east", "vso", "default", { headers: { "x-of": "east" } });
      await opened(stage);
      const object = { cluster: "east", kind: "VaultConnection", namespace: "vso", name: "default" };
      const spec = { address: "https://another.example.com", headers: { "x-of": "east" } };
      await stage.scene.store.putReference(aReference({ key: referenceKey(object), spec }));
      await stage.circuits.probeDue(forever);
      assert.ok(stage.asked.length > 0);
      assert.ok(stage.asked.every(isPlain));
      assert.ok(await stage.isOpen());
    }));

  it("stays open while all is silent, and is closed when nothing has led there for a minute", () =>
    onStage(async (stage) => {
      await opened(stage);
      await stage.circuits.probeDue(forever);
      assert.ok(await stage.isOpen());
      stage.scene.pass(MINUTE_MS);
      await stage.circuits.probeDue(forever);
      assert.equal(await stage.isOpen(), false);
    }));

  it("by the message for its probe, though not by one that comes early, or for another circuit", () =>
    onStage(async (stage) => {
      await stage.circuits.classify(met(), HASTY, forever);
      stage.vault = () => "unsealed";
      await stage.circuits.probe(CIRCUIT, forever);
      assert.ok(await stage.isOpen(), "early");
      stage.scene.pass(2 * SECOND_MS);
      await stage.circuits.probe(circuitOfVault("https://other.example.com"), forever);
      assert.ok(await stage.isOpen());
      await stage.circuits.probe(CIRCUIT, forever);
      assert.equal(await stage.isOpen(), false);
    }));

  it("no namespace of a cluster keeps the others out of its probes either", () =>
    onStage(async (stage) => {
      for (let number = 0; number < 60; number++) {
        await stage.connection("east", "hostile", `c-${number}`, { headers: { "x-go": `nowhere-${number}` } });
      }
      await stage.connection("east", "team", "led", { headers: { "x-go": "vault" } });
      await opened(stage);
      stage.vault = ({ headers }) => (headers["x-go"] === "vault" ? "unsealed" : gone());
      await stage.circuits.probeDue(forever);
      assert.equal(await stage.isOpen(), false);
    }));

  it("lease-table 16: its end sends the refreshes that were missed, of the wheel that they are on", () =>
    onStage(async (stage) => {
      const row = await stage.scene.settled({ kind: "wheel", slot: { period: 51, phase: 7 } });
      await opened(stage);
      stage.vault = () => "unsealed";
      stage.scene.pass(MINUTE_MS);
      stage.sent.length = 0;
      await stage.circuits.probeDue(forever);
      assert.equal(await stage.isOpen(), false);
      const refreshes = stage.sent.map((message) => JSON.stringify(message)).filter((text) => text.includes(row.key));
      assert.match(refreshes[0] ?? "", /"lane":"refresh"/);
    }));

  it("not by a connection that is being deleted", () =>
    onStage(async (stage) => {
      await stage.connection("east", "team", "going", { headers: { "x-go": "vault" } }, { deleting: true });
      await opened(stage);
      stage.vault = ({ headers }) => (headers["x-go"] === "vault" ? "unsealed" : gone());
      await stage.circuits.probeDue(forever);
      assert.ok(await stage.isOpen());
    }));

  it("a Vault of fleet.yaml is asked for as long as it is away, though no connection leads there", () =>
    onStage(async (stage) => {
      const { store, clock } = stage.scene;
      const row = await store.claimCluster("east", { now: clock(), until: clock() + 1 });
      await store.saveCluster(row ?? assert.fail(), { cursors: {}, attempts: 0 }, { dueAt: clock() });
      const other = { name: "other", addresses: ["https://other.example.com"], identities: [], retentionMs: 0 };
      stage.vaults = [other, { ...other, name: "main", addresses: ["https://first.example.com", `${ADDRESS}/`] }];
      await opened(stage);
      stage.scene.pass(2 * MINUTE_MS);
      await stage.circuits.probeDue(forever);
      assert.ok(await stage.isOpen());
      stage.scene.pass(MINUTE_MS);
      stage.vault = () => "answered";
      await stage.circuits.probeDue(forever);
      assert.equal(await stage.isOpen(), false);
    }));

  it("this process knows at once that it is over", () =>
    onStage(async (stage) => {
      await opened(stage);
      assert.equal((await stage.circuits.openAmong([undefined, CIRCUIT]))?.id, CIRCUIT);
      stage.vault = () => "unsealed";
      await stage.circuits.probeDue(forever);
      assert.equal(await stage.circuits.openAmong([CIRCUIT]), undefined);
    }));

  const NEWS: readonly (readonly [id: string, code: ErrorCode, isNews: boolean, pauseMs: number])[] = [
    ["cluster:east", "KUBE_UNREACHABLE", true, SECOND_MS],
    ["cluster:east", "KUBE_DENIED", true, 10 * SECOND_MS],
    ["cluster:east", "DEADLINE_EXCEEDED", false, SECOND_MS],
    [CIRCUIT, "VAULT_SEALED", true, SECOND_MS],
    [CIRCUIT, "DEADLINE_EXCEEDED", false, SECOND_MS],
    [CIRCUIT, "VAULT_TLS_REFUSED", false, 10 * SECOND_MS],
    ["vso:east", "OTHER_CONTROLLER", true, 15 * SECOND_MS],
    ["vso:east", "KUBE_UNREACHABLE", false, SECOND_MS],
  ];
  for (const [id, code, isNews, pauseMs] of NEWS) {
    it(`the circuit ${id} ${isNews ? "tells" : "does not tell"} of ${code}`, () =>
      onStage(async (stage) => {
        const fails = (): never => {
          throw new SyncError(code, "news");
        };
        Object.assign(stage, { vault: fails, cluster: fails, vsoLease: fails });
        const since = stage.scene.clock();
        const about = { code: "STORE_UNAVAILABLE", message: "before", attempts: 1, fence: 1 } as const;
        await stage.scene.store.openCircuit({ id, ...about, since, probeAt: since });
        await stage.circuits.probeDue(forever);
        const [open] = await stage.scene.store.circuits();
        assert.deepEqual([open?.code, open?.message], isNews ? [code, "news"] : ["STORE_UNAVAILABLE", "before"]);
        assert.deepEqual([open?.attempts, (open?.probeAt ?? 0) - since], [2, pauseMs]);
      }));
  }

  it("a suspension, which lasts longer, is asked about every 15 s at the latest", () =>
    onStage(async (stage) => {
      stage.vsoLease = () => {
        throw new SyncError("OTHER_CONTROLLER", "m");
      };
      const since = stage.scene.clock();
      const about = { code: "OTHER_CONTROLLER", message: "m", attempts: 50, fence: 1 } as const;
      await stage.scene.store.openCircuit({ id: "vso:east", ...about, since, probeAt: since });
      await stage.circuits.probeDue(forever);
      const [open] = await stage.scene.store.circuits();
      assert.equal((open?.probeAt ?? 0) - stage.scene.clock(), 15 * SECOND_MS);
    }));

  it("a bug in one probe, or an id that nothing is known of, keeps no other from being probed", () =>
    onStage(async (stage) => {
      const other = "https://other.example.com";
      await opened(stage);
      const common = { code: "VAULT_UNAVAILABLE", message: "m", attempts: 1, fence: 1 } as const;
      const times = { since: stage.scene.clock(), probeAt: stage.scene.clock() };
      for (const id of [circuitOfVault(other), "cluster:left", "vso:left", "strange"]) {
        await stage.scene.store.openCircuit({ id, ...common, ...times });
      }
      stage.vault = ({ address }) => {
        if (address === ADDRESS) throw new TypeError("a bug");
        return "unsealed";
      };
      await stage.circuits.probeDue(forever);
      assert.deepEqual(
        (await stage.scene.store.circuits()).map(({ id, attempts }) => [id, attempts]),
        [[CIRCUIT, 2]],
      );
      assert.deepEqual(stage.errors, ["probe-crashed"]);
    }));
});
