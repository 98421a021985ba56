interface Rule {
  readonly path: string;
  readonly capabilities: readonly string[];
  /** Names of the only members that a body may have. */
  readonly parameters?: readonly string[];
}

const RULE =
  /path\s+"([^"]+)"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]\s*(?:allowed_parameters\s*=\s*\{([^}]*)\}\s*)?\}/g;

/** The rules of a policy as people write it. */
export function rulesOf(policy: string): readonly Rule[] {
  return [...policy.matchAll(RULE)].map(([, path = "", capabilities = "", parameters]) => ({
    path,
    capabilities: capabilities.split(",").map((name) => name.trim().replaceAll('"', "")),
    ...(parameters !== undefined && {
      parameters: [...parameters.matchAll(/"([^"]+)"\s*=/g)].map(([, name = ""]) => name),
    }),
  }));
}

const CAPABILITY: Readonly<Record<string, string>> = {
  ...{ GET: "read", POST: "update", PATCH: "patch", DELETE: "delete", LIST: "list" },
};

/** The most specific rule of all policies decides; a denial among equals wins. */
export function allows(rules: readonly Rule[], method: string, path: string, members: readonly string[]): boolean {
  const of = rules.filter(
    ({ parameters }) => parameters === undefined || members.every((one) => parameters.includes(one)),
  );
  return capabilitiesOf(of, path).includes(CAPABILITY[method] ?? "");
}

/** What sys/capabilities-self says of a path. */
export function capabilitiesOf(rules: readonly Rule[], path: string): readonly string[] {
  const matching = rules.filter((rule) => isFor(rule, path));
  const longest = Math.max(0, ...matching.map((rule) => rule.path.length));
  const deciding = matching.filter((rule) => rule.path.length === longest).flatMap(({ capabilities }) => capabilities);
  return deciding.length === 0 || deciding.includes("deny") ? ["deny"] : [...new Set(deciding)];
}

/** A star at the end stands for any rest, a plus for one segment. */
function isFor(rule: Rule, path: string): boolean {
  const isPrefix = rule.path.endsWith("*");
  const wanted = (isPrefix ? rule.path.slice(0, -1) : rule.path).split("/");
  const found = path.split("/");
  if (!isPrefix && found.length !== wanted.length) return false;
  return wanted.every((segment, at) => {
    const isLast = isPrefix && at === wanted.length - 1;
    return isLast ? (found[at]?.startsWith(segment) ?? false) : segment === "+" || segment === found[at];
  });
}

/** What every token may do unless its role leaves it out. */
export const DEFAULT_POLICY = `
  path "auth/token/lookup-self" { capabilities = ["read"] }
  path "auth/token/renew-self" { capabilities = ["update"] }
  path "auth/token/revoke-self" { capabilities = ["update"] }
  path "sys/capabilities-self" { capabilities = ["update"] }
  path "sys/leases/renew" { capabilities = ["update"] }
  path "sys/leases/lookup" { capabilities = ["update"] }`;
