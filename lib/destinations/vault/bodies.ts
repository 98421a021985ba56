import { binaryList, pushFields } from "../../declarations/push/fields.ts";
import type { Pushed } from "../../ports/rows.ts";
import type { KvField, KvFields } from "../../ports/vault-writes.ts";
import { type SecretData, SecretValue } from "../../secret-value.ts";

/**
 * A push has one body for each path, but a run's data is one map of keys. So each key is `<object>/<key>`, and
 * `<object>/` alone says that the object exists, even without any key. Neither part can hold a slash.
 */
export function joinBodies(bodies: ReadonlyMap<string, SecretData>): SecretData {
  const joined = new Map<string, SecretValue>();
  for (const [object, body] of bodies) {
    joined.set(`${object}/`, SecretValue.of(""));
    for (const [key, value] of body) joined.set(`${object}/${key}`, value);
  }
  return joined;
}

/** The bodies in a run's data, by object. */
export function splitBodies(data: SecretData): ReadonlyMap<string, SecretData> {
  const bodies = new Map<string, Map<string, SecretValue>>();
  for (const [name, value] of data) {
    const slash = name.indexOf("/");
    const [object, key] = [name.slice(0, slash), name.slice(slash + 1)];
    const body = bodies.get(object) ?? new Map<string, SecretValue>();
    bodies.set(object, body);
    if (key !== "") body.set(key, value);
  }
  return bodies;
}

/** The fields that a body becomes. Throws SECRET_TOO_LARGE and SECRET_REFUSED. */
function fieldsOf(body: SecretData, place: string, areListed: boolean): KvFields {
  return new Map(
    pushFields(body, place, areListed).map(({ name, value, base64 }): [string, KvField] => [name, { value, base64 }]),
  );
}

/** What a path is to hold: its fields, and the list of its binary ones in custom_metadata; empty: none. */
export interface PathContent {
  readonly fields: KvFields;
  readonly list: string;
}

/** What a path of this kind can list. */
export function listFor(body: SecretData, { engine }: Pick<Pushed, "engine">): string {
  return engine === "kv-v2" ? binaryList(body) : "";
}

/** The content for a body, with binary values as the row has recorded for its path. */
export function contentOf(body: SecretData, place: string, recorded: Pick<Pushed, "engine" | "binary">): PathContent {
  const list = recorded.binary === "listed" ? listFor(body, recorded) : "";
  return { fields: fieldsOf(body, place, list !== ""), list };
}

/** The fields as Vault holds them, for digests that can be compared with what is read. */
export function storedFields(fields: KvFields): SecretData {
  return new Map(
    [...fields].map(([name, { value, base64 }]) => [
      name,
      base64 ? SecretValue.of(value.reveal().toString("base64")) : value,
    ]),
  );
}
