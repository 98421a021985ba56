import { pushFields } from "../../declarations/push/fields.ts";
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
export function fieldsOf(body: SecretData, place: string): KvFields {
  return new Map(
    pushFields(body, place).map(({ name, value, base64 }): [string, KvField] => [name, { value, base64 }]),
  );
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
