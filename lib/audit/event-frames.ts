import { trimSlashes } from "../declarations/identity.ts";
import { asObject } from "../util/canonical.ts";
import type { Effect } from "./effect.ts";
import { BAD, type LineMeaning, NONE, timeOf } from "./line-meaning.ts";
import { parsedObject, textOf, versionOf } from "./parsed.ts";
import { isBelow, joined } from "./paths.ts";

/**
 * Frames of `sys/events/subscribe` of Vault Enterprise: CloudEvents in JSON, one in each frame. Written from Vault's
 * documentation of event notifications, and not run against Vault Enterprise.
 */
export function frameMeaning(text: string): LineMeaning {
  const frame = readFrame(text);
  if (frame === undefined) return BAD;
  const effects = frame.isModified ? (EVENTS[frame.type]?.(frame) ?? []) : [];
  return effects.length === 0 ? NONE : { kind: "effects", effects, ...timeOf(frame) };
}

interface Frame {
  readonly type: string;
  readonly time: string;
  /** False: the event tells that nothing was changed, as after a failure. */
  readonly isModified: boolean;
  /** Of the engine, absolute. */
  readonly mount: string;
  /** Below the mount; empty for what Vault does by itself. */
  readonly below: string;
  /** Of a role, in events of databases. */
  readonly name: string;
  /** kv-v2: the latest version after the event. */
  readonly version: number | undefined;
}

type Means = (frame: Frame) => readonly Effect[];

const at = ({ mount }: Frame, below: string, more: object = {}): readonly Effect[] =>
  below === "" ? [] : [{ kind: "path", path: joined(mount, below), ...more }];

/** P of `data/P`, `metadata/P` and their like. */
const secretOf = ({ below }: Frame): string => below.split("/").slice(1).join("/");
const wholeMount: Means = ({ mount }) => [{ kind: "prefix", prefix: mount }];
const ofV1: Means = (frame) => at(frame, frame.below);
const ofSecret: Means = (frame) => at(frame, secretOf(frame));
const ofRole =
  (folder: string): Means =>
  (frame) =>
    frame.name === "" ? [] : at(frame, joined(folder, frame.name));

const written: Means = (frame) => {
  const { version } = frame;
  return at(frame, secretOf(frame), version === undefined ? {} : { version });
};
const gone: Means = (frame) => at(frame, secretOf(frame), { forget: true });

/** As effects of audit lines; an event that is not in the table has none. Vault's own rotations are events, too. */
const EVENTS: Readonly<Record<string, Means>> = {
  "kv-v1/write": ofV1,
  "kv-v1/delete": ofV1,
  "kv-v2/data-write": written,
  "kv-v2/data-patch": written,
  "kv-v2/data-delete": ofSecret,
  "kv-v2/delete": ofSecret,
  "kv-v2/undelete": ofSecret,
  "kv-v2/destroy": ofSecret,
  "kv-v2/metadata-write": ofSecret,
  "kv-v2/metadata-patch": ofSecret,
  "kv-v2/metadata-delete": gone,
  "kv-v2/config-write": wholeMount,
  "database/config-write": wholeMount,
  "database/config-delete": wholeMount,
  "database/root-rotate": wholeMount,
  "database/rotate-root": wholeMount,
  "database/role-create": ofRole("creds"),
  "database/role-update": ofRole("creds"),
  "database/role-delete": ofRole("creds"),
  "database/static-role-create": ofRole("static-creds"),
  "database/static-role-update": ofRole("static-creds"),
  "database/static-role-delete": ofRole("static-creds"),
  "database/static-creds-create": ofRole("static-creds"),
  "database/rotate": ofRole("static-creds"),
};

/** Undefined: it is no event. */
function readFrame(text: string): Frame | undefined {
  const frame = parsedObject(text);
  const data = asObject(frame?.data);
  const [plugin, metadata] = [asObject(data?.plugin_info), asObject(asObject(data?.event)?.metadata)];
  const type = textOf(data, "event_type");
  const mountPath = trimSlashes(textOf(plugin, "mount_path"));
  if (type === "" || mountPath === "") return undefined;
  const named = trimSlashes(textOf(metadata, "path"));
  return {
    type: Object.hasOwn(EVENTS, type) ? type : "",
    time: textOf(frame, "time"),
    isModified: textOf(metadata, "modified") !== "false",
    mount: joined(trimSlashes(textOf(data, "namespace")), mountPath),
    below: isBelow(named, mountPath) ? named.slice(mountPath.length + 1) : "",
    name: trimSlashes(textOf(metadata, "name")),
    version: versionOf(Number(textOf(metadata, "current_version"))),
  };
}
