import { checkVaultPath } from "./vault-path.ts";

/** Paths in Vault that Secrets are pushed to, and the patterns of fleet.yaml that allow them. */

/** The longest path of an annotation, and the longest pattern, in characters. */
const MAX_PATH = 512;

/** Vault's own mounts: nothing is pushed there, whatever fleet.yaml allows. */
const NEVER: ReadonlySet<string> = new Set(["sys", "auth", "identity", "cubbyhole"]);

/** A whole segment of a pattern, its last one: any number of segments, at least one. */
const ANY_DEPTH = "**";

/** Each additional star multiplies the time of a comparison by the segment's length. `**` has two. */
const MAX_STARS = 2;

const PLACEHOLDERS = ["cluster", "namespace", "name"] as const;

/** The values of `{cluster}`, `{namespace}` and `{name}` in a pattern. */
export type PatternValues = Readonly<Record<(typeof PLACEHOLDERS)[number], string>>;

/** A path without slashes at its ends. */
export function trimmedPath(path: string): string {
  return path.replace(/^\//, "").replace(/\/$/, "");
}

/** What is wrong with a path that Secrets are to be pushed to; empty when it is valid. Never quotes it. */
export function pushPathProblems(path: string): readonly string[] {
  if (path.length > MAX_PATH) return [`must have at most ${MAX_PATH} characters`];
  const [first = ""] = trimmedPath(path).split("/");
  return [
    ...checkVaultPath(path),
    ...(path.includes("%") ? ["must not contain %: write the characters themselves"] : []),
    ...(/[\\\s]/u.test(path) ? ["must not contain backslashes or spaces"] : []),
    ...(NEVER.has(first.toLowerCase()) ? [`must not be below ${[...NEVER].join("/, ")}/`] : []),
  ];
}

/** What is wrong with a pattern of allowed paths; empty when it is valid. */
export function pushPatternProblems(pattern: string): readonly string[] {
  const problems = pushPathProblems(pattern.replace(/\{(cluster|namespace|name)\}/g, "x"));
  if (problems.length > 0) return problems;
  const segments = pattern.split("/");
  const [mount = ""] = segments;
  const inner = segments.slice(0, -1);
  return [
    ...(/^\/|\/$/.test(pattern) ? ["must not begin or end with a slash"] : []),
    ...(segments.length < 2 ? ["must have a mount and at least one segment below it"] : []),
    ...(mount.includes("*") ? ["must name its mount without *"] : []),
    ...(inner.includes(ANY_DEPTH) ? ["must have ** only as its last segment"] : []),
    ...(segments.some((segment) => segment.split("*").length - 1 > MAX_STARS)
      ? [`must have at most ${MAX_STARS} stars in a segment`]
      : []),
    ...(/[{}]/.test(pattern.replace(/\{(cluster|namespace|name)\}/g, ""))
      ? [`must have no braces but those of ${PLACEHOLDERS.map((name) => `{${name}}`).join(", ")}`]
      : []),
  ];
}

/**
 * Whether a pattern allows this path: segment by segment, where `*` stands for any characters of a segment, and `**` at
 * the end for everything below.
 */
export function allowsPath(pattern: string, values: PatternValues, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  const isDeep = wanted.at(-1) === ANY_DEPTH;
  const fixed = isDeep ? wanted.slice(0, -1) : wanted;
  if (isDeep ? given.length <= fixed.length : given.length !== fixed.length) return false;
  return fixed.every((segment, at) => matchesSegment(segment, values, given[at]));
}

/** A star never comes from a value: names of Kubernetes have none. */
function matchesSegment(segment: string, values: PatternValues, given = ""): boolean {
  const filled = segment.replace(/\{(cluster|namespace|name)\}/g, (_, name: keyof PatternValues) => values[name]);
  const [head = "", ...parts] = filled.split("*");
  const tail = parts.pop();
  if (tail === undefined) return filled === given;
  const end = given.length - tail.length;
  if (!given.startsWith(head) || !given.endsWith(tail) || end < head.length) return false;
  let at = head.length;
  return parts.every((part) => {
    const found = given.indexOf(part, at);
    at = found + part.length;
    return found >= 0 && at <= end;
  });
}
