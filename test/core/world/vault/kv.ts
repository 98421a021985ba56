import { type Answer, bodyOf, done, failed, ok, type Question, textsOf } from "./answers.ts";

interface Version {
  /** JSON text of the fields; undefined once it was deleted or destroyed. */
  data?: string;
  readonly kept?: string;
  readonly createdTime: string;
  deletionTime?: string;
  isDestroyed?: boolean;
}

/** One mount of a kv engine. */
export interface KvMount {
  readonly version: 1 | 2;
  handle(question: Question, path: string): Answer;
  /** The operation as the audit log names it. */
  versionsOf(path: string): number;
  /** A node that lags: it answers as it was so many versions ago. */
  lag(path: string, versions: number): void;
}

export function kvMount(version: 1 | 2, now: () => number): KvMount {
  const secrets = new Map<string, Version[]>();
  const lags = new Map<string, number>();
  const custom = new Map<string, Readonly<Record<string, unknown>>>();
  const time = (): string => new Date(now()).toISOString();
  const metadataOf = (path: string, at: Version, number: number) => ({
    created_time: at.createdTime,
    custom_metadata: custom.get(path) ?? null,
    deletion_time: at.deletionTime ?? "",
    destroyed: at.isDestroyed ?? false,
    version: number,
  });

  const readV1 = (path: string): Answer => {
    const data = secrets.get(path)?.at(-1)?.data;
    return data === undefined ? failed(404) : { status: 200, text: `{"data":${data}}` };
  };
  const handleV1 = (question: Question, path: string): Answer => {
    if (question.method === "GET") return readV1(path);
    if (question.method === "DELETE") secrets.delete(path);
    else secrets.set(path, [{ data: question.body ?? "{}", createdTime: time() }]);
    return done();
  };

  const readV2 = (path: string, asked: number): Answer => {
    const all = secrets.get(path) ?? [];
    const latest = Math.max(Math.min(all.length, 1), all.length - (lags.get(path) ?? 0));
    const number = asked > 0 ? asked : latest;
    const at = all[number - 1];
    if (at === undefined) return failed(404);
    const metadata = JSON.stringify(metadataOf(path, at, number));
    const status = at.data === undefined ? 404 : 200;
    return { status, text: `{"data":{"data":${at.data ?? "null"},"metadata":${metadata}}}` };
  };
  /** `cas: 0` holds only where there is no metadata; a deleted version counts. */
  const refusal = (path: string, question: Question): Answer | undefined => {
    const { cas } = Object(bodyOf(question).options) as { cas?: unknown };
    if (cas === undefined || cas === (secrets.get(path)?.length ?? 0)) return undefined;
    return failed(400, "check-and-set parameter did not match the current version");
  };
  const patchV2 = (path: string, question: Question): Answer => {
    const latest = secrets.get(path)?.at(-1);
    if (latest?.data === undefined) return latest === undefined ? { status: 404, text: "" } : readV2(path, 0);
    const merged = { ...JSON.parse(latest.data), ...Object(bodyOf(question).data) } as Record<string, unknown>;
    const data = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
    return writeV2(path, { ...question, body: JSON.stringify({ ...bodyOf(question), data }) });
  };
  const describeV2 = (path: string, question: Question): Answer => {
    if (!secrets.has(path)) return failed(404);
    const given = Object(bodyOf(question).custom_metadata) as Record<string, string | null>;
    const all = { ...custom.get(path), ...given };
    custom.set(path, Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null)));
    return done();
  };
  const writeV2 = (path: string, question: Question): Answer => {
    const refused = refusal(path, question);
    if (refused) return refused;
    const data = JSON.stringify(bodyOf(question).data ?? {});
    const versions = secrets.get(path) ?? [];
    const made: Version = { data, kept: data, createdTime: time() };
    secrets.set(path, [...versions, made]);
    return ok({ data: metadataOf(path, made, versions.length + 1) });
  };
  const change = (path: string, numbers: readonly string[], work: (version: Version) => void): Answer => {
    const versions = secrets.get(path) ?? [];
    for (const number of numbers) {
      const found = versions[Number(number) - 1];
      if (found) work(found);
    }
    return done();
  };
  const deleteLatest = (path: string): Answer =>
    change(path, [String(secrets.get(path)?.length ?? 0)], (at) => {
      delete at.data;
      at.deletionTime = time();
    });
  const handleV2 = (question: Question, path: string): Answer => {
    const [part = "", ...rest] = path.split("/");
    const name = rest.join("/");
    const versions = textsOf(question.body === undefined ? [] : bodyOf(question).versions);
    switch (`${question.method} ${part}`) {
      case "GET config":
        return ok({ data: {} });
      case "GET data":
        return readV2(name, Number(question.query?.version ?? 0));
      case "POST data":
        return writeV2(name, question);
      case "PATCH data":
        return patchV2(name, question);
      case "PATCH metadata":
        return describeV2(name, question);
      case "GET metadata":
        return secrets.has(name) ? ok({ data: { custom_metadata: custom.get(name) ?? null } }) : failed(404);
      case "POST delete":
        return change(name, versions, (at) => {
          delete at.data;
          at.deletionTime = time();
        });
      case "DELETE data":
        return deleteLatest(name);
      case "POST undelete":
        return change(name, versions, (at) => {
          if (at.kept !== undefined && !at.isDestroyed) at.data = at.kept;
          delete at.deletionTime;
        });
      case "POST destroy":
        return change(name, versions, (at) => {
          delete at.data;
          at.isDestroyed = true;
        });
      case "DELETE metadata":
        secrets.delete(name);
        return done();
      default:
        return failed(
          404,
          "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use.",
        );
    }
  };
  return {
    version,
    handle: (question, path) => (version === 1 ? handleV1(question, path) : handleV2(question, path)),
    versionsOf: (path) => secrets.get(path)?.length ?? 0,
    lag: (path, versions) => void lags.set(path, versions),
  };
}
