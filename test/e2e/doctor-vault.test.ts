import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, it } from "node:test";
import type { Cluster, VaultFlavor } from "../harness/index.ts";
import { foundAndMended, type Practice, practiceIn } from "./support/doctor.ts";
import type { Place } from "./support/place.ts";
import { sideBySide } from "./support/side-by-side.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { authMount, OPERATOR_NAMESPACE, ROLE, type World } from "./support/world.ts";

const MERGE = { contentType: "application/merge-patch+json" };
const PASSWORD = "Qx9-correct-horse-doctor";
const CONNECTION = `/apis/secrets.hashicorp.com/v1beta1/namespaces/${OPERATOR_NAMESPACE}/vaultconnections/default`;
const AUTH = CONNECTION.replace("vaultconnections", "vaultauths");
const API = "secrets.hashicorp.com/v1beta1";
const ANY = { bound_service_account_names: ["*"], bound_service_account_namespaces: ["*"], token_ttl: "1h" };

const FLAVORS: readonly VaultFlavor[] = ["openbao", "vault"];

sideBySide(
  "doctor, and a Vault",
  FLAVORS,
  (flavor) => `doctor finds what is broken in ${flavor}, and what it prints mends it`,
  storyOn,
);

function storyOn(flavor: VaultFlavor): void {
  let world: World;
  let cluster: Cluster;
  let place: Place;
  let practice: Practice;
  let mount: string;

  before(async () => {
    ({ world, cluster, place } = await startPlace("shop", {
      vault: { flavor, tls: true },
      cluster: { controllers: ["serviceaccount-token-controller"] },
    }));
    practice = await practiceIn(world, cluster);
    mount = authMount(cluster);
    await writeFile(join(world.folder, "vault-ca.pem"), world.vault.caPem ?? "");
    await world.vault.putKv("kv", "database", { password: PASSWORD });
    await place.declare("database");
    // The reviewer's token is for the API server, and so is the token of this role until it has an audience.
    await world.vault.write(`auth/${mount}/role/${ROLE}`, { audience: "vault" });
  });
  after(() => endAll(world, practice));

  const patch = async (path: string, spec: object) => {
    const { status, text } = await cluster.request("PATCH", path, { spec }, MERGE);
    assert.equal(status, 200, text);
  };
  const fleetWith = (more: object = {}, vault: object = { caFile: "./vault-ca.pem" }) =>
    world.writeFleet(() => more, vault);

  beforeEach(async () => {
    await fleetWith();
    await patch(CONNECTION, {
      address: world.vault.address,
      skipTLSVerify: false,
      tlsServerName: null,
      caCertSecretRef: null,
    });
    await patch(AUTH, { kubernetes: { role: ROLE, serviceAccount: "app", audiences: ["vault"] }, mount });
  });
  const isHealthy = async () => {
    const { findings, errors, output } = await practice.examine();
    assert.deepEqual(errors, []);
    assert.ok(!output.includes(PASSWORD));
    return findings;
  };
  const errorOf = async (code: string) => {
    const { errors } = await practice.examine();
    const found = errors.find((one) => one.code === code);
    assert.ok(found, `${code} among ${JSON.stringify(errors, undefined, 2)}`);
    return found;
  };

  it("a healthy Vault has no errors and no warnings, and keeps no token of doctor", async () => {
    const findings = await isHealthy();
    assert.deepEqual(
      findings.filter(({ severity }) => severity !== "info"),
      [],
    );
    const { body } = await world.vault.request<{ data: { keys: string[] } }>("LIST", "auth/token/accessors");
    assert.equal(body.data.keys.length, 1, "only the root token");
  });

  it("a certificate that nobody vouches for", async () => {
    await fleetWith({}, {});
    const { what, remedy } = await errorOf("VAULT_TLS_REFUSED");
    assert.match(what, /certificate is refused/);
    assert.match(remedy?.text ?? "", /caFile/);
    await fleetWith();
    await isHealthy();
  });

  it("a certificate for another name", async () => {
    await patch(CONNECTION, { tlsServerName: "vault.example.com" });
    await foundAndMended(practice, "VAULT_TLS_REFUSED", /VaultConnection .*\/default/);
  });

  it("a certificate that is not verified", async () => {
    await patch(CONNECTION, { skipTLSVerify: true });
    const { findings } = await practice.examine();
    assert.ok(findings.some(({ code }) => code === "VAULT_NOT_VERIFIED"));
  });

  it("a Secret with a CA that does not exist", async () => {
    await patch(CONNECTION, { caCertSecretRef: "vault-ca" });
    await foundAndMended(practice, "CREDENTIAL_MISSING", /Secret .*\/vault-ca/);
  });

  it("a name that has no address", async () => {
    await patch(CONNECTION, { address: "https://no-such-vault.invalid:8200" });
    await foundAndMended(practice, "VAULT_NAME_UNKNOWN", /no-such-vault/);
  });

  it("a port that nobody listens on", async () => {
    await fleetWith({ vault: { address: "https://127.0.0.1:1" } });
    assert.match((await errorOf("VAULT_UNREACHABLE")).what, /ECONNREFUSED/);
  });

  it("an address that fleet.yaml does not name", async () => {
    await patch(CONNECTION, {
      address: world.vault.address.replace("127.0.0.1", "localhost"),
      caCertSecretRef: "vault-ca",
    });
    await foundAndMended(practice, "VAULT_ADDRESS_NOT_ALLOWED", /localhost/);
  });

  it("a sealed Vault", async () => {
    await world.vault.seal();
    assert.match((await errorOf("VAULT_SEALED")).remedy?.text ?? "", /vault operator unseal/);
    await world.vault.unseal();
    await isHealthy();
  });

  it("a role that does not exist", async () => {
    await patch(AUTH, { kubernetes: { role: "nobodys" } });
    await foundAndMended(practice, "VAULT_LOGIN_REFUSED", /role nobodys/);
  });

  it("a role for another namespace, and one for another service account", async () => {
    const role = { ...ANY, audience: "vault", token_policies: [ROLE] };
    await world.vault.write(`auth/${mount}/role/other-namespace`, {
      ...role,
      bound_service_account_namespaces: ["a", "b"],
    });
    await patch(AUTH, { kubernetes: { role: "other-namespace" } });
    await foundAndMended(practice, "VAULT_LOGIN_REFUSED", /role other-namespace/);
    const mended = await world.vault.read(`auth/${mount}/role/other-namespace`);
    assert.deepEqual(mended?.data.bound_service_account_namespaces, ["a", "b", "shop"]);

    await world.vault.write(`auth/${mount}/role/other-account`, { ...role, bound_service_account_names: ["a"] });
    await patch(AUTH, { kubernetes: { role: "other-account" } });
    await foundAndMended(practice, "VAULT_LOGIN_REFUSED", /role other-account/);
  });

  it("a role with another audience", async () => {
    await world.vault.write(`auth/${mount}/role/other-audience`, {
      ...ANY,
      audience: "elsewhere",
      token_policies: [ROLE],
    });
    await patch(AUTH, { kubernetes: { role: "other-audience" } });
    await foundAndMended(practice, "VAULT_LOGIN_REFUSED", /role other-audience/);
  });

  it("a policy that lacks a path", async () => {
    await world.vault.write(`auth/${mount}/role/bare`, { ...ANY, audience: "vault", token_policies: ["default"] });
    await patch(AUTH, { kubernetes: { role: "bare" } });
    await foundAndMended(practice, "VAULT_RIGHT_MISSING", /role bare/);
    const mended = await world.vault.read(`auth/${mount}/role/bare`);
    assert.match(String(mended?.data.token_policies), /^default,keyferry-one-bare-|,default$/);
  });

  it("a credential that the policies do not let it ask for", async () => {
    const metadata = { name: "orders", namespace: "shop" };
    const spec = { mount: "database", path: "creds/orders", destination: { name: "orders", create: true } };
    await cluster.apply({ apiVersion: API, kind: "VaultDynamicSecret", metadata, spec });
    await world.vault.write(`auth/${mount}/role/issuing`, { ...ANY, audience: "vault", token_policies: [ROLE] });
    await patch(AUTH, { kubernetes: { role: "issuing" } });
    const { remedy } = await errorOf("VAULT_RIGHT_MISSING");
    assert.match(remedy?.text ?? "", /path "database\/creds\/orders" \{\n {2}capabilities = \["read"\]/);
    // Vault's policy default has the rest.
    assert.doesNotMatch(remedy?.text ?? "", /sys\/leases/);
    await foundAndMended(practice, "VAULT_RIGHT_MISSING", /role issuing/);
    await cluster.delete({ apiVersion: API, kind: "VaultDynamicSecret", ...metadata });
  });

  it("a login by another method, and a policy that lacks a path", async () => {
    await world.vault.writePolicy("team", 'path "kv/data/else" { capabilities = ["read"] }');
    const { roleId, secretId } = await world.vault.enableAppRole({ role: "team", policies: ["team"] });
    await cluster.apply([
      {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "approle", namespace: "shop" },
        stringData: { id: secretId },
      },
      {
        apiVersion: "secrets.hashicorp.com/v1beta1",
        kind: "VaultAuth",
        metadata: { name: "approle", namespace: "shop" },
        spec: {
          method: "appRole",
          mount: "approle",
          appRole: { roleId, secretRef: "approle" },
          vaultConnectionRef: `${OPERATOR_NAMESPACE}/default`,
        },
      },
    ]);
    await place.declare("second", { path: "database", vaultAuthRef: "approle" });
    await foundAndMended(practice, "VAULT_RIGHT_MISSING", /appRole at auth\/approle/);
    assert.match(await practice.shell("vault policy read team"), /kv\/data\/else/);
    const { output } = await practice.examine();
    assert.ok(!output.includes(secretId));
    await place.undeclare("second");
  });

  it("a login that is not mounted", async () => {
    await patch(AUTH, { mount: "kubernetes-new" });
    await foundAndMended(practice, "VAULT_MOUNT_MISSING", /auth\/kubernetes-new/);
  });

  it("what a tenant writes never becomes a command, or a grant of more than one path", async () => {
    await place.declare("second", { path: "a/*" });
    await patch(AUTH, { kubernetes: { role: "x'; touch /tmp/owned; '" } });
    const found = await errorOf("VAULT_LOGIN_REFUSED");
    assert.equal(found.remedy?.kind, "advice");
    await place.undeclare("second");
  });
}
