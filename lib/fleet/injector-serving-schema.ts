import { z } from "zod";
import { KEY_HASH_PATTERN, MAX_KEYS } from "../injector-keys.ts";
import type { Complaint } from "../util/complaints.ts";
import { valueAt } from "../util/complaints.ts";
import { path, problemCheck } from "./checks.ts";

/** How keyferry serves the admission webhook: a part of `injector` in fleet.yaml. */

/** API servers accept nothing else in a webhook's URL. */
const webhookUrl = problemCheck((text) => {
  const url = URL.parse(text);
  if (url === null || url.protocol !== "https:") return ["must be a URL that begins with https://"];
  if (url.username !== "" || url.password !== "" || /[?#]/.test(text)) {
    return ["must have no user, password, query or fragment"];
  }
  return url.pathname === "/" ? [] : ["must have no path: keyferry adds /c/CLUSTER/KEY/mutate"];
});

const url = z
  .string()
  .check(webhookUrl)
  .exactOptional()
  .describe(
    "Where API servers reach the webhook: the function URL on AWS, or the listener of keyferry run, such as https://keyferry.example.com:8443.",
  );

const manage = z
  .boolean()
  .exactOptional()
  .describe(
    "true: keyferry registers the webhook in the cluster, and keeps its URL, key and CA up to date; with a function URL it needs managedKeyFile. Not set: apply what keyferry injector manifests prints.",
  );

/** Not among the files that a push uploads: only keyferry run uses them. */
function localFile(description: string) {
  return z.string().min(1).exactOptional().describe(`${description} Relative to the folder of this file.`);
}

/** Fields of `injector` for the whole fleet. */
export const injectorServing = {
  url,
  listen: z
    .string()
    .regex(/^.*:\d{1,5}$/, "must be host:port, such as 0.0.0.0:8443")
    .exactOptional()
    .describe("Address of the HTTPS listener of keyferry run, such as 0.0.0.0:8443. Not set: none."),
  certFile: localFile(
    "Certificate of the listener with its chain, as PEM; read again when it changes. Not set: keyferry has a CA of its own.",
  ),
  keyFile: localFile("Private key of certFile, as PEM."),
  caFile: path(
    "CA certificates of certFile, or of what stands before the webhook, as PEM, for the registrations. Not set: keyferry's own CA, or with certFile the roots that API servers trust anyway.",
  ).exactOptional(),
  manage,
} as const;

/** Fields of `injector` for one cluster. */
export const injectorServingOfCluster = {
  url,
  keys: z
    .array(z.string().regex(KEY_HASH_PATTERN, "must be sha256: and 64 hex digits, as keyferry injector key prints"))
    .max(MAX_KEYS)
    .exactOptional()
    .describe("Hashes of the keys in the path of the webhook: one, or two while a key is replaced."),
  managedKeyFile: path(
    "File with the key that the registration gets by manage on AWS, as keyferry injector key prints it; its hash is among keys.",
  ).exactOptional(),
  manage,
} as const;

/** How the webhook is served, as fleet.yaml says it. */
export interface InjectorServing {
  readonly url?: string;
  readonly listen?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly caFile?: string;
  readonly manage?: boolean;
}

/** The same for one cluster. */
export interface InjectorServingOfCluster {
  readonly url?: string;
  readonly keys?: readonly string[];
  readonly managedKeyFile?: string;
  readonly manage?: boolean;
}

/** Complaints that concern several of these fields. */
export function injectorServingComplaints(input: unknown): readonly Complaint[] {
  const at = (field: string): unknown => valueAt(input, ["injector", field]);
  const has = (field: string): boolean => at(field) !== undefined;
  const without = (field: string, other: string): readonly Complaint[] =>
    has(field) && !has(other) ? [{ path: ["injector", field], message: `needs ${other} beside it` }] : [];
  return [
    ...without("certFile", "keyFile"),
    ...without("keyFile", "certFile"),
    ...managedOnAws(input),
    ...keyFileWithoutKeys(input),
    ...sharedKeys(input),
  ];
}

/** Whoever has the key of one cluster would learn the settings of the other. */
function sharedKeys(input: unknown): readonly Complaint[] {
  const clusters = valueAt(input, ["clusters"]);
  const owners = new Map<unknown, number>();
  return (Array.isArray(clusters) ? clusters : []).flatMap((_, cluster) => {
    const path = ["clusters", cluster, "injector", "keys"];
    const keys = valueAt(input, path);
    return (Array.isArray(keys) ? keys : []).flatMap((key: unknown, at) => {
      const owner = owners.get(key) ?? cluster;
      owners.set(key, owner);
      const message = `is a key of clusters[${owner}] already: make one for each cluster with keyferry injector key`;
      return owner === cluster ? [] : [{ path: [...path, at], message }];
    });
  });
}

/** Whether API servers reach the function at this URL, and not the listener of keyferry run. */
export function isFunctionUrl(url: string): boolean {
  return URL.parse(url)?.hostname.endsWith(".on.aws") === true;
}

/** The function has no keys but those of fleet.yaml: with any other one, the cluster would refuse pods. */
function managedOnAws(input: unknown): readonly Complaint[] {
  const message =
    "needs managedKeyFile of a cluster with a function URL: the function knows no keys but those of fleet.yaml, and so none of a hub's clusters";
  const clusters = valueAt(input, ["clusters"]);
  const own = (Array.isArray(clusters) ? clusters : []).map((_, at) => ["clusters", at, "injector"]);
  const hubs = valueAt(input, ["hubs"]);
  const ofHubs = Array.isArray(hubs) && hubs.length > 0 ? [["injector"]] : [];
  return [...own, ...ofHubs].flatMap((path) => {
    const of = (field: string): unknown => valueAt(input, [...path, field]) ?? valueAt(input, ["injector", field]);
    const target = of("url");
    const isWithout = of("manage") === true && valueAt(input, [...path, "managedKeyFile"]) === undefined;
    return isWithout && typeof target === "string" && isFunctionUrl(target)
      ? [{ path: [...path, "manage"], message }]
      : [];
  });
}

function keyFileWithoutKeys(input: unknown): readonly Complaint[] {
  const clusters = valueAt(input, ["clusters"]);
  return (Array.isArray(clusters) ? clusters : []).flatMap((_, at) => {
    const path = ["clusters", at, "injector"];
    const of = (field: string): unknown => valueAt(input, [...path, field]);
    return of("managedKeyFile") !== undefined && of("keys") === undefined
      ? [{ path: [...path, "managedKeyFile"], message: "needs keys beside it, with the hash of its key" }]
      : [];
  });
}
