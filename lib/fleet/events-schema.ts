import { posix } from "node:path";
import { z } from "zod";
import { MINUTE_MS } from "../clock.ts";
import { DURATION_HINT, DURATION_PATTERN, parseDuration } from "../duration.ts";
import type { VaultEvents } from "../ports/vault-events.ts";
import { type Complaint, valueAt } from "../util/complaints.ts";
import { hostPort, isLoopback, subnet } from "../util/host-port.ts";
import { path, problemCheck } from "./checks.ts";

/** `vaults[].events` of fleet.yaml: where a Vault's audit lines come from. */

const listen = z
  .string()
  .check(problemCheck((text) => (hostPort(text) ? [] : ["must be host:port, such as 127.0.0.1:9465"])))
  .describe("Address to listen on.");

/** Not a file of the fleet: it stays on its machine. */
const localPath = z.string().min(1);

const http = z
  .strictObject({
    listen,
    path: z
      .string()
      .regex(/^\/[A-Za-z0-9._~/-]*$/, "must begin with /, and hold letters, digits and . _ ~ - / only")
      .default("/")
      .describe("Path of the URL. Several Vaults may share an address by different paths."),
    keyFile: path("Keys of signatures, one on each line: the first one or a former one counts.").exactOptional(),
    bearerFile: path("A bearer token in place of signatures, on loopback only.").exactOptional(),
  })
  .describe("keyferry run takes POSTs of audit lines: signed, or with a bearer token on loopback.");

const file = z
  .strictObject({ path: localPath.describe("The audit file, seen from the folder of fleet.yaml.") })
  .describe("keyferry run follows the file of Vault's file device, also when it is rotated.");

const tcp = z
  .strictObject({
    listen,
    from: z
      .array(z.string().check(problemCheck((text) => (subnet(text) ? [] : ["must be a network, such as 10.0.0.0/8"]))))
      .default([])
      .describe("Networks that may connect, besides this machine: the socket device has no other credential."),
  })
  .describe("keyferry run is the peer of Vault's socket device (socket_type tcp).");

const unix = z
  .strictObject({
    path: localPath.describe("The socket, seen from the folder of fleet.yaml."),
    mode: z
      .string()
      .regex(/^0?[0-7]{3}$/, "must be a mode in octal, such as 0660")
      .default("0600")
      .describe("Permissions of the socket file: users with write permission can send lines."),
  })
  .describe("keyferry run is the peer of Vault's socket device (socket_type unix).");

const subscribe = z
  .strictObject({
    identity: z.string().describe("One of this Vault's identities, by its name."),
    types: z
      .string()
      .regex(/^[A-Za-z0-9_*./-]{1,128}$/, "must be a type of events, such as kv*")
      .default("*")
      .describe("Types of events, with * as a wildcard."),
  })
  .describe("keyferry run subscribes to the events of Vault Enterprise.");

const cloudwatchLogs = z
  .strictObject({
    logGroup: z
      .string()
      .regex(/^[.\-_/#A-Za-z0-9]{1,512}$/, "must be the name of a log group")
      .describe("Log group that has this Vault's audit lines and nothing else."),
  })
  .describe("On AWS: a subscription of the log group sends the lines to keyferry.");

const eventBridge = z
  .strictObject({
    source: z
      .string()
      .regex(/^(?!aws\.)[A-Za-z0-9._/-]{1,256}$/, "must be a source of your own, such as vault.prod")
      .describe("Source of the events that carry this Vault's lines."),
  })
  .describe("On AWS: events with audit lines on the bus.");

const s3 = z
  .strictObject({
    bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "must be the name of a bucket"),
    prefix: z.string().max(512).default("").describe("Beginning of the keys of the objects."),
  })
  .describe("On AWS: objects of audit lines, plain or gzip.");

const post = z
  .strictObject({
    keySecretArn: z
      .string()
      .regex(/^arn:[a-z-]+:secretsmanager:/, "must be the ARN of a secret in Secrets Manager")
      .exactOptional()
      .describe("Secret with the keys of signatures."),
    parameter: z
      .string()
      .regex(/^\/[A-Za-z0-9._/-]{1,1000}$/, "must be the name of a parameter, and begin with /")
      .exactOptional()
      .describe("Parameter (SecureString) with the keys of signatures."),
  })
  .describe("On AWS: signed POSTs of audit lines to keyferry's URL.");

export const events = z
  .strictObject({
    http: http.exactOptional(),
    file: file.exactOptional(),
    tcp: tcp.exactOptional(),
    unix: unix.exactOptional(),
    subscribe: subscribe.exactOptional(),
    cloudwatchLogs: cloudwatchLogs.exactOptional(),
    eventBridge: eventBridge.exactOptional(),
    s3: s3.exactOptional(),
    post: post.exactOptional(),
    silentAfter: z
      .string({ error: DURATION_HINT })
      .regex(DURATION_PATTERN, { message: DURATION_HINT, abort: true })
      .refine((text) => (parseDuration(text) ?? 0) >= MINUTE_MS, {
        message: "must be at least 1m, and at most 292 years",
      })
      .exactOptional()
      .describe("Look at all syncs of this Vault if no line came for so long. Not set: silence means nothing."),
  })
  .describe("Inlets of this Vault's audit lines: a change in Vault then reaches its Secrets at once.");

/** Converts what fleet.yaml writes. */
export function vaultEvents({ silentAfter, ...inlets }: z.infer<typeof events>): VaultEvents {
  const silentAfterMs = parseDuration(silentAfter);
  return silentAfterMs === undefined ? inlets : { ...inlets, silentAfterMs };
}

type Path = readonly PropertyKey[];

/** What an inlet claims for its Vault alone. */
interface Claimed {
  readonly path: Path;
  readonly vault: number;
  readonly what: string;
}

/** Complaints about inlets: incomplete ones, and those that two Vaults share. Never throws. */
export function eventsComplaints(vaults: readonly unknown[]): readonly Complaint[] {
  const all = vaults.map((vault, index) => ({ events: valueAt(vault, ["events"]), index }));
  return [
    ...all.flatMap(({ events, index }) => ownComplaints(events, ["vaults", index, "events"])),
    ...sharedComplaints(all.flatMap(({ events, index }) => claimedBy(events, index))),
    ...sharedObjects(vaults),
    ...vaults.flatMap(unknownIdentity),
  ];
}

function ownComplaints(events: unknown, at: Path): readonly Complaint[] {
  const [http, tcp, post] = ["http", "tcp", "post"].map((name) => valueAt(events, [name]));
  return [
    ...oneOf(http, [...at, "http"], "keyFile", "bearerFile"),
    ...oneOf(post, [...at, "post"], "keySecretArn", "parameter"),
    ...(valueAt(http, ["bearerFile"]) !== undefined && !listensOnLoopback(http)
      ? [{ path: [...at, "http", "bearerFile"], message: "is for loopback only: sign with a keyFile elsewhere" }]
      : []),
    ...(tcp !== undefined && !listensOnLoopback(tcp) && items(valueAt(tcp, ["from"])).length === 0
      ? [{ path: [...at, "tcp"], message: "must say from which networks others may connect, or listen on loopback" }]
      : []),
  ];
}

function listensOnLoopback(inlet: unknown): boolean {
  const address = hostPort(String(valueAt(inlet, ["listen"])));
  // An invalid address has a complaint of its own.
  return address === undefined || isLoopback(address.host);
}

function oneOf(inlet: unknown, at: Path, one: string, other: string): readonly Complaint[] {
  if (typeof inlet !== "object" || inlet === null) return [];
  const count = [one, other].filter((field) => valueAt(inlet, [field]) !== undefined).length;
  return count === 1 ? [] : [{ path: at, message: `must have one of ${one} and ${other}` }];
}

function unknownIdentity(vault: unknown, index: number): readonly Complaint[] {
  const name = valueAt(vault, ["events", "subscribe", "identity"]);
  const identities = items(valueAt(vault, ["identities"])).map((one) => valueAt(one, ["name"]));
  return name === undefined || identities.includes(name)
    ? []
    : [
        {
          path: ["vaults", index, "events", "subscribe", "identity"],
          message: "must be one of this Vault's identities",
        },
      ];
}

/** Two Vaults that share one of these can't be told apart. A shared key would let a POST for one pass at the other. */
function claimedBy(events: unknown, vault: number): readonly Claimed[] {
  const claim = (at: readonly string[], name: (text: string) => string): readonly Claimed[] => {
    const text = valueAt(events, at);
    return typeof text === "string" ? [{ path: ["vaults", vault, "events", ...at], vault, what: name(text) }] : [];
  };
  const httpPath = valueAt(events, ["http", "path"]) ?? "/";
  return [
    ...claim(["http", "listen"], (text) => `http ${text}${httpPath}`),
    ...claim(["tcp", "listen"], (text) => `tcp ${text}`),
    ...claim(["http", "keyFile"], (text) => `key ${posix.normalize(text)}`),
    ...claim(["file", "path"], (text) => `path ${posix.normalize(text)}`),
    ...claim(["unix", "path"], (text) => `path ${posix.normalize(text)}`),
    ...claim(["cloudwatchLogs", "logGroup"], (text) => `group ${text}`),
    ...claim(["eventBridge", "source"], (text) => `source ${text}`),
    ...claim(["post", "keySecretArn"], (text) => `secret ${text}`),
    ...claim(["post", "parameter"], (text) => `parameter ${text}`),
  ];
}

function sharedComplaints(claimed: readonly Claimed[]): readonly Complaint[] {
  const seen = new Set<string>();
  const doubles = claimed.flatMap(({ path, what }): readonly Complaint[] => {
    if (seen.has(what)) return [{ path, message: "is already used by another inlet: each belongs to one Vault" }];
    seen.add(what);
    return [];
  });
  const http = new Set(claimed.flatMap(({ what }) => /^http (?<at>[^/]+)/.exec(what)?.groups?.at ?? []));
  const both = claimed.filter(({ what }) => what.startsWith("tcp ") && http.has(what.slice("tcp ".length)));
  return [...doubles, ...both.map(({ path }) => ({ path, message: "is already the address of an http inlet" }))];
}

/** Objects of one Vault must not be objects of another one: no prefix may begin with another. */
function sharedObjects(vaults: readonly unknown[]): readonly Complaint[] {
  const places = vaults.flatMap((vault, index) => {
    const [bucket, prefix = ""] = ["bucket", "prefix"].map((field) => valueAt(vault, ["events", "s3", field]));
    return typeof bucket === "string" && typeof prefix === "string" ? [{ bucket, prefix, index }] : [];
  });
  return places.flatMap(({ bucket, prefix, index }, at) =>
    places
      .slice(0, at)
      .some((one) => one.bucket === bucket && (one.prefix.startsWith(prefix) || prefix.startsWith(one.prefix)))
      ? [{ path: ["vaults", index, "events", "s3"], message: "has objects of another Vault: choose another prefix" }]
      : [],
  );
}

function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
