import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { GetFunctionConfigurationCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { parse, parseAllDocuments } from "yaml";
import { type Ministack, tempFolder, waitFor } from "../../harness/index.ts";
import { type Place, placeIn } from "../support/place.ts";
import { vaultsOf } from "../support/world.ts";
import { accountOf, type LogEntry } from "./support/account.ts";
import { type Deployed, STACK, startDeployed } from "./support/deployed.ts";
import { type EksFront, startEksFront } from "./support/eks-front.ts";
import { A_TICK_MS } from "./support/waits.ts";

const NS = "shop";
const REGION = "eu-central-1";
const ACCOUNT = "000000000000";
const GROUP = "keyferry";
const EXTERNAL_ID = "fleet-7";
/** In fleet.yaml, and in EKS. */
const OWN = { name: "own", eks: "prod-eu" };
const ROLE = { name: "role", eks: "prod-us" };
const FUNCTIONS = ["discover", "reconcile"] as const;

/**
 * MiniStack's IAM, STS and EKS judge the functions; it has no API servers without Docker, so answers of its
 * DescribeCluster get the address of a real kube-apiserver, whose webhook authenticator recomputes each signature.
 */
describe("functions that reach clusters in EKS", { timeout: 900_000 }, () => {
  let front: EksFront;
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let deployed: Deployed;
  let roleArn: string;
  let own: Place;
  let role: Place;

  before(async () => {
    [front, folder] = await Promise.all([startEksFront(REGION), tempFolder("eks")]);
    const configOf = (name: string) => join(folder.path, `${name}.yaml`);
    for (const { name, eks } of [OWN, ROLE]) await front.writeWebhookConfig(eks, configOf(name));
    deployed = await startDeployed({
      world: {
        clusters: [OWN.name, ROLE.name],
        apiServerArgs: (name) => [
          `--authentication-token-webhook-config-file=${configOf(name)}`,
          "--authentication-token-webhook-version=v1",
          "--authentication-token-webhook-cache-ttl=0s",
        ],
      },
      env: front.env,
      before: async (aws) => {
        roleArn = await deployRole(aws);
        await front.before(aws, [OWN.eks, ROLE.eks], roleArn);
      },
      settings: (path) => settings(path, roleArn),
    });
    const { world, aws } = deployed;
    [own, role] = world.clusters.map((cluster) => placeIn(cluster, NS)) as [Place, Place];
    const lambda = new LambdaClient(aws.clientConfig);
    const roles: string[] = [];
    for (const name of FUNCTIONS) {
      const FunctionName = `${STACK}-${name}`;
      const { FunctionArn = "", Role = "" } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
      front.knowFunction(FunctionArn, Role);
      roles.push(Role);
    }
    const groups = [GROUP];
    const { url, caPem } = own.cluster;
    front.serve(OWN.eks, { url, caPem, entries: Object.fromEntries(roles.map((arn) => [arn, groups])) });
    front.serve(ROLE.eks, { url: role.cluster.url, caPem: role.cluster.caPem, entries: { [roleArn]: groups } });
    await world.vault.putKv("kv", "db", { password: "one" });
    for (const place of [own, role]) {
      await world.namespace(place.cluster, NS);
      await place.cluster.apply(await shipped());
      await place.declare("db");
    }
  });
  after(async () => {
    await deployed?.[Symbol.asyncDispose]();
    await front?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  it("are refused by name without one of the permissions that the settings give", async () => {
    await using _ = deployed.ticking();
    const actions = ["eks:DescribeCluster", "sts:AssumeRole"];
    await using _forbidden = await deployed.account.forbid(`${STACK}-discover`, ...actions);
    await deployed.uploadFleet(await fleet());
    for (const [name, message] of [
      [OWN.name, /EKS cluster prod-eu in eu-central-1 \(AccessDenied\w*\): allow eks:DescribeCluster/],
      [ROLE.name, /IAM role \S+ \(AccessDenied\w*\): allow sts:AssumeRole on it/],
    ] as const) {
      const isRefused = ({ line }: LogEntry) => line.cluster === name && line.code === "KUBE_LOGIN_REFUSED";
      const refused = await waitFor(
        `the refusal of ${name}`,
        async () => (await deployed.logged("discover", "watch-pass-failed")).find(isRefused)?.line.message,
        A_TICK_MS,
      );
      assert.match(String(refused), message);
    }
    assert.deepEqual([front.verdicts(OWN.eks), front.verdicts(ROLE.eks)], [[], []]);
  });

  it("make Secrets by their own role, and by a role that they assume, with no stored credential", async () => {
    await using _ = deployed.ticking();
    await Promise.all(
      [own, role].map((place) => place.secretThat("db", ({ data }) => data.password === "one", A_TICK_MS)),
    );
    await Promise.all([own, role].map((place) => place.synced("db", A_TICK_MS)));
    for (const { eks } of [OWN, ROLE]) {
      assert.deepEqual([...new Set(front.verdicts(eks))], ["accepted"]);
    }
    const asked = new Set(front.answers.filter(({ status }) => status === 200).map(({ action }) => action));
    assert.deepEqual([...asked].sort(), ["AssumeRole", "DescribeCluster"]);
  });

  it("prints no token", async () => {
    const logs = await Promise.all(FUNCTIONS.map((name) => deployed.account.logs(`${STACK}-${name}`)));
    assert.doesNotMatch(JSON.stringify(logs), /k8s-aws-v1\.|X-Amz-Signature/);
  });

  async function fleet(): Promise<string> {
    const eks = { region: REGION };
    const clusters = [
      { name: OWN.name, connect: { eks: { ...eks, cluster: OWN.eks } } },
      { name: ROLE.name, connect: { eks: { ...eks, cluster: ROLE.eks, roleArn, externalId: EXTERNAL_ID } } },
    ];
    const vaults = await vaultsOf(deployed.world.vault);
    return JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", vaults, clusters });
  }
});

/** Settings of the stage: the least that lets the functions in. */
async function settings(folder: string, roleArn: string): Promise<string> {
  const text = (await readFile("infra/settings.yml", "utf8"))
    .replace(/^eksClusters: .*/m, `eksClusters: ["arn:aws:eks:${REGION}:${ACCOUNT}:cluster/${OWN.eks}"]`)
    .replace(/^eksRoles: .*/m, `eksRoles: ["${roleArn}"]`);
  const path = join(folder, "settings.yml");
  await writeFile(path, text);
  return path;
}

/** The role of infra/eks/access-entry.yml as it is shipped. MiniStack has no access entries: the authenticator knows them. */
async function deployRole(aws: Ministack): Promise<string> {
  const tagged = (tag: string, to: (value: string) => object) => ({ tag, resolve: to });
  const customTags = [
    tagged("!Ref", (value) => ({ Ref: value })),
    tagged("!Sub", (value) => ({ "Fn::Sub": value })),
    tagged("!GetAtt", (value) => ({ "Fn::GetAtt": value.split(".") })),
  ];
  const template = parse(await readFile("infra/eks/access-entry.yml", "utf8"), { customTags }) as {
    Parameters: Record<string, { Default?: string }>;
    Resources: { Entry?: object };
  };
  const values = {
    Cluster: ROLE.eks,
    KeyferryRoleArns: `arn:aws:iam::${ACCOUNT}:root`,
    ExternalId: EXTERNAL_ID,
  };
  for (const [name, Default] of Object.entries(values)) Object.assign(template.Parameters[name] ?? {}, { Default });
  delete template.Resources.Entry;
  const { RoleArn = assert.fail("no role") } = await accountOf(aws).createStack("keyferry-access", template);
  return RoleArn;
}

async function shipped(): Promise<object[]> {
  const files = ["infra/kubernetes/rbac.yaml", "infra/eks/group-binding.yaml"];
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8")));
  return texts.flatMap((text) => parseAllDocuments(text).map((one) => one.toJS() as object));
}
