import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Cluster } from "../harness/index.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import { type Place, placeIn } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { startWebhook, type Webhook } from "./support/webhook.ts";
import type { World } from "./support/world.ts";

const PASSWORD = "Kx3-silver-thimble-orchard";
const WEBHOOK = "require-team.policies.example.com";
const POLICY = "no-plain-secrets.example.com";
const DENIED_TYPE = "example.com/denied";
/** What a webhook may say of the object that it was shown, wherever there is room for it. */
const QUOTED = { message: `no: ${PASSWORD}`, reason: PASSWORD };

describe("an admission webhook or policy stands in the way", () => {
  let world: World;
  let engine: RunningEngine;
  let cluster: Cluster;
  let place: Place;
  let webhook: Webhook;

  before(async () => {
    ({ world, cluster, place } = await startPlace("guarded"));
    await world.namespace(cluster, "policed");
    await world.vault.putKv("kv", "db", { password: PASSWORD });
    webhook = await startWebhook(cluster, WEBHOOK, "guarded");
    engine = await startEngine(world);
  });
  after(() => endAll(webhook, engine, world));

  const denied = async (name: string, status: object, code = "ADMISSION_DENIED"): Promise<string> => {
    webhook.answer({ allowed: false, status });
    await place.declare(name, { path: "db" });
    const message = await place.failed(name, code);
    assert.match(
      message,
      new RegExp(`the admission webhook ${WEBHOOK.replaceAll(".", "\\.")} denies secrets guarded/${name} `),
    );
    return message;
  };

  it("a webhook that denies is named, whatever it answers, and none of its text is shown", async () => {
    await denied("plain", {});
    await denied("talkative", { code: 403, ...QUOTED });
    const causes = [{ field: PASSWORD, reason: PASSWORD, message: PASSWORD }];
    for (const code of [401, 404, 409, 413, 422, 429, 503]) {
      await denied(`code-${code}`, { code, ...QUOTED, details: { kind: "secrets", causes, retryAfterSeconds: 3_000 } });
    }
    await denied("quota", { code: 403, message: 'secrets "db" is forbidden: exceeded quota: q' });
    webhook.answer({ allowed: true });
    await place.touch("plain");
    await place.synced("plain");
    webhook.answer({ allowed: false, status: QUOTED });
    await world.vault.putKv("kv", "db", { password: `${PASSWORD}-2` });
    await place.failed("plain", "ADMISSION_DENIED");
    assert.equal((await place.secret("plain"))?.data.password, PASSWORD, "the Secret stays as it was");
  });

  it("one that can't be reached or read is named, and the sync mends itself", async () => {
    webhook.answer(undefined);
    await place.declare("unreached", { path: "db" });
    const message = await place.failed("unreached", "ADMISSION_FAILED");
    assert.match(
      message,
      /the admission webhook require-team\.policies\.example\.com must admit secrets guarded\/unreached/,
    );
    webhook.answer({ allowed: true });
    await place.synced("unreached");
  });

  it("a policy that denies is named, whatever reason it gives", async () => {
    const policed = placeIn(cluster, "policed");
    const api = "admissionregistration.k8s.io/v1";
    const rule = { apiGroups: [""], apiVersions: ["v1"], resources: ["secrets"], operations: ["CREATE", "UPDATE"] };
    const reasons = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
    const validations = reasons.map((reason) => ({
      reason,
      expression: `object.metadata.name != '${reason.toLowerCase()}'`,
      messageExpression: `'no: ' + string(object.data['password'])`,
    }));
    const policy = {
      apiVersion: api,
      kind: "ValidatingAdmissionPolicy",
      metadata: { name: POLICY },
      spec: {
        ...{ failurePolicy: "Fail", matchConstraints: { resourceRules: [rule] } },
        validations: [...validations, { expression: `object.type != '${DENIED_TYPE}'` }],
      },
    };
    const binding = {
      apiVersion: api,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name: "policed-only" },
      spec: {
        policyName: POLICY,
        validationActions: ["Deny"],
        matchResources: { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "policed" } } },
      },
    };
    await cluster.apply([policy, binding]);
    await cluster.waitFor("the policy to hold", async () => {
      const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "forbidden" }, data: { password: "" } };
      return (await cluster.request("POST", "/api/v1/namespaces/policed/secrets?dryRun=All", secret)).status === 403;
    });
    for (const name of reasons.map((reason) => reason.toLowerCase())) {
      await policed.declare(name, { path: "db" });
      assert.match(
        await policed.failed(name, "ADMISSION_DENIED"),
        new RegExp(`the admission policy ${POLICY.replaceAll(".", "\\.")} denies secrets policed/${name} `),
      );
    }
    await policed.declare("allowed", { path: "db" });
    await policed.synced("allowed");
  });

  it("kubernetes-rules 13: a policy that denies another type of a Secret: the Secret stays, and is made anew for a type that it allows", async () => {
    const policed = placeIn(cluster, "policed");
    const before = await policed.secret("allowed");
    const retype = (type: string) =>
      policed.declare("allowed", { path: "db", destination: { name: "allowed", create: true, type } });
    await retype(DENIED_TYPE);
    assert.match(
      await policed.failed("allowed", "ADMISSION_DENIED"),
      new RegExp(
        `the admission policy ${POLICY.replaceAll(".", "\\.")} denies secrets policed/allowed-keyferry-dry-run-`,
      ),
    );
    assert.deepEqual(await policed.secret("allowed"), before);
    await retype("example.com/allowed");
    await policed.secretThat("allowed", ({ type }) => type === "example.com/allowed");
    await policed.synced("allowed");
  });

  it("no text of theirs, which held the Secret's data, is anywhere", async () => {
    await assertNoLeak(world, engine, [PASSWORD]);
  });
});
