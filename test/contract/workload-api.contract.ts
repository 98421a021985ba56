import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { digestKey } from "../../lib/digest.ts";
import { syncKey } from "../../lib/keys.ts";
import { clusterOrigin } from "../../lib/origins/cluster.ts";
import type { OwedRollout, Row, RowState } from "../../lib/ports/rows.ts";
import { EMPTY_STATE } from "../../lib/ports/rows.ts";
import type { RolloutTarget, SeenTarget } from "../../lib/ports/workloads.ts";
import { rollOut } from "../../lib/rollout/rollout.ts";
import { aDeclared, aRow } from "../builders.ts";
import { aClaim } from "../claims.ts";
import type { KubeObject } from "../harness/index.ts";
import { ARGO_ROLLOUT_CRD, aWorkload, WORKLOAD_CONTROLLERS } from "../workloads.ts";
import {
  aNamespace,
  type ContractCluster,
  endsOf,
  kubeconfigWith,
  nowIn,
  type OpenCluster,
  patient,
  type TestApis,
  withCode,
} from "./kubernetes-fixtures.ts";

const CLUSTER = "rollouts";
const NS = "pay";
const ANNOTATION = "vso.secrets.hashicorp.com/restartedAt";
const KINDS = ["Deployment", "StatefulSet", "DaemonSet", "argo.Rollout"] as const;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const KEY = digestKey(Buffer.alloc(32, 1));
const [OLD, NEW] = [`${KEY.id}:old`, `${KEY.id}:new`];

/** What is owed over any cluster. */
export function workloadApiContract(name: string, open: OpenCluster): void {
  describe(`rollouts: ${name}`, () => {
    let cluster: ContractCluster;
    let apis: TestApis;
    let names = 0;

    before(async () => {
      cluster = await open({ name: CLUSTER, crds: [ARGO_ROLLOUT_CRD], controllers: WORKLOAD_CONTROLLERS });
      apis = endsOf(cluster);
      await aNamespace(cluster, NS);
    });
    after(async () => {
      apis?.clients.close();
      await cluster?.[Symbol.asyncDispose]();
    });

    const named = (target: RolloutTarget) => ({ cluster: CLUSTER, namespace: NS, ...target });
    async function made(kind: RolloutTarget["kind"], spec: object = {}): Promise<RolloutTarget> {
      const target = { kind, name: `app-${++names}` };
      await cluster.apply(aWorkload(NS, target, spec));
      return target;
    }
    async function read(target: RolloutTarget): Promise<KubeObject> {
      const found = await cluster.get(aWorkload(NS, target));
      assert.ok(found);
      return found;
    }
    async function get(target: RolloutTarget): Promise<SeenTarget> {
      const seen = await apis.rollouts.get(named(target), patient());
      assert.ok(seen);
      return seen;
    }
    /** Its controller writes to a workload that was just made: a restart between such a read and write does nothing. */
    const restart = (target: RolloutTarget, at: number) =>
      cluster.waitFor("the restart", async () =>
        apis.rollouts.restart(named(target), (await get(target)).resourceVersion, at, patient()),
      );
    const generationOf = async (target: RolloutTarget) => (await read(target)).metadata.generation ?? 0;
    const revisionsOf = async ({ name }: RolloutTarget): Promise<number> => {
      const path = `/apis/apps/v1/namespaces/${NS}/replicasets?labelSelector=app%3D${name}`;
      return (await cluster.request<{ items: unknown[] }>("GET", path)).body.items.length;
    };

    describe("the end", () => {
      for (const kind of KINDS) {
        it(`${kind}: is restarted by its own field, and nothing else of it is touched`, async () => {
          const target = await made(kind);
          const before = await get(target);
          assert.deepEqual(before.restartTimes, []);
          assert.ok(Math.abs(before.createdAt - nowIn(cluster)) < 10 * MINUTE);
          const { spec, metadata } = (await read(target)) as KubeObject & { spec: { template: { metadata: object } } };
          const at = Date.UTC(2030, 0, 2, 3, 4, 5, 678);
          assert.equal(await restart(target, at), true);
          assert.deepEqual((await get(target)).restartTimes, [Date.UTC(2030, 0, 2, 3, 4, 5)]);
          const time = "2030-01-02T03:04:05Z";
          const restarted = {
            template: {
              ...spec.template,
              metadata: { ...spec.template.metadata, annotations: { [ANNOTATION]: time } },
            },
          };
          const after = await read(target);
          assert.deepEqual(after.spec, { ...spec, ...(kind === "argo.Rollout" ? { restartAt: time } : restarted) });
          assert.equal(after.metadata.generation, (metadata.generation ?? 0) + 1);
          const ours = after.metadata.managedFields?.find(({ manager }) => manager === "keyferry");
          assert.equal(JSON.stringify(ours?.fieldsV1).match(/restart/g)?.length, 1, "it owns one field");
        });
      }

      it("what the owners of a workload apply afterwards leaves the restart as it is", async () => {
        const target = await made("Deployment");
        await restart(target, Date.now());
        const generation = await generationOf(target);
        await cluster.apply(aWorkload(NS, target));
        assert.equal(await generationOf(target), generation);
      });

      it("sees a restart by kubectl, a pause, and a workload that is on its way out", async () => {
        const annotations = {
          "kubectl.kubernetes.io/restartedAt": "2030-01-02T03:04:05+01:00",
          [ANNOTATION]: "yesterday",
        };
        const template = {
          metadata: { labels: { app: "x" }, annotations },
          spec: { containers: [{ name: "a", image: "a" }] },
        };
        const target = await made("Deployment", { template, selector: { matchLabels: { app: "x" } }, paused: true });
        const seen = await get(target);
        assert.deepEqual(seen.restartTimes, [Date.UTC(2030, 0, 2, 2, 4, 5)]);
        assert.equal(seen.paused, true);
        const paused = await made("argo.Rollout", { paused: true });
        assert.equal((await get(paused)).paused, false, "Argo restarts what is paused as well");
        const held = await made("StatefulSet");
        await cluster.apply({
          ...aWorkload(NS, held),
          metadata: { namespace: NS, name: held.name, finalizers: ["x.example.com/hold"] },
        });
        await cluster.delete(aWorkload(NS, held));
        assert.equal((await get(held)).deleting, true);
        await cluster.apply({ ...aWorkload(NS, held), metadata: { namespace: NS, name: held.name, finalizers: [] } });
      });

      it("is complete once its controller has seen it, and again after a restart", async () => {
        const target = await made("Deployment");
        const completed = () => cluster.waitFor("its controller", async () => (await get(target)).isComplete);
        await completed();
        await restart(target, Date.now());
        const generation = await generationOf(target);
        await completed();
        const { status } = (await read(target)) as KubeObject & { status?: { observedGeneration?: number } };
        assert.equal(status?.observedGeneration, generation);
      });

      it("is complete by the status that its controller writes, and not before there is one", async () => {
        const tellStatus = async (target: RolloutTarget, status: object) => {
          const plural = { StatefulSet: "apps/v1/statefulsets", "argo.Rollout": "argoproj.io/v1alpha1/rollouts" };
          const [group, version, resource] = plural[target.kind as keyof typeof plural].split("/");
          const path = `/apis/${group}/${version}/namespaces/${NS}/${resource}/${target.name}/status`;
          await cluster.request("PATCH", path, { status }, { contentType: "application/merge-patch+json" });
        };
        const rollout = await made("argo.Rollout");
        assert.equal((await get(rollout)).isComplete, false);
        await tellStatus(rollout, { observedGeneration: "1", phase: "Healthy" });
        assert.equal((await get(rollout)).isComplete, true);
        await restart(rollout, Date.now());
        assert.equal((await get(rollout)).isComplete, false);
        await tellStatus(rollout, { observedGeneration: "2", phase: "Progressing" });
        assert.equal((await get(rollout)).isComplete, false);
        const set = await made("StatefulSet", { replicas: 1, updateStrategy: { type: "OnDelete" } });
        await tellStatus(set, { observedGeneration: 1, replicas: 1 });
        assert.equal((await get(set)).isComplete, undefined);
      });

      it("restarts only what is as it was looked at", async () => {
        const target = await made("Deployment");
        const { resourceVersion } = await get(target);
        await cluster.apply(aWorkload(NS, target, { paused: true }));
        assert.equal(await apis.rollouts.restart(named(target), resourceVersion, Date.now(), patient()), false);
        await cluster.delete(aWorkload(NS, target));
        assert.equal(await apis.rollouts.restart(named(target), resourceVersion, Date.now(), patient()), false);
      });

      it("tells an absent workload from one that may not be read, and from a kind that is not served", async () => {
        const target = { kind: "Deployment", name: "nobody" } as const;
        assert.equal(await apis.rollouts.get(named(target), patient()), undefined);
        const none = endsOf(cluster, await kubeconfigWith(cluster, NS, "nobody", []));
        await assert.rejects(none.rollouts.get(named(target), patient()), withCode("KUBE_DENIED", /get deployments/));
        none.clients.close();
      });
    });

    describe("carried out", () => {
      interface Outcome {
        readonly rolled: Awaited<ReturnType<typeof rollOut>>;
        readonly counted: readonly string[];
      }

      const rowOf = (name: string): Row => {
        const key = syncKey({ cluster: CLUSTER, kind: "VaultStaticSecret", namespace: NS, name });
        return aRow({ declared: aDeclared({ key, uid: "7c1f3a52-6d1e-4a9b-9f0c-2b8f5d1e7a64" }) });
      };
      const owing = (since: number, more: Partial<OwedRollout> = {}): Partial<RowState> => ({
        digest: NEW,
        rolledDigest: OLD,
        rollout: { digest: NEW, since, at: since + 10 * SECOND, attempts: 0, ...more },
      });

      /** One run at `now` of a sync that has these targets. */
      async function run(
        name: string,
        targets: readonly RolloutTarget[],
        state: Partial<RowState>,
        now: number,
        through: TestApis = apis,
      ): Promise<Outcome> {
        const counted: string[] = [];
        const row = rowOf(name);
        const clock = () => now;
        const deps = {
          ...through,
          clock,
          random: () => 0.5,
          metrics: {
            count: (metric: string, labels: Readonly<Record<string, string>>) =>
              void counted.push(`${metric} ${labels.result}`),
            observe: () => undefined,
          },
        };
        const rolled = await rollOut(
          deps,
          { claim: await aClaim(row, clock), origin: clusterOrigin({ ...through, clock }, row), signal: patient() },
          { state: { ...EMPTY_STATE, ...state }, digest: NEW, key: KEY, targets, isAskedFor: false, now },
        );
        return { rolled, counted };
      }
      const eventsOf = async (name: string) => {
        const path = `/api/v1/namespaces/${NS}/events?fieldSelector=involvedObject.name=${name}`;
        const { body } = await cluster.request<{ items: { type: string; reason: string; message: string }[] }>(
          "GET",
          path,
        );
        return body.items.map(({ type, reason, message }) => `${type} ${reason} ${message}`);
      };
      /** All of this is long after the workloads were made. */
      const start = () => Math.floor(nowIn(cluster) / SECOND) * SECOND + 10 * MINUTE;

      it("restarts every target once, tells it, and records the digest as rolled out", async () => {
        const targets = await Promise.all(KINDS.map((kind) => made(kind)));
        const [deployment = assert.fail()] = targets;
        // Its controller may be late, and then it never sees the first template.
        await cluster.waitFor("its first replica set", async () => (await revisionsOf(deployment)) === 1);
        const before = await Promise.all(targets.map(generationOf));
        const now = start();
        const early = await run("all", targets, owing(now), now);
        assert.deepEqual(early.rolled.state, { rolledDigest: OLD, rollout: owing(now).rollout });
        assert.deepEqual(await Promise.all(targets.map(generationOf)), before, "not yet");

        const { rolled, counted } = await run("all", targets, owing(now), now + 10 * SECOND);
        assert.deepEqual(rolled, {
          state: { rolledDigest: NEW },
          condition: { status: "True", reason: "RolloutRestartTriggered", message: "Rollout restart triggered" },
          restarted: targets,
        });
        assert.deepEqual(counted, Array(4).fill("keyferry_rollouts_total restarted"));
        assert.deepEqual(
          await Promise.all(targets.map(generationOf)),
          before.map((generation) => generation + 1),
        );
        const named = targets.map(({ kind, name }) => `${kind} ${name}`).join(", ");
        assert.deepEqual(await eventsOf("all"), [
          `Normal RolloutRestartTriggered Rollout restart triggered for ${named}`,
        ]);
        await cluster.waitFor("a replica set for each template", async () => (await revisionsOf(deployment)) === 2);
      });

      it("kubernetes-rules 20: a crash after the restart repeats none; nothing that was restarted or made since is restarted", async () => {
        const target = await made("Deployment");
        const now = start();
        await run("crashed", [target], owing(now), now + 10 * SECOND);
        const generation = await generationOf(target);
        // The same row again: what the first run would have settled was lost.
        const { rolled, counted } = await run("crashed", [target], owing(now), now + 5 * MINUTE);
        assert.deepEqual(rolled.state, { rolledDigest: NEW });
        assert.equal(rolled.condition?.status, "True");
        assert.deepEqual(counted, ["keyferry_rollouts_total covered"]);
        assert.equal(await generationOf(target), generation);
        const young = await made("Deployment");
        const longAgo = start() - 60 * MINUTE;
        assert.deepEqual((await run("young", [young], owing(longAgo), start())).counted, [
          "keyferry_rollouts_total covered",
        ]);
      });

      it("syncs that share a target restart it once; who wrote after that waits for the end of the minute, all together", async () => {
        const target = await made("StatefulSet");
        const before = await generationOf(target);
        const now = start();
        await Promise.all(
          ["a", "b", "c"].map((name, at) => run(name, [target], owing(now + at * SECOND), now + 10 * SECOND)),
        );
        assert.equal(await generationOf(target), before + 1, "three at once");

        const late = owing(now + 15 * SECOND);
        const waits = await run("late", [target], late, now + 25 * SECOND);
        assert.deepEqual(waits.rolled, {
          state: { rolledDigest: OLD, rollout: { ...late.rollout, at: now + 70 * SECOND } },
        });
        assert.deepEqual(waits.counted, []);
        assert.equal(await generationOf(target), before + 1);
        const { rollout } = waits.rolled.state;
        assert.ok(rollout);
        const left = { ...late, rollout };
        await Promise.all(["late", "d"].map((name) => run(name, [target], left, now + 70 * SECOND)));
        assert.equal(await generationOf(target), before + 2);
      });

      it("a missing target is told and looked for slowly; the others are restarted, and once only", async () => {
        const there = await made("Deployment");
        const missing = { kind: "DaemonSet", name: "missing" } as const;
        const now = start();
        const first = await run("partly", [missing, there], owing(now), now + 10 * SECOND);
        const { condition, state } = first.rolled;
        assert.equal(condition?.status, "False");
        assert.equal(condition.reason, "RolloutRestartTriggeredFailed");
        assert.match(condition.message, /^TARGET_MISSING: there is no DaemonSet missing/);
        assert.deepEqual(first.counted, ["keyferry_rollouts_total failed", "keyferry_rollouts_total restarted"]);
        assert.equal(state.rolledDigest, OLD);
        assert.ok(state.rollout && state.rollout.attempts === 1 && state.rollout.at >= now + 25 * SECOND);
        const events = await eventsOf("partly");
        assert.equal(events.length, 2);
        assert.ok(events.some((event) => event.startsWith("Warning RolloutRestartFailed TARGET_MISSING: ")));

        const generation = await generationOf(there);
        const second = await run("partly", [missing, there], state, state.rollout.at);
        assert.deepEqual(second.rolled.condition, condition, "said in the same words, so that no status is written");
        assert.equal((await eventsOf("partly")).length, 2, "told once");
        assert.equal(await generationOf(there), generation);
        assert.ok((second.rolled.state.rollout?.at ?? 0) > state.rollout.at + 25 * SECOND);

        await cluster.apply(aWorkload(NS, missing));
        // It is as old as this test, and so made before the Secret was written, on the clock of this run.
        const third = await run("partly", [missing, there], second.rolled.state, now + 10 * MINUTE);
        assert.deepEqual(third.rolled.state, { rolledDigest: NEW });
        assert.equal(third.rolled.condition?.status, "True");
      });

      it("a paused Deployment keeps its restart until it is resumed", async () => {
        const target = await made("Deployment", { paused: true });
        const generation = await generationOf(target);
        const now = start();
        const { rolled } = await run("paused", [target], owing(now), now + 10 * SECOND);
        assert.match(rolled.condition?.message ?? "", /^TARGET_PAUSED: Deployment \S+ is paused: resume it/);
        assert.equal(await generationOf(target), generation);
        await cluster.apply(aWorkload(NS, target, { paused: false }));
        const resumed = await run("paused", [target], rolled.state, now + 10 * MINUTE);
        assert.deepEqual(resumed.rolled.state, { rolledDigest: NEW });
        assert.equal((await get(target)).restartTimes.length, 1);
      });

      it("without the right to it, it stays owed and says which right is missing", async () => {
        const target = await made("Deployment");
        const now = start();
        const rules = [{ apiGroups: ["apps"], resources: ["deployments"], verbs: ["get"] }];
        const reader = endsOf(cluster, await kubeconfigWith(cluster, NS, "reader", rules));
        const { rolled } = await run("denied", [target], owing(now), now + 10 * SECOND, reader);
        reader.clients.close();
        assert.match(rolled.condition?.message ?? "", /^KUBE_DENIED: keyferry may not patch deployments/);
        assert.equal(rolled.state.rollout?.attempts, 1);
      });

      it("starts no restart that might end after its lease", async () => {
        const target = await made("Deployment");
        const generation = await generationOf(target);
        const now = start();
        const row = rowOf("late-lease");
        const metrics = { count: () => undefined, observe: () => undefined };
        const question = { state: { ...EMPTY_STATE, ...owing(now) }, digest: NEW, key: KEY, targets: [target] };
        const at = now + 10 * SECOND;
        const clock = () => at;
        await assert.rejects(
          rollOut(
            { ...apis, clock, random: () => 0.5, metrics },
            {
              claim: await aClaim(row, clock, now + 15 * SECOND),
              origin: clusterOrigin({ ...apis, clock }, row),
              signal: patient(),
            },
            { ...question, isAskedFor: false, now: at },
          ),
          withCode("LEASE_LOST"),
        );
        assert.equal(await generationOf(target), generation);
      });
    });
  });
}
