import { startCluster, startVault } from "./index.ts";

await using started = new AsyncDisposableStack();
const [cluster, vault] = await Promise.all([startCluster({ name: "prod-eu" }), startVault({ flavor: "openbao" })]);
started.use(cluster);
started.use(vault);

await vault.enableKv("secret", 2);
await vault.putKv("secret", "app", { password: "correct horse" });
await vault.writePolicy("app", 'path "secret/data/app" { capabilities = ["read"] }');
await vault.enableKubernetesAuth(cluster);
await vault.write("auth/kubernetes/role/app", {
  bound_service_account_names: "default",
  bound_service_account_namespaces: "default",
  token_policies: "app",
});

const jwt = await cluster.tokenFor({ namespace: "default", name: "default" });
const login = await vault.write("auth/kubernetes/login", { role: "app", jwt }, { token: null });
const token = login.auth?.client_token ?? null;
const secret = await vault.read<{ data: { data: object } }>("secret/data/app", { token });
console.log(secret?.data.data, await vault.auditedReads());
