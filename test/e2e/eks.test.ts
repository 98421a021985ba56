import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { awsAccess } from "../../lib/aws/aws-access.ts";
import { MINUTE_MS } from "../../lib/clock.ts";
import { accessTo } from "../../lib/connect/ways.ts";
import { folderFiles } from "../../lib/fleet/files.ts";
import { clusterClients } from "../../lib/kubernetes/cluster-client.ts";
import { kubernetesApis } from "../../lib/kubernetes/kubernetes-apis.ts";
import { VAULT_STATIC_SECRET } from "../../lib/resource-kinds.ts";
import { type EksStandIn, startEksStandIn, tempFolder } from "../harness/index.ts";
import { QUIET } from "../unit/aws/records.ts";
import { keyferry, startEngine } from "./support/engine.ts";
import { endAll, type StartedPlace, startPlace } from "./support/start-place.ts";

const ROLE = "arn:aws:iam::111122223333:role/keyferry-prod";
const OWN = {
  accessKeyId: "AKIAEXAMPLEOFTESTS",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  arn: "arn:aws:iam::111122223333:user/keyferry",
};
const GROUP = "keyferry";
const EKS = { cluster: "prod-eu", region: "eu-central-1" };
const AS_ROLE = { ...EKS, roleArn: ROLE, externalId: "fleet-7" };

describe("a cluster in EKS", () => {
  let aws: EksStandIn | undefined;
  let started: StartedPlace | undefined;
  let folder: Awaited<ReturnType<typeof tempFolder>> | undefined;
  const world = () => started ?? assert.fail("not started");
  const standIn = () => aws ?? assert.fail("not started");
  let now = 0;
  let described: object = {};

  before(async () => {
    folder = await tempFolder("eks");
    aws = await startEksStandIn({
      ...EKS,
      own: OWN,
      roles: { [ROLE]: "fleet-7" },
      entries: { [OWN.arn]: [GROUP], [ROLE]: [GROUP] },
      clock: () => Math.max(now, Date.now()),
    });
    const config = join(folder.path, "webhook.yaml");
    await aws.writeWebhookConfig(config);
    const apiServerArgs = [
      `--authentication-token-webhook-config-file=${config}`,
      "--authentication-token-webhook-version=v1",
      // Each request is judged anew.
      "--authentication-token-webhook-cache-ttl=0s",
    ];
    started = await startPlace("shop", { cluster: { apiServerArgs } });
    const { cluster, world: made } = started;
    const certificateAuthority = { data: Buffer.from(cluster.caPem).toString("base64") };
    described = { name: EKS.cluster, status: "ACTIVE", endpoint: cluster.url, certificateAuthority };
    aws.describes(described);
    const rbac = await readFile(new URL("../../infra/kubernetes/rbac.yaml", import.meta.url), "utf8");
    const binding = await readFile(new URL("../../infra/eks/group-binding.yaml", import.meta.url), "utf8");
    await cluster.apply(parseAllDocuments(`${rbac}\n---\n${binding}`).map((one) => one.toJS() as object));
    await made.vault.putKv("kv", "db", { password: "one" });
    await started.place.declare("db");
    Object.assign(process.env, aws.env);
  });
  after(async () => {
    for (const name of Object.keys(aws?.env ?? {})) delete process.env[name];
    await endAll(folder, aws, started?.world);
  });

  /** keyferry's own clients, with a clock that only the test moves, or each look at it by `step`. */
  function clientsOf(eks: object, step = 0) {
    const clock = () => {
      now += step;
      return now;
    };
    const deps = { files: folderFiles("/"), clock, aws: awsAccess(clock), mayExec: false };
    const clients = clusterClients({
      clock,
      log: QUIET,
      resolve: (name) => accessTo({ name, connect: { eks: eks as typeof EKS } }, deps),
    });
    const apis = kubernetesApis({ clients, clock, log: QUIET });
    const ref = { cluster: "one", namespace: "shop", name: "db", kind: VAULT_STATIC_SECRET };
    const get = () => apis.resources.get(ref, AbortSignal.timeout(60_000));
    return { get, [Symbol.dispose]: () => clients.close() };
  }

  const tokens = () => new Set(standIn().verdicts.map(({ token }) => token)).size;

  it("gets its Secrets by the process's own identity, with the permissions of the group", async () => {
    const { world: made, place } = world();
    await made.writeFleet(() => ({ connect: { eks: EKS } }));
    const planned = await keyferry(["plan", "--fleet", made.fleetPath]);
    assert.match(planned.stdout, /shop\/db/, planned.stderr);
    await using engine = await startEngine(made);
    await place.secretThat("db", ({ data }) => data.password === "one");
    await place.synced("db");
    assert.ok(standIn().verdicts.every(({ verdict }) => verdict === "accepted"));
    for (const { token } of standIn().verdicts) assert.ok(!engine.output().includes(token));
  });

  it("gets its Secrets as a role that is assumed once, with an external id", async () => {
    const { world: made, place } = world();
    await made.writeFleet(() => ({ connect: { eks: AS_ROLE } }));
    await made.vault.putKv("kv", "db", { password: "two" });
    const before = standIn().counts.assume;
    await using _engine = await startEngine(made);
    await place.secretThat("db", ({ data }) => data.password === "two");
    assert.equal(standIn().counts.assume, before + 1);
  });

  it("has a new token after 14 minutes, and its place is asked for after ten", async () => {
    now = Date.now();
    using clients = clientsOf(AS_ROLE);
    const [made, { describe: places, assume }] = [tokens(), { ...standIn().counts }];
    await clients.get();
    now += 14 * MINUTE_MS - 1;
    await clients.get();
    assert.equal(tokens(), made + 1);
    // A session looks every 30 s.
    now += 30_000;
    await clients.get();
    assert.equal(tokens(), made + 2);
    assert.deepEqual(standIn().counts, { describe: places + 2, assume: assume + 1 });
    now = 0;
  });

  it("has a new token after a 401, once", async () => {
    now = Date.now();
    // The API server keeps what it accepted for ten seconds, so a token is refused from the start.
    let first: string | undefined;
    standIn().refuse((token) => {
      first ??= token;
      return token === first;
    });
    using clients = clientsOf(EKS, 1_000);
    const made = tokens();
    await clients.get();
    assert.equal(tokens(), made + 2);

    standIn().refuse(() => true);
    using others = clientsOf(EKS, 1_000);
    await assert.rejects(others.get(), { code: "KUBE_LOGIN_REFUSED" });
    assert.equal(tokens(), made + 4);
    standIn().refuse(undefined);
    now = 0;
  });

  it("refuses a token of another cluster, of an older date, and one that is signed by others", async () => {
    const refused = async (eks: object, at: number, verdict: string) => {
      now = at;
      using clients = clientsOf(eks);
      await assert.rejects(clients.get(), { code: "KUBE_LOGIN_REFUSED" });
      assert.equal(standIn().verdicts.at(-1)?.verdict, verdict);
      now = 0;
    };
    const { cluster } = world();
    const place = { endpoint: cluster.url, caData: Buffer.from(cluster.caPem).toString("base64") };
    await refused({ ...EKS, ...place, cluster: "other" }, Date.now(), "a wrong signature or cluster");
    await refused({ ...EKS, ...place }, Date.now() - 16 * MINUTE_MS, "its date is over");
    process.env.AWS_SECRET_ACCESS_KEY = "another";
    await refused({ ...EKS, ...place }, Date.now(), "a wrong signature or cluster");
    process.env.AWS_SECRET_ACCESS_KEY = OWN.secretAccessKey;
  });

  it("that AWS does not describe is refused by thing, place and remedy", async () => {
    const failed = async (answer: object | string, code: string, message: RegExp, eks: object = EKS) => {
      standIn().describes(answer);
      now = Date.now();
      using clients = clientsOf(eks);
      await assert.rejects(clients.get(), (error: Error & { code?: string }) => {
        assert.equal(error.code, code, error.message);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /its own text/);
        return true;
      });
      now = 0;
    };
    const where = "^cluster one: .*EKS cluster prod-eu in eu-central-1";
    await failed(
      { ...described, status: "CREATING" },
      "REFERENCE_INVALID",
      RegExp(`${where} has status CREATING: wait`),
    );
    await failed(
      { ...described, status: "DELETING" },
      "REFERENCE_INVALID",
      RegExp(`${where} has status DELETING: repair`),
    );
    await failed(
      "ResourceNotFoundException",
      "REFERENCE_MISSING",
      RegExp(`${where}: correct cluster, region or roleArn`),
    );
    await failed("AccessDeniedException", "KUBE_LOGIN_REFUSED", RegExp(`${where} .*: allow eks:DescribeCluster`));
    await failed("ThrottlingException", "CLOUD_UNAVAILABLE", RegExp(`${where} .*: keyferry tries again`));
    const other = { ...AS_ROLE, externalId: "other" };
    await failed(
      described,
      "KUBE_LOGIN_REFUSED",
      /IAM role arn:aws:iam::111122223333:role\/keyferry-prod .*externalId/,
      other,
    );
    standIn().describes(described);
  });
});
