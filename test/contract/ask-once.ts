import { vaultClient } from "../../lib/vault/vault-client.ts";
import { forever, reachOf, readFrom, targetAt } from "../broken-peer.ts";

// Run as a process of its own, with a hostile environment: one read and one login at the address that it is given.
const client = vaultClient({ clock: Date.now, maxConnectionsPerVault: 4, reachOf });
const target = targetAt(process.argv[2] ?? "");
await readFrom(client, target);
await client.ask(
  target,
  { purpose: "login", method: "POST", repeatable: false, path: "auth/jwt/login", body: { jwt: "jwt-never-printed" } },
  forever,
);
await client.close();
