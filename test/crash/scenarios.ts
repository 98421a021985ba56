import { vsoIn } from "../e2e/support/vso.ts";
import { type VsoIssues, vsoIssues } from "../e2e/support/vso-issues.ts";
import type { ActName } from "./acts.ts";
import { PUSH_SCENARIOS, type PushScenario } from "./pushes.ts";
import { MOUNT, ROLE, type Stage } from "./world.ts";

export type Scenario = IssueScenario | PushScenario;

/** What happens to one sync, while something happens to the process that works on it. */
export interface IssueScenario {
  readonly name: string;
  readonly makes: Makes;
  /** Whether it was issued before. */
  readonly isIssued: boolean;
  /** What somebody does before the process comes. */
  readonly change?: (stage: Stage) => Promise<void>;
  readonly act: ActName;
  /** The credential that is there stays. */
  readonly keeps?: true;
  /** Whether the credential is to be in use afterwards. */
  readonly end: "in-use" | "ended";
}

/** A database login, a certificate without a lease, or one with a lease. */
export type Makes = "login" | "certificate" | "leased-certificate";

const API = "secrets.hashicorp.com/v1beta1";
const REFRESH = "keyferry.dev/refresh";

export const pkiMountOf = ({ place }: Pick<Stage, "place">): string => `pki-${place.name}`;

/** Where Vault lists the point's leases. */
export function leasesPrefix(stage: Stage, makes: Makes): string {
  return makes === "login" ? `database/creds/${stage.place.name}` : `${pkiMountOf(stage)}/issue/web`;
}

export const kindOf = (makes: Makes): string => (makes === "login" ? "VaultDynamicSecret" : "VaultPKISecret");

/** The resource that declares the point's sync. */
export function declarationOf(stage: Stage, makes: Makes, refresh = "1") {
  const { name } = stage.place;
  const annotations = { [REFRESH]: refresh, "keyferry.dev/revoke-replaced": "5s" };
  const spec =
    makes === "login"
      ? { mount: "database", path: `creds/${name}`, renewalPercent: 30, destination: { name: "made", create: true } }
      : {
          ...{ mount: pkiMountOf(stage), role: "web", commonName: "made.example.com", revoke: true },
          destination: { name: "made", create: true, type: "kubernetes.io/tls" },
        };
  return { apiVersion: API, kind: kindOf(makes), metadata: { name: "made", namespace: name, annotations }, spec };
}

/** Less than the request may take at Vault. */
const SLOW_S = 1.5;

/** The point's role of the database; `slow`: each login takes its time. */
export async function putLoginRole({ vault, place }: Stage, speed: "slow" | "fast"): Promise<void> {
  const slow = speed === "slow" ? { creationSeconds: SLOW_S } : {};
  await vault.putDatabaseRole(place.name, { defaultTtl: "1h", maxTtl: "24h", ...slow });
}

/** What the platform team set up, and what the team declared. */
export async function declare(stage: Stage, makes: Makes): Promise<void> {
  const { vault } = stage;
  if (makes === "login") await putLoginRole(stage, "fast");
  else {
    await vault.enablePki({ mount: pkiMountOf(stage) });
    const role = { ttl: "4h", generate_lease: makes === "leased-certificate" };
    await vault.putPkiRole("web", { mount: pkiMountOf(stage), ...role });
  }
  await stage.world.cluster.apply(declarationOf(stage, makes));
}

const refreshed = (makes: Makes) => async (stage: Stage) =>
  void (await stage.world.cluster.apply(declarationOf(stage, makes, "2")));

const undeclared = (makes: Makes) => (stage: Stage) => stage.world.cluster.delete(declarationOf(stage, makes));

const revokedElsewhere = async (stage: Stage): Promise<void> => {
  for (const id of await stage.vault.leases(leasesPrefix(stage, "login"))) await stage.vault.revokeLease(id);
};

/** Vault Secrets Operator had the namespace before, and left what it issued, with its stored token. */
const leftByVso =
  (leave: (vso: VsoIssues, declared: ReturnType<typeof declarationOf>) => Promise<unknown>, makes: Makes) =>
  async (stage: Stage): Promise<void> => {
    const { vault, world, place } = stage;
    const at = { namespace: place.name, operatorNamespace: place.name, mount: MOUNT, role: ROLE };
    const vso = await vsoIssues({ vault, cluster: world.cluster, ...at }, vsoIn(world.cluster, undefined, place.name));
    await vso.storeToken();
    await leave(vso, declarationOf(stage, makes));
  };

const look = { act: "look", end: "in-use" } as const;
const login = { makes: "login", isIssued: true } as const;

const certificates = (["certificate", "leased-certificate"] as const).flatMap((makes): IssueScenario[] => [
  { name: `${makes}-first-issue`, makes, isIssued: false, ...look },
  { name: `${makes}-re-issue`, makes, isIssued: true, change: refreshed(makes), ...look },
  { name: `${makes}-delete`, makes, isIssued: true, change: undeclared(makes), act: "look", end: "ended" },
]);

export const SCENARIOS: readonly Scenario[] = [
  { name: "first-issue", makes: "login", isIssued: false, ...look },
  { name: "re-issue", ...login, change: refreshed("login"), ...look },
  { name: "renew", ...login, act: "renew", end: "in-use" },
  { name: "revoked-elsewhere", ...login, change: revokedElsewhere, act: "renew", end: "in-use" },
  { name: "delete", ...login, change: undeclared("login"), act: "look", end: "ended" },
  { name: "leave-fleet", ...login, change: async (stage) => stage.leaveFleet(), act: "leave", end: "ended" },
  {
    ...{ name: "take-over", makes: "login", isIssued: false, keeps: true, ...look },
    change: leftByVso((vso, declared) => vso.leaveDynamic(declared), "login"),
  },
  {
    ...{ name: "certificate-take-over", makes: "certificate", isIssued: false, keeps: true, ...look },
    change: leftByVso((vso, declared) => vso.leaveCertificate(declared), "certificate"),
  },
  ...certificates,
  ...PUSH_SCENARIOS,
];
