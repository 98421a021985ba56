import { fingerprint } from "../../digest.ts";
import { isDnsLabel } from "../../names.ts";

const HASH = 8;
const MAX_LABEL = 63;

/** The cluster's name: what the object calls it, or a label made of that, with a hash that keeps it apart. */
export function clusterName(text: string): string {
  if (isDnsLabel(text)) return text;
  const label = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, MAX_LABEL - HASH - 1)
    .replace(/^-+|-+$/g, "");
  return `${label === "" ? "cluster" : label}-${fingerprint(text).slice(0, HASH)}`;
}
