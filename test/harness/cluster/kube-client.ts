import { setTimeout as sleep } from "node:timers/promises";
import { type HttpAnswer, type HttpIdentity, type HttpOptions, httpClient } from "../http.ts";

/** What every object of the Kubernetes API has; the rest is as the test knows it. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly generation?: number;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: ReadonlyArray<Readonly<Record<string, unknown>>>;
    readonly finalizers?: readonly string[];
    readonly managedFields?: ReadonlyArray<Readonly<Record<string, unknown>>>;
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly type?: string;
  readonly spec?: unknown;
  readonly status?: unknown;
  readonly [field: string]: unknown;
}

export interface RequestOptions extends HttpOptions {
  /** The body's type; `application/json` when not given. */
  readonly contentType?: string;
}

/** A small client: what tests need to set the scene and to look at the world. */
export interface KubeClient extends AsyncDisposable {
  /** Any request; an answer of any status is returned. */
  request<T = unknown>(method: string, path: string, body?: unknown, options?: RequestOptions): Promise<HttpAnswer<T>>;
  /** Server-side apply with force, in order, as manager `harness`. Throws unless accepted. */
  apply<T extends KubeObject = KubeObject>(objects: object | readonly object[]): Promise<T[]>;
  /** The object, `undefined` when there is none. */
  get<T extends KubeObject = KubeObject>(ref: ObjectRef): Promise<T | undefined>;
  /** Deletes; an object that is not there is fine. */
  delete(
    ref: ObjectRef,
    options?: { readonly propagationPolicy?: "Background" | "Foreground" | "Orphan" },
  ): Promise<void>;
  /** Calls until it gives something that is not undefined, null or false; throws after the time-out (60,000 ms). */
  waitFor<T>(what: string, look: () => Promise<T | undefined | null | false>, timeoutMs?: number): Promise<T>;
}

export interface ObjectRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
}

const FIELD_MANAGER = "harness";

export function kubeClient(origin: string, identity: HttpIdentity): KubeClient {
  const http = httpClient(origin, identity);
  const pathOf = resourcePaths((path) => http.send("GET", path));

  const request: KubeClient["request"] = (method, path, body, { contentType, ...options } = {}) =>
    http.send(method, path, body, {
      ...options,
      headers: { ...(contentType !== undefined && { "content-type": contentType }), ...options.headers },
    });
  const applyOne = async <T>(object: ObjectRef): Promise<T> => {
    const answer = await request<T>(
      "PATCH",
      `${await pathOf(object)}?fieldManager=${FIELD_MANAGER}&force=true`,
      object,
      { contentType: "application/apply-patch+yaml" },
    );
    return accepted(answer, `apply ${nameOf(object)}`).body;
  };
  return {
    request,
    async apply<T>(objects: object | readonly object[]) {
      const applied: T[] = [];
      // In order: a namespace comes before what is in it.
      for (const object of [objects].flat() as ObjectRef[]) applied.push(await applyOne<T>(object));
      return applied;
    },
    async get<T>(ref: ObjectRef) {
      const answer = await request<T>("GET", await pathOf(ref));
      return answer.status === 404 ? undefined : accepted(answer, `get ${nameOf(ref)}`).body;
    },
    async delete(ref, options) {
      const answer = await request("DELETE", await pathOf(ref), options);
      if (answer.status !== 404) accepted(answer, `delete ${nameOf(ref)}`);
    },
    waitFor,
    [Symbol.asyncDispose]: () => http.close(),
  };
}

/** A look that costs much, such as one that starts a process, is paused for as long as it took: others need the machine, too. */
const SHORTEST_PAUSE_MS = 50;

export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined | null | false>,
  timeoutMs = 60_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const from = performance.now();
    const found = await look();
    if (found !== undefined && found !== null && found !== false) return found;
    const now = performance.now();
    if (now > end) throw new Error(`waited ${timeoutMs / 1_000} s in vain for: ${what}`);
    await sleep(Math.max(SHORTEST_PAUSE_MS, now - from));
  }
}

interface ResourceList {
  readonly resources?: ReadonlyArray<{ readonly kind: string; readonly name: string; readonly namespaced: boolean }>;
}

/** Kind to path by asking the server, kept per group and version until a kind is not in it. */
function resourcePaths(get: (path: string) => Promise<HttpAnswer>): (ref: ObjectRef) => Promise<string> {
  const known = new Map<string, string>();
  const learn = async (root: string): Promise<void> => {
    const list = accepted(await get(root), `look for ${root}`).body as ResourceList;
    for (const { kind, name, namespaced } of list.resources ?? []) {
      if (!name.includes("/")) known.set(`${root} ${kind}`, namespaced ? `namespaces/%/${name}` : name);
    }
  };
  return async (ref) => {
    const root = ref.apiVersion.includes("/") ? `/apis/${ref.apiVersion}` : `/api/${ref.apiVersion}`;
    const key = `${root} ${ref.kind}`;
    if (!known.has(key)) await learn(root);
    const resource = known.get(key);
    if (resource === undefined) throw new Error(`this cluster has no ${ref.kind} in ${ref.apiVersion}`);
    const namespace = ref.metadata?.namespace ?? ref.namespace ?? "default";
    return `${root}/${resource.replace("%", namespace)}/${ref.metadata?.name ?? ref.name ?? ""}`;
  };
}

const nameOf = (ref: ObjectRef): string => `${ref.kind} ${ref.metadata?.name ?? ref.name ?? ""}`;

function accepted<T>(answer: HttpAnswer<T>, what: string): HttpAnswer<T> {
  if (answer.status < 300) return answer;
  throw new Error(`cannot ${what}: ${answer.status} ${answer.text.slice(0, 500)}`);
}
