// Asks a Vault through a proxy whether it is unsealed, and prints that or the error: with the CAs of its own environment.
import { readFileSync } from "node:fs";
import type { CredentialSource } from "../../../lib/ports/credentials.ts";
import { vaultApi } from "../../../lib/vault/vault-api.ts";
import { quiet } from "../vault-world.ts";

const [address = "", proxy = "", caFile = ""] = process.argv.slice(2);
const reachOf = () => ({ named: [address], onlyNamed: false, proxies: new Map([[address, proxy]]) });
const api = vaultApi({ clock: Date.now, credentials: {} as CredentialSource, log: quiet, reachOf });
const caPem = readFileSync(caFile, "utf8");
const target = { address, headers: {}, caPem, skipTlsVerify: false, timeoutMs: 5_000 };
const answer = await api
  .probe(target, AbortSignal.timeout(20_000))
  .catch(({ code, message }: { code?: string; message: string }) => `${code} ${message}`);
console.log(answer);
await api.close();
