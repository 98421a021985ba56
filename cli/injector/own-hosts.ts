import { join } from "node:path";
import { type EpochMs, HOUR_MS } from "../../lib/clock.ts";
import { readOwn, writeOwn } from "./own-files.ts";

/** How long the certificate keeps a host that left fleet.yaml: registrations that people apply by hand still have it. */
const KEPT_MS = 90 * 24 * HOUR_MS;
/** A certificate must stay small. */
const MOST_FORMER = 20;

interface Hosts {
  readonly present: readonly string[];
  /** The last one that left comes first. */
  readonly former: readonly { readonly host: string; readonly until: EpochMs }[];
}

/**
 * The hosts for the certificate: those that fleet.yaml names, and after them those that it named lately. Remembers them
 * in the data directory.
 */
export function certifiedHosts(dataDir: string, present: readonly string[], now: EpochMs): readonly string[] {
  const path = join(dataDir, "injector-hosts.json");
  const known = readOwn(path, areHosts) ?? { present: [], former: [] };
  const left = known.present.map((host) => ({ host, until: now + KEPT_MS }));
  const isFormer = ({ host, until }: Hosts["former"][number]) => !present.includes(host) && until > now;
  const former = [...left, ...known.former].filter(isFormer).slice(0, MOST_FORMER);
  const next: Hosts = { present, former };
  if (JSON.stringify(next) !== JSON.stringify(known)) writeOwn(path, next);
  return [...present, ...former.map(({ host }) => host)];
}

function areHosts(value: unknown): value is Hosts {
  const { present, former } = (value ?? {}) as Partial<Record<keyof Hosts, unknown>>;
  return (
    Array.isArray(present) &&
    present.every((host) => typeof host === "string") &&
    Array.isArray(former) &&
    former.every((one) => typeof one?.host === "string" && Number.isFinite(one.until))
  );
}
