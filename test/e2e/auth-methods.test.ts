import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type AwsIdentities, awsIdentities, STRICT } from "../aws-identities.ts";
import { type Cluster, type Ministack, startMinistack, type VaultFlavor } from "../harness/index.ts";
import { awsStories, LENT, OWN_ROLE } from "./auth-methods/aws.ts";
import { globalStories } from "./auth-methods/global.ts";
import { API, type AuthScene, authScene, NS, PASSWORD } from "./auth-methods/scene.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import { type Place, placeIn } from "./support/place.ts";
import { sideBySide } from "./support/side-by-side.ts";
import { OPERATOR_NAMESPACE, ROLE, startWorld, type World } from "./support/world.ts";

const REPLACED_AFTER_MS = 12_000;
const FLAVORS: readonly VaultFlavor[] = ["openbao", "vault"];

const serviceAccount = (name: string) => ({
  apiVersion: "v1",
  kind: "ServiceAccount",
  metadata: { name, namespace: NS },
});

sideBySide("logins", FLAVORS, (flavor) => `every login method, on ${flavor}`, storyOn);

function storyOn(flavor: VaultFlavor): void {
  let world: World;
  let engine: RunningEngine;
  let place: Place;
  let cluster: Cluster;
  let startedAt: number;
  let scene: AuthScene;
  let aws: Ministack;
  let people: AwsIdentities;
  const started = new AsyncDisposableStack();

  before(async () => {
    // HashiCorp's speaks TLS here, with a CA that only the cluster's Secret knows.
    world = await startWorld({ vault: { flavor, tls: flavor === "vault" } });
    const [first] = world.clusters;
    if (!first) throw new Error("no cluster");
    cluster = first;
    await world.namespace(cluster, NS);
    place = placeIn(cluster, NS);
    scene = authScene(world, cluster, place);
    await world.vault.putKv("kv", "db", { password: PASSWORD });
    if (world.vault.caPem) {
      const metadata = { name: "default", namespace: OPERATOR_NAMESPACE };
      const spec = { address: world.vault.address, caCertSecretRef: "vault-ca" };
      await scene.put("vault-ca", OPERATOR_NAMESPACE, { "ca.crt": world.vault.caPem });
      await cluster.delete({ apiVersion: API, kind: "VaultConnection", metadata });
      await cluster.apply({ apiVersion: API, kind: "VaultConnection", metadata, spec });
    }
    engine = await startEngine(world, { env: flavor === "vault" ? await asRole() : {} });
    startedAt = Date.now();
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
    await started.disposeAsync();
  });

  /** The environment of an engine that has an IAM role. */
  const asRole = async (): Promise<Readonly<Record<string, string>>> => {
    aws = started.use(await startMinistack(STRICT));
    people = started.use(awsIdentities(aws));
    const caFile = join(world.folder, "vault-ca.pem");
    await writeFile(caFile, world.vault.caPem ?? "");
    // This AWS lies on loopback as well, where no VaultAuth may send a token unless the fleet names it.
    const vault = { identities: [`main/${LENT.name}`], stsEndpoint: aws.url };
    await world.writeFleet(() => ({ vault }), { caFile, identities: [{ ...LENT, region: aws.region }] });
    const keys = await people.session(OWN_ROLE);
    scene.secrets.push(keys.secret_access_key, keys.session_token ?? "");
    return {
      AWS_ACCESS_KEY_ID: keys.access_key_id,
      AWS_SECRET_ACCESS_KEY: keys.secret_access_key,
      AWS_SESSION_TOKEN: keys.session_token ?? "",
    };
  };
  const put: AuthScene["put"] = (...order) => scene.put(...order);
  const declareAuth: AuthScene["declareAuth"] = (...order) => scene.declareAuth(...order);
  const follows: AuthScene["follows"] = (...order) => scene.follows(...order);
  const loginsAs: AuthScene["loginsAs"] = (path) => scene.loginsAs(path);

  it("kubernetes: by TokenRequest, reviewed by the cluster; an empty vaultAuthRef means the operator's default", async () => {
    await follows("kubernetes", {});
    assert.equal(await loginsAs("kubernetes-one"), 1);
    await follows("kubernetes-again", { vaultAuthRef: `${OPERATOR_NAMESPACE}/default` });
    assert.equal(await loginsAs("kubernetes-one"), 1, "one login for each identity");
  });

  it("kubernetes: audiences are asked for and checked", async () => {
    await world.vault.write("auth/kubernetes-one/role/strict", {
      bound_service_account_names: "app",
      bound_service_account_namespaces: NS,
      audience: "vault.example",
      token_policies: ROLE,
    });
    const kubernetes = { role: "strict", serviceAccount: "app", tokenExpirationSeconds: 600 };
    const mount = "kubernetes-one";
    await declareAuth("strict", { method: "kubernetes", mount, kubernetes });
    await place.declare("strict", { path: "db", vaultAuthRef: "strict" });
    await place.failed("strict", "VAULT_LOGIN_REFUSED");
    await declareAuth("strict", {
      method: "kubernetes",
      mount,
      kubernetes: { ...kubernetes, audiences: ["vault.example"] },
    });
    await place.synced("strict");
  });

  it("jwt: by a service account's token", async () => {
    await world.vault.enableJwtAuth(cluster, { mount: "jwt" });
    await world.vault.write("auth/jwt/role/robot", {
      role_type: "jwt",
      user_claim: "sub",
      bound_audiences: ["vault.example"],
      bound_subject: `system:serviceaccount:${NS}:robot`,
      token_policies: ROLE,
    });
    await cluster.apply(serviceAccount("robot"));
    const jwt = { role: "robot", serviceAccount: "robot", audiences: ["vault.example"] };
    await declareAuth("jwt-account", { method: "jwt", mount: "jwt", jwt });
    await follows("jwt-account", { vaultAuthRef: "jwt-account" });
  });

  it("jwt: by a token that stands in a Secret", async () => {
    const token = await cluster.tokenFor({ namespace: NS, name: "robot", audiences: ["vault.example"] });
    scene.secrets.push(token);
    await declareAuth("jwt-secret", {
      method: "jwt",
      mount: "jwt",
      jwt: { role: "robot", secretRef: "robot-token" },
    });
    await place.declare("jwt-secret", { path: "db", vaultAuthRef: `${NS}/jwt-secret` });
    await place.failed("jwt-secret", "REFERENCE_MISSING");
    await put("robot-token", NS, { jwt: token });
    await place.touch("jwt-secret");
    await place.synced("jwt-secret");
  });

  it("appRole: by a secret id that stands in a Secret; another one is taken up", async () => {
    const order = { role: "shop", policies: [ROLE] };
    const { roleId, secretId } = await world.vault.enableAppRole(order);
    scene.secrets.push(secretId);
    await put("shop-approle", NS, { id: "not-the-secret-id" });
    const appRole = { roleId, secretRef: "shop-approle" };
    await declareAuth("shop", { method: "appRole", mount: "approle", appRole });
    await place.declare("shop", { path: "db", vaultAuthRef: "shop" });
    await place.failed("shop", "VAULT_LOGIN_REFUSED");
    await put("shop-approle", NS, { id: secretId });
    await place.touch("shop");
    await place.synced("shop");
  });

  it("a VaultAuth in another namespace logs in with this namespace's service account", async () => {
    await world.vault.write("auth/kubernetes-one/role/here", {
      bound_service_account_names: "app",
      bound_service_account_namespaces: NS,
      token_policies: ROLE,
    });
    const spec = { method: "kubernetes", mount: "kubernetes-one", allowedNamespaces: [NS] };
    await declareAuth("shared", { ...spec, kubernetes: { role: "here", serviceAccount: "app" } }, OPERATOR_NAMESPACE);
    await follows("shared", { vaultAuthRef: `${OPERATOR_NAMESPACE}/shared` });
  });

  globalStories(() => scene);
  // OpenBao has no login by AWS.
  if (flavor === "vault") {
    awsStories(
      () => scene,
      () => aws,
      () => people,
    );
  }

  if (flavor === "openbao") {
    it("a Vault namespace: the VaultAuth's for the login, the declaration's for the read", async () => {
      await world.vault.write("sys/namespaces/team");
      const inTeam = { namespace: "team" };
      await world.vault.write("sys/mounts/kv", { type: "kv", options: { version: "2" } }, inTeam);
      const isUp = async () => (await world.vault.request("GET", "kv/config", undefined, inTeam)).status === 200;
      await cluster.waitFor("the mount", isUp);
      await world.vault.write("kv/data/db", { data: { password: `${PASSWORD}-of-the-team` } }, inTeam);
      const policy = 'path "kv/*" { capabilities = ["read"] }';
      await world.vault.write(`sys/policies/acl/${ROLE}`, { policy }, inTeam);
      await world.vault.write("sys/auth/approle", { type: "approle" }, inTeam);
      await world.vault.write("auth/approle/role/team", { token_policies: [ROLE] }, inTeam);
      const roleId = (await world.vault.read("auth/approle/role/team/role-id", inTeam))?.data.role_id;
      const answer = await world.vault.write("auth/approle/role/team/secret-id", {}, inTeam);
      await put("team-approle", NS, { id: String(answer.data.secret_id) });
      const appRole = { roleId, secretRef: "team-approle" };
      await declareAuth("team", { method: "appRole", mount: "approle", namespace: "team", appRole });
      await place.declare("team", { path: "db", vaultAuthRef: "team" });
      await place.secretThat("team", ({ data }) => data.password === `${PASSWORD}-of-the-team`);
      await place.declare("team-named", { path: "db", vaultAuthRef: "team", namespace: "team" });
      await place.secretThat("team-named", ({ data }) => data.password === `${PASSWORD}-of-the-team`);
      const metadata = { name: "team", namespace: NS };
      const defaults = { defaultAuthMethod: "appRole", defaultMount: "approle", defaultVaultNamespace: "team" };
      await cluster.apply({ apiVersion: API, kind: "VaultAuthGlobal", metadata, spec: { ...defaults, appRole } });
      await declareAuth("team-global", { vaultAuthGlobalRef: { name: "team" } });
      await place.declare("team-global", { path: "db", vaultAuthRef: "team-global" });
      await place.secretThat("team-global", ({ data }) => data.password === `${PASSWORD}-of-the-team`);
    });
  } else {
    it("TLS: a CA that is not Vault's is refused by name, and the right one is taken up", async () => {
      const metadata = { name: "stranger", namespace: NS };
      const spec = { address: world.vault.address, caCertSecretRef: "stranger-ca" };
      await put("stranger-ca", NS, { "ca.crt": cluster.caPem });
      await cluster.apply({ apiVersion: API, kind: "VaultConnection", metadata, spec });
      const kubernetes = { role: ROLE, serviceAccount: "app" };
      const auth = { method: "kubernetes", mount: "kubernetes-one", vaultConnectionRef: "stranger", kubernetes };
      await declareAuth("stranger", auth);
      await place.declare("stranger", { path: "db", vaultAuthRef: "stranger" });
      assert.match(await place.failed("stranger", "VAULT_TLS_REFUSED"), /caCertSecretRef/);
      await put("stranger-ca", NS, { "ca.crt": world.vault.caPem ?? "" });
      await cluster.apply({ apiVersion: API, kind: "VaultConnection", metadata, spec: { ...spec, timeout: "5s" } });
      await place.synced("stranger", 60_000);
    });
  }

  it("a token that was revoked is replaced, unseen by the sync", async () => {
    // OpenBao does not tell a revoked token from one without rights: a younger one would not be replaced.
    await sleep(Math.max(0, REPLACED_AFTER_MS - (Date.now() - startedAt)));
    await world.vault.write("sys/leases/revoke-prefix/auth/kubernetes-one");
    await world.vault.putKv("kv", "db", { password: `${PASSWORD}-2` });
    await place.secretThat("kubernetes", ({ data }) => data.password === `${PASSWORD}-2`);
    const failed = engine.logs.filter(
      ({ event, key }) => event === "sync-failed" && String(key).endsWith("/kubernetes"),
    );
    assert.deepEqual(failed, []);
  });

  it("and no credential or value is seen anywhere", async () => {
    assert.deepEqual(
      engine.logs.filter(({ level }) => level === "error"),
      [],
    );
    assert.ok(scene.secrets.length >= 3);
    await assertNoLeak(world, engine, scene.secrets);
  });
}
