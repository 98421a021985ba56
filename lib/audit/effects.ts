import type { Effect } from "./effect.ts";
import { afterLeaseId, afterLeasePrefix, afterTokens } from "./leases.ts";
import type { AuditLine, Change } from "./line.ts";
import { isBelow, joined } from "./paths.ts";

/**
 * What a change means for syncs. An operation that is not in the table has no effect. Renewals, our own among them, are
 * not in it.
 */
export function effectsOf(line: AuditLine): readonly Effect[] {
  const where = within(line);
  if (where === undefined) return [];
  for (const rule of TABLE) {
    if (rule.area !== where.area || !(rule.by?.includes(line.change) ?? true)) continue;
    const found = rule.path.exec(where.below);
    if (found !== null) return rule.means({ ...where, line, rest: found.groups?.P ?? "" });
  }
  return [];
}

/** `kv`, `database` and `pki` by the type of the mount, the others by the place that Vault reserves for them. */
type Area = "kv" | "database" | "pki" | "sys" | "auth" | "token" | "identity";

interface Where {
  readonly area: Area;
  /** Of the engine or the login, absolute. In other areas: the namespace. */
  readonly mount: string;
  /** The path in its area. */
  readonly below: string;
}

interface Changed extends Where {
  readonly line: AuditLine;
  /** `P` of the rule's path. */
  readonly rest: string;
}

interface Rule {
  readonly area: Area;
  /** Missing: by every change. */
  readonly by?: readonly Change[];
  /** Below the mount; in `sys` and `identity`: below these. */
  readonly path: RegExp;
  readonly means: (changed: Changed) => readonly Effect[];
}

/** `generic`: kv of Vaults before 0.10. */
const ENGINES: ReadonlyMap<string, Area> = new Map<string, Area>([
  ["kv", "kv"],
  ["generic", "kv"],
  ["database", "database"],
  ["pki", "pki"],
]);

/** Undefined: an engine, or a place, that no sync depends on. */
function within({ namespace, path, mount }: AuditLine): Where | undefined {
  for (const area of ["sys", "identity"] as const) {
    if (isBelow(path, area)) return { area, mount: namespace, below: path.slice(area.length + 1) };
  }
  if (mount === undefined) return undefined;
  const { path: at, type, below } = mount;
  if (isBelow(path, "auth"))
    return { area: at === joined(namespace, "auth/token") ? "token" : "auth", mount: at, below };
  const area = ENGINES.get(type);
  return area && { area, mount: at, below };
}

const nothing = (): readonly Effect[] => [];
const everywhere = (): readonly Effect[] => [{ kind: "sweep" }];
const anyLease = (): readonly Effect[] => [{ kind: "sweep", lease: true }];
const allTokens = (): readonly Effect[] => [{ kind: "tokens" }];
const itsTokens = ({ mount }: Changed): readonly Effect[] => [{ kind: "tokens", mount }];
const wholeMount = ({ mount }: Changed): readonly Effect[] => [{ kind: "prefix", prefix: mount }];

/** A path of kv-v1: all that is below the mount. No line tells the version of an engine. */
const asV1 = ({ mount, below }: Changed): Effect => ({ kind: "path", path: joined(mount, below) });
const asV2 = ({ mount, rest }: Changed): Effect => ({ kind: "path", path: joined(mount, rest) });

/** A version in the answer is one of kv-v2: kv-v1 answers a write with nothing. */
function written(changed: Changed): readonly Effect[] {
  const { version } = changed.line;
  const path = joined(changed.mount, changed.rest);
  return version === undefined ? eitherVersion(changed) : [{ kind: "path", path, version }];
}

const eitherVersion = (changed: Changed): readonly Effect[] => [asV2(changed), asV1(changed)];

/** The secret goes with its versions, so that the next one is version 1 again. */
const gone = (changed: Changed): readonly Effect[] => [
  { kind: "path", path: joined(changed.mount, changed.rest), forget: true },
  asV1(changed),
];

const at =
  (folder: string) =>
  ({ mount, rest }: Changed): readonly Effect[] => [{ kind: "path", path: joined(mount, folder, rest) }];

/** Certificates of a role are asked for at `issue/<role>`, and at `issuer/<issuer>/issue/<role>`. */
const ofPkiRole = ({ mount, rest }: Changed): readonly Effect[] => [
  { kind: "path", path: joined(mount, "issue", rest) },
  { kind: "prefix", prefix: joined(mount, "issuer"), endsWith: joined("issue", rest) },
];

const engineAt = ({ mount, rest }: Changed): readonly Effect[] => [{ kind: "prefix", prefix: joined(mount, rest) }];
const engineGone = ({ mount, rest }: Changed): readonly Effect[] => [
  { kind: "prefix", prefix: joined(mount, rest), lease: true },
];
const loginAt = ({ mount, rest }: Changed): readonly Effect[] => [
  { kind: "tokens", mount: joined(mount, "auth", rest) },
];
const loginGone = ({ mount, rest }: Changed): readonly Effect[] => afterTokens(joined(mount, "auth", rest));

/** The first rule of an area whose path and operation match. */
const TABLE: readonly Rule[] = [
  { area: "kv", path: /^config$/, means: wholeMount },
  { area: "kv", path: /^data\/(?<P>.+)$/s, means: written },
  { area: "kv", path: /^metadata\/(?<P>.+)$/s, by: ["delete"], means: gone },
  { area: "kv", path: /^(?:delete|undelete|destroy|metadata)\/(?<P>.+)$/s, means: eitherVersion },
  { area: "kv", path: /^./s, means: (changed) => [asV1(changed)] },

  { area: "database", path: /^roles\/(?<P>.+)$/s, means: at("creds") },
  { area: "database", path: /^(?:static-roles|rotate-role)\/(?<P>.+)$/s, means: at("static-creds") },
  { area: "database", path: /^(?:config|rotate-root)\/./s, means: wholeMount },

  { area: "pki", path: /^roles\/(?<P>.+)$/s, means: ofPkiRole },
  { area: "pki", path: /^issuer\/[^/]+(?:\/revoke)?$/, means: wholeMount },
  { area: "pki", path: /^issuers\/(?:generate|import)\/./s, means: wholeMount },
  { area: "pki", path: /^config\/./s, means: wholeMount },
  { area: "pki", path: /^revoke(?:-with-key)?$/, means: wholeMount },
  { area: "pki", path: /^root(?:\/replace|\/(?:generate|rotate)\/[^/]+)?$/, means: wholeMount },
  { area: "pki", path: /^intermediate\/./s, means: wholeMount },

  { area: "sys", path: /^(?:mounts\/)?auth\/(?<P>.+?)(?:\/tune)?$/s, by: ["delete"], means: loginGone },
  { area: "sys", path: /^(?:mounts\/)?auth\/(?<P>.+?)(?:\/tune)?$/s, means: loginAt },
  { area: "sys", path: /^mounts\/(?<P>.+?)\/tune$/s, means: engineAt },
  { area: "sys", path: /^mounts\/(?<P>.+)$/s, by: ["delete"], means: engineGone },
  { area: "sys", path: /^mounts\/(?<P>.+)$/s, means: engineAt },
  { area: "sys", path: /^(?:leases\/)?revoke\/(?<P>.+)$/s, means: ({ line, rest }) => afterLeaseId(line, rest) },
  {
    area: "sys",
    path: /^(?:leases\/)?revoke-(?:prefix|force)\/(?<P>.+)$/s,
    means: ({ line, rest }) => afterLeasePrefix(line, rest),
  },
  { area: "sys", path: /^(?:leases\/)?revoke$/, means: anyLease },
  { area: "sys", path: /^remount$/, means: everywhere },
  { area: "sys", path: /^namespaces\/./s, by: ["delete"], means: everywhere },
  { area: "sys", path: /^(?:policy|policies\/(?:detailed\/)?(?:acl|rgp|egp))\/./s, means: allTokens },

  { area: "auth", path: /^(?:login(?:\/.*)?|oidc\/(?:auth_url|callback|poll))$/s, means: nothing },
  { area: "auth", path: /^/, means: itsTokens },
  { area: "token", path: /^revoke(?:-accessor|-orphan)?$/, means: () => afterTokens() },

  { area: "identity", path: /^(?:lookup|oidc)\//, means: nothing },
  { area: "identity", path: /^/, means: allTokens },
];
