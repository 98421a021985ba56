import { SyncError } from "../../errors.ts";
import type { VaultIdentity, VaultTarget } from "../../ports/vault.ts";
import { parallel } from "../../util/parallel.ts";
import { kubectl, shellWord } from "../../util/shell.ts";
import { nameVault } from "../cluster/references.ts";
import { skewFindings } from "../cluster/versions.ts";
import type { Check, Surveyed } from "../context.ts";
import { type Finding, finding, type Remedy } from "../finding.ts";
import { advice, commands, fleetChange, manifest } from "../remedies.ts";
import { serverEnds } from "../server-ends.ts";
import { lookAtServer } from "../server-look.ts";
import { type LoginGroup, loginsOf } from "./login-group.ts";
import { loginFindings } from "./logins.ts";

/** Each Vault that the declarations lead to, as its VaultConnection reaches it, and then each login there. */
export const vaults: Check<Surveyed> = {
  subject: "Vaults and logins",
  async find(surveyed) {
    const logins = loginsOf(surveyed.work.syncs);
    const byTarget = Map.groupBy(logins, ({ identity }) => connectionOf(identity.target));
    const found = await parallel([...byTarget.values()], (group) => examineVault(surveyed, group));
    return found.flat();
  },
};

function connectionOf({ address, connection = "" }: VaultTarget): string {
  return `${address} ${connection}`;
}

async function examineVault(surveyed: Surveyed, logins: readonly LoginGroup[]): Promise<readonly Finding[]> {
  const [first] = logins as readonly [LoginGroup];
  const target = await trusting(surveyed, first.identity.target);
  if ("code" in target) return [target];
  const { version, findings } = await healthOf(surveyed, target);
  const found = [...(await lookAtVault(surveyed, target)), ...findings];
  if (found.some(({ severity }) => severity === "error")) return oneOf(found);
  const rights = await parallel(logins, (login) =>
    loginFindings(
      surveyed,
      login,
      { ...login.identity, target: { ...login.identity.target, ...trustOf(target) } },
      isEnterprise(version),
    ),
  );
  return [...found, ...rights.flat()];
}

/** Such as `1.21.2+ent.hsm`. Only these have events. */
function isEnterprise(version: string | undefined): boolean {
  return version !== undefined && /\+ent/.test(version);
}

/** The request after a failed connection finds the same once more. */
function oneOf(found: readonly Finding[]): readonly Finding[] {
  const first = found.find(({ severity }) => severity === "error");
  return found.filter((one) => one.severity !== "error" || one === first);
}

function trustOf({ caPem }: VaultTarget): Pick<VaultTarget, "caPem"> {
  return caPem === undefined ? {} : { caPem };
}

function about(surveyed: Surveyed, { address, connection }: VaultTarget) {
  const where = connection === undefined ? address : `VaultConnection ${connection} (${address})`;
  return { cluster: surveyed.settings.name, where };
}

/** With the CA that its VaultConnection or fleet.yaml names. */
async function trusting(surveyed: Surveyed, target: VaultIdentity["target"]): Promise<VaultTarget | Finding> {
  const { deps, signal } = surveyed;
  try {
    return await deps.ca.resolve(target, signal);
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    const { caRef } = target;
    const what = error.message;
    if (caRef === undefined) {
      const remedy = advice("Correct caFile of that Vault in fleet.yaml.");
      return finding("REFERENCE_INVALID", { ...about(surveyed, target), what, remedy });
    }
    const pem = await fleetCa(surveyed, target);
    const { name, namespace } = caRef;
    const remedy =
      pem === undefined
        ? commands(
            [
              kubectl(
                deps.context,
                `create secret generic ${shellWord(name)} -n ${namespace} --from-file=ca.crt=./vault-ca.pem`,
              ),
            ],
            ["vault-ca.pem: the CA of this Vault, as PEM, which you have from its operators."],
          )
        : manifest(
            [{ apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, stringData: { "ca.crt": pem } }],
            ["The caFile of this Vault in fleet.yaml."],
          );
    const where = `Secret ${namespace}/${name}`;
    return finding("CREDENTIAL_MISSING", { cluster: surveyed.settings.name, where, what, remedy });
  }
}

async function fleetCa({ deps, signal }: Surveyed, { address }: VaultTarget): Promise<string | undefined> {
  const vault = deps.vaults.find(({ addresses, caFile }) => caFile !== undefined && addresses.includes(address));
  if (vault === undefined) return undefined;
  const plain = { address, headers: {}, skipTlsVerify: false, timeoutMs: deps.timeoutMs, caOf: vault.name };
  return (await deps.ca.resolve(plain, signal).catch(() => undefined))?.caPem;
}

async function lookAtVault(surveyed: Surveyed, target: VaultTarget): Promise<readonly Finding[]> {
  const { deps, signal } = surveyed;
  const place = about(surveyed, target);
  const url = URL.parse(target.address);
  // A connection by a proxy shows nothing of the server; the request that follows does.
  if (url === null || hasProxy(surveyed, target)) return [];
  try {
    const lookup = deps.examiner.lookupFor(target);
    const timed = AbortSignal.any([signal, AbortSignal.timeout(deps.timeoutMs)]);
    const look = await lookAtServer({ url, ca: target.caPem, serverName: target.tlsServerName, lookup }, timed);
    const verified = target.skipTlsVerify || url.protocol === "http:" ? [notVerified(place, url)] : [];
    const { failure } = look;
    if (failure === undefined || (failure.stage === "tls" && target.skipTlsVerify)) {
      return [...verified, ...serverEnds(look, place, deps.clock())];
    }
    if (failure.stage === "name") return [nameUnknown(surveyed, target, url, failure.code)];
    if (failure.stage === "connection") return [unreachable(place, failure.code)];
    // The guard's own error has no code.
    if (failure.code === "unknown") return [];
    return [tlsRefused(surveyed, target, failure.code, look.certificates[0]?.names ?? [])];
  } catch (error) {
    if (error instanceof SyncError && error.code === "VAULT_ADDRESS_NOT_ALLOWED")
      return [notAllowed(place, target, error)];
    throw error;
  }
}

function hasProxy({ deps }: Surveyed, { address }: VaultTarget): boolean {
  return deps.vaults.some(({ proxy, addresses }) => proxy !== undefined && addresses.includes(address));
}

type Place = ReturnType<typeof about>;

function notAllowed(place: Place, { address }: VaultTarget, error: SyncError): Finding {
  return finding("VAULT_ADDRESS_NOT_ALLOWED", { ...place, what: error.message, remedy: nameVault(address) });
}

function notVerified(place: Place, url: URL): Finding {
  const isPlain = url.protocol === "http:";
  return finding("VAULT_NOT_VERIFIED", {
    ...place,
    what: isPlain ? "its address is http" : "skipTLSVerify accepts any certificate",
    remedy: advice(
      "Give the VaultConnection a caCertSecretRef, or the Vault a caFile in fleet.yaml, and remove skipTLSVerify.",
    ),
  });
}

function unreachable(place: Place, code: string): Finding {
  return finding("VAULT_UNREACHABLE", {
    ...place,
    what: `no connection (${code})`,
    remedy: advice("Start Vault, or correct the address, the route or the firewall between this machine and Vault."),
  });
}

/** Changes the VaultConnection; where fleet.yaml names the Vault without one, a person has to. */
function patchConnection({ deps }: Surveyed, { connection }: VaultTarget, spec: object, reason: string): Remedy {
  if (connection === undefined) return advice(`Set for this Vault in fleet.yaml: ${JSON.stringify(spec)}`);
  const [namespace = "", name = ""] = connection.split("/");
  const patch = shellWord(JSON.stringify({ spec }));
  return commands(
    [kubectl(deps.context, `patch vaultconnection ${shellWord(name)} -n ${namespace} --type=merge -p ${patch}`)],
    [reason],
  );
}

/** fleet.yaml may know another address of the Vault. */
function nameUnknown(surveyed: Surveyed, target: VaultTarget, url: URL, code: string): Finding {
  const { settings, deps } = surveyed;
  const other = deps.vaults.flatMap(({ addresses }) => addresses).find((address) => address !== target.address);
  const isOverride = settings.vault?.address !== undefined;
  const remedy =
    other === undefined
      ? advice(`Correct the address, or the DNS of this machine: getent hosts ${url.hostname}`)
      : isOverride
        ? fleetChange({ clusters: [{ name: settings.name, vault: { address: other } }] })
        : patchConnection(
            surveyed,
            target,
            { address: other },
            "An address in fleet.yaml: check that it is this Vault's.",
          );
  const what = `${url.hostname} can't be resolved (${code})`;
  return finding("VAULT_NAME_UNKNOWN", { ...about(surveyed, target), what, remedy });
}

function tlsRefused(surveyed: Surveyed, target: VaultTarget, code: string, names: readonly string[]): Finding {
  const [name] = names;
  const isName = code === "ERR_TLS_CERT_ALTNAME_INVALID" && name !== undefined;
  const remedy = isName
    ? patchConnection(
        surveyed,
        target,
        { tlsServerName: name },
        "A name in the certificate: check that it is this Vault's.",
      )
    : advice(
        "Put the CA of this Vault under ca.crt into the Secret of caCertSecretRef, or as caFile of the Vault into fleet.yaml. " +
          `Look at its chain: openssl s_client -connect ${URL.parse(target.address)?.host ?? ""} -showcerts`,
      );
  const what = `its certificate is refused (${code}); it is for ${names.join(", ")}`;
  return finding("VAULT_TLS_REFUSED", { ...about(surveyed, target), what, remedy });
}

async function healthOf(
  surveyed: Surveyed,
  target: VaultTarget,
): Promise<{ readonly version?: string; readonly findings: readonly Finding[] }> {
  const { deps, signal } = surveyed;
  const place = about(surveyed, target);
  try {
    const sentAt = deps.clock();
    const { version, isSealed, isInitialized, time } = await deps.examiner.health(target, signal);
    const skewMs = time === undefined ? undefined : time + 500 - (sentAt + deps.clock()) / 2;
    const told = finding("VERSIONS", { ...place, what: `Vault or OpenBao ${version}` });
    const sealed = isSealed || !isInitialized ? [sealedVault(place, target, isInitialized)] : [];
    return { version, findings: [...sealed, ...skewFindings(place, skewMs), told] };
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return { findings: [unhealthy(place, target, error)] };
  }
}

function sealedVault(place: Place, { address }: VaultTarget, isInitialized: boolean): Finding {
  const command = isInitialized ? "unseal" : "init";
  return finding("VAULT_SEALED", {
    ...place,
    what: isInitialized ? "it is sealed" : "it is not initialised",
    remedy: commands([`VAULT_ADDR=${shellWord(address)} vault operator ${command}`], ["Asks for the keys of Vault."]),
  });
}

function unhealthy(place: Place, target: VaultTarget, error: SyncError): Finding {
  const what = error.message;
  switch (error.code) {
    case "VAULT_ADDRESS_NOT_ALLOWED":
      return notAllowed(place, target, error);
    case "VAULT_TLS_REFUSED":
      return finding("VAULT_TLS_REFUSED", { ...place, what, remedy: advice("Correct the CA of the VaultConnection.") });
    case "VAULT_UNAVAILABLE":
    case "VAULT_NO_ANSWER":
    case "DEADLINE_EXCEEDED":
      return unreachable(place, what);
    default:
      return finding("VAULT_ANSWER_INVALID", {
        ...place,
        what,
        remedy: advice("Correct the address of the VaultConnection."),
      });
  }
}
