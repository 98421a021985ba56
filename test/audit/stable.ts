/** What differs each time: each value becomes a number of its own, so that equal ones stay equal. */
const VARYING: readonly { readonly what: RegExp; readonly as: (count: number) => string }[] = [
  { what: /hmac-sha256:[0-9a-f]{64}/g, as: (count) => `hmac-sha256:${hex(count, 64)}` },
  {
    what: /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g,
    as: (count) => `00000000-0000-4000-8000-${hex(count, 12)}`,
  },
  { what: /(?<="client_id":")[^"]+(?=")/g, as: (count) => `client-${count}` },
  { what: /(?<="mount_accessor":")[a-z0-9_-]+_[0-9a-f]{8}(?=")/g, as: (count) => `mount_${hex(count, 8)}` },
  // Ids of namespaces, also at the end of a lease.
  {
    what: /(?<="(?:namespace":\{"id|namespace_id)":")(?!root")[0-9A-Za-z]+(?=")|(?<=\/[0-9A-Za-z]{24}\.)[0-9A-Za-z]+(?=")/g,
    as: (count) => `ns${hex(count, 4)}`,
  },
  // Leases.
  { what: /(?<=\/)[0-9A-Za-z]{24}(?=[".])/g, as: (count) => `lease${String(count).padStart(19, "0")}` },
];

/** Times and what is left of one: two of them may be equal in one recording and not in the next. */
const TIMES: readonly (readonly [RegExp, string])[] = [
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g, "2026-01-01T00:00:00Z"],
  [/(?<=":)1[78]\d{8}\b/g, "1767225600"],
  [/(?<="ttl":)\d+\b/g, "3600"],
  [/(?<="remote_port":)\d+\b/g, "1"],
];

export function stable(lines: readonly string[]): readonly string[] {
  const known = new Map<string, string>();
  const counts = VARYING.map(() => 0);
  const numbered = (value: string, at: number, as: (count: number) => string): string => {
    const before = known.get(value);
    if (before !== undefined) return before;
    const count = (counts[at] ?? 0) + 1;
    counts[at] = count;
    known.set(value, as(count));
    return as(count);
  };
  return lines
    .map((line) => TIMES.reduce((text, [what, fixed]) => text.replace(what, fixed), line))
    .map((line) =>
      VARYING.reduce((text, { what, as }, at) => text.replace(what, (value) => numbered(value, at, as)), line),
    );
}

const hex = (count: number, digits: number): string => count.toString(16).padStart(digits, "0");
