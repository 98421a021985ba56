import { X509Certificate } from "node:crypto";
import type { Row } from "../../lib/ports/rows.ts";
import { waitFor } from "../harness/index.ts";
import { live } from "./life.ts";
import { type IssueScenario, leasesPrefix, type Makes, pkiMountOf } from "./scenarios.ts";
import type { Verdict } from "./verdict.ts";
import type { Stage } from "./world.ts";

/** Vault revokes in the background. */
const REVOKED_WITHIN_MS = 60_000;

/** The Secret's credential, by what tells it from any other. */
export async function credentialOf({ place, world }: Stage): Promise<string | undefined> {
  const secret = await world.cluster.get({
    ...{ apiVersion: "v1", kind: "Secret" },
    ...{ namespace: place.name, name: "made" },
  });
  const data = secret?.data?.password ?? secret?.data?.["tls.crt"];
  return data === undefined ? undefined : textOf(data);
}

const textOf = (base64: string): string => Buffer.from(base64, "base64").toString("utf8");

/** `history`: the Secret's credential before the process came, when it was gone, and so on. */
export async function judge(
  stage: Stage,
  scenario: IssueScenario,
  history: readonly (string | undefined)[],
): Promise<Verdict> {
  const wanted = scenario.end === "in-use" ? 1 : 0;
  const rows = await rowsOf(stage);
  const issues = rows.flatMap(({ state }) => state.issues ?? []);
  const leases = await leasesOf(stage, scenario.makes, scenario.makes === "certificate" ? 0 : wanted);
  const certificates = scenario.makes === "certificate" ? await validCertificates(stage) : [];
  const current = await credentialOf(stage);
  const inUse = current !== undefined && scenario.makes !== "login" ? serialOf(current) : undefined;
  const spare = certificates.filter((serial) => wanted === 0 || serial !== inUse).length;
  const failures = [
    ...rowFailures(rows, wanted),
    ...(wanted === 1 ? await useFailures(stage, scenario.makes, { leases, certificates, inUse }) : []),
    ...(wanted === 1 && leases.length === 1 && issues[0]?.vaultLease?.id !== leases[0]
      ? ["the row has another lease than Vault"]
      : []),
    ...(scenario.makes !== "certificate" && leases.length < wanted ? ["Vault has no lease"] : []),
    ...(scenario.keeps && new Set(history).size > 1 ? ["the credential that was there is replaced"] : []),
    ...(spare > 1 ? [`${spare} spare certificates`] : []),
  ];
  const leaked = scenario.makes === "certificate" ? leases.length : Math.max(0, leases.length - wanted);
  return { leaked, doubled: wanted === 0 ? 0 : doubledIn(history), spare, failures };
}

async function rowsOf({ place }: Stage): Promise<readonly Row[]> {
  await using life = await live(place);
  return await life.rows();
}

function rowFailures(rows: readonly Row[], wanted: number): readonly string[] {
  const text = rows.map(({ key, state }) => `${key}: ${(state.issues ?? []).map((issue) => issue.state)}`).join("; ");
  if (rows.length !== wanted) return [`${rows.length} rows: ${text}`];
  const isSo = rows.every(({ state: { issues = [] } }) => issues.length === 1 && issues[0]?.state === "live");
  return isSo ? [] : [`the row's issues: ${text}`];
}

async function leasesOf(stage: Stage, makes: Makes, wanted: number): Promise<readonly string[]> {
  const look = () => stage.vault.leases(leasesPrefix(stage, makes));
  const settled = waitFor("revocations", async () => (await look()).length <= wanted, REVOKED_WITHIN_MS);
  await settled.catch(() => undefined);
  return look();
}

interface Found {
  readonly leases: readonly string[];
  readonly certificates: readonly string[];
  readonly inUse: string | undefined;
}

async function useFailures(stage: Stage, makes: Makes, { certificates, inUse }: Found): Promise<readonly string[]> {
  if (makes === "certificate") {
    return inUse !== undefined && certificates.includes(inUse) ? [] : ["the Secret's certificate is not valid"];
  }
  if (makes === "leased-certificate") return inUse === undefined ? ["the Secret has no certificate"] : [];
  const { cluster, postgres } = stage.world;
  const ref = { apiVersion: "v1", kind: "Secret", namespace: stage.place.name, name: "made" };
  const { username = "", password = "" } = (await cluster.get(ref))?.data ?? {};
  if (username === "") return ["there is no Secret"];
  return (await postgres.login(textOf(username), textOf(password))) ? [] : ["the Secret's login is refused"];
}

const serialOf = (pem: string): string => new X509Certificate(pem).serialNumber.toLowerCase();

/** The serial numbers of all that were issued and not revoked. */
async function validCertificates(stage: Stage): Promise<readonly string[]> {
  const mount = pkiMountOf(stage);
  const { body } = await stage.vault.request<{ data?: { keys?: readonly string[] } }>("LIST", `${mount}/certs`);
  const valid = (body.data?.keys ?? []).map(async (serial) => {
    const read = await stage.vault.read(`${mount}/cert/${serial}`);
    const { ca } = new X509Certificate(String(read?.data.certificate));
    return ca || Number(read?.data.revocation_time ?? 0) > 0 ? [] : [serial.replaceAll(/[:-]/g, "").toLowerCase()];
  });
  return (await Promise.all(valid)).flat();
}

/** One wish is one change. */
function doubledIn(history: readonly (string | undefined)[]): number {
  const changes = history.filter((now, at) => at > 0 && now !== history[at - 1]);
  return Math.max(0, changes.length - 1);
}
