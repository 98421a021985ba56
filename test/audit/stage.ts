import type { Postgres, Vault } from "../harness/index.ts";

export const CERTIFICATE = { common_name: "app.example.com" };
export const NS = { namespace: "ns1" };
const LEASED = { generate_lease: true, allow_any_name: true, ttl: "1h" };

/** Everything that the kinds find there. */
export async function prepare(vault: Vault, postgres: Postgres): Promise<void> {
  for (const mount of ["kv", "team/kv", "old"]) await vault.enableKv(mount, 2);
  await vault.enableKv("kv1", 1);
  for (const path of ["app", "gone", "cas"]) await vault.putKv("kv", path, { password: "first" });
  await vault.putKv("kv1", "gone", { password: "first" });
  await vault.enableDatabase(postgres);
  await vault.putDatabaseRole("app");
  await vault.putDatabaseRole("gone");
  await vault.putStaticRole(postgres, "fixed", { rotationPeriod: "24h" });
  await postgres.query("CREATE ROLE rotated WITH LOGIN SUPERUSER PASSWORD 'first'");
  const { host, port, database } = postgres;
  await vault.write("database/config/rotated", {
    plugin_name: "postgresql-database-plugin",
    connection_url: `postgresql://{{username}}:{{password}}@${host}:${port}/${database}?sslmode=disable`,
    username: "rotated",
    password: "first",
  });
  await vault.enablePki();
  await vault.putPkiRole("web");
  await vault.putPkiRole("gone");
  await vault.putPkiRole("leased", LEASED);
  await vault.enablePki({ mount: "pki-old" });
  await vault.enableAppRole({ mount: "logins/app", role: "app", policies: ["default"] });
  await vault.write("sys/mounts/transit", { type: "transit" });
  await vault.write("transit/keys/app");
  if (vault.flavor === "openbao") await prepareNamespaces(vault);
}

async function prepareNamespaces(vault: Vault): Promise<void> {
  for (const name of ["ns1", "gone"]) await vault.write(`sys/namespaces/${name}`);
  await vault.write("sys/namespaces/inner", {}, NS);
  for (const namespace of ["ns1", "ns1/inner"]) {
    await vault.write("sys/mounts/kv", { type: "kv", options: { version: "2" } }, { namespace });
  }
  await vault.write("sys/mounts/pki", { type: "pki" }, NS);
  await vault.write("pki/root/generate/internal", { ...CERTIFICATE, key_type: "ec" }, NS);
  await vault.write("pki/roles/leased", { ...LEASED, key_type: "ec" }, NS);
  await vault.write("sys/auth/approle", { type: "approle" }, NS);
}
