/** Paths here have no slashes at their ends; an empty one is the root. */

export function joined(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join("/");
}

/** By whole segments: `a/b` is below `a` and below the root, but `ab` is not below `a`. */
export function isBelow(path: string, above: string): boolean {
  return above === "" ? path !== "" : path.startsWith(`${above}/`);
}

/** The path without its last segment. */
export function parentOf(path: string): string {
  return path.split("/").slice(0, -1).join("/");
}
