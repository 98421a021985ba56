import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { testCa } from "../harness/certificates.ts";
import { type Dice, dice } from "./dice.ts";
import { answerBadly, type Nasty, spoiled } from "./garbage.ts";

/** An API server that is out of its mind, or its owner's tool: it knows the shapes of answers, and sends bad ones. */
export interface ScriptedCluster extends AsyncDisposable {
  /** Its certificate is signed by nobody that anyone trusts. */
  readonly url: string;
  /** Answers and watch lines so far. */
  readonly answers: number;
  /** Everything that it was sent: headers and bodies. */
  readonly received: readonly string[];
}

export interface ScriptOptions {
  readonly seed: number;
  /** How many answers are bad, from 0 to 1. */
  readonly badness: number;
  /** How many lines of watches are bad. */
  readonly lineBadness: number;
  /** Declarations in each list. */
  readonly declarations: number;
  /** The Vault that its declarations name. */
  readonly vault: string;
  /** Lines of a watch, sent one every few ms. */
  readonly watchLines?: number;
  /** Refuses everything from the beginning on, with a pause of so many seconds. */
  readonly throttlesS?: number;
}

const API_VERSION = "secrets.hashicorp.com/v1beta1";
const KIND_OF: Readonly<Record<string, string>> = {
  vaultconnections: "VaultConnection",
  vaultauths: "VaultAuth",
  vaultstaticsecrets: "VaultStaticSecret",
  secrets: "Secret",
};
const EXPIRES = "2099-01-01T00:00:00Z";
const LONG_AGO = "2020-01-01T00:00:00.000000Z";

export async function scriptedCluster(options: ScriptOptions): Promise<ScriptedCluster> {
  const thrown = dice(options.seed);
  const received: string[] = [];
  let answers = 0;
  const identity = await (await testCa("evil")).serverCert("evil", ["127.0.0.1"]);
  const server = createServer(identity, (request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    response.on("error", () => undefined);
    request
      .on("error", () => undefined)
      .on("end", () => {
        if (received.length < 50_000) received.push(`${request.url} ${JSON.stringify(request.headers)} ${body}`);
        answers++;
        answerTo(request, response, { thrown, options, body, sent: () => answers++ });
      });
  });
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get answers() {
      return answers;
    },
    received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Asked {
  readonly thrown: Dice;
  readonly options: ScriptOptions;
  readonly body: string;
  readonly sent: () => void;
}

function answerTo(request: IncomingMessage, response: ServerResponse, { thrown, options, body, sent }: Asked): void {
  const url = new URL(request.url ?? "/", "http://x");
  if (options.throttlesS !== undefined) throttled(response, options.throttlesS);
  else if (url.searchParams.get("watch") === "true") watch(thrown, options, url, response, sent);
  else if (url.pathname.includes("/configmaps/")) absent(response);
  else if (thrown.chance(options.badness)) answerBadly(thrown, response, goodFor(request, url, body, options));
  else json(response, goodFor(request, url, body, options));
}

function json(response: ServerResponse, body: Nasty): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** As API Priority and Fairness refuses. */
function throttled(response: ServerResponse, seconds: number): void {
  const status = { kind: "Status", apiVersion: "v1", code: 429, reason: "TooManyRequests" };
  response
    .writeHead(429, { "content-type": "application/json", "retry-after": String(seconds) })
    .end(JSON.stringify(status));
}

/** No mark of another installation: that one would be left alone, and this is about what is worked on. */
function absent(response: ServerResponse): void {
  const status = { kind: "Status", apiVersion: "v1", code: 404, reason: "NotFound", details: { kind: "configmaps" } };
  response.writeHead(404, { "content-type": "application/json" }).end(JSON.stringify(status));
}

/** What a healthy server might say to this. */
function goodFor(request: IncomingMessage, url: URL, body: string, options: ScriptOptions): Nasty {
  const parts = url.pathname.split("/").filter((part) => part !== "");
  const { namespace, resource, name, subresource } = placeOf(parts);
  if (subresource === "token") return { status: { token: "eyJ.t.t", expirationTimestamp: EXPIRES } };
  if (resource === "leases")
    return { metadata: metadata("lease", 5), spec: { renewTime: LONG_AGO, holderIdentity: "vso" } };
  if (request.method === "POST") {
    const sent = parsed(body);
    return { ...sent, metadata: { ...(metadata("made", 6) as object), ...(sent.metadata as object) } as Nasty };
  }
  if (name !== undefined) return objectOf(resource, namespace, name, options);
  const items = Array.from({ length: resource in KIND_OF ? options.declarations : 1 }, (_, at) =>
    objectOf(resource, "evil", `d-${at}`, options),
  );
  return { kind: "List", metadata: { resourceVersion: "1000" }, items };
}

function placeOf(parts: readonly string[]) {
  const after = parts[0] === "api" ? parts.slice(2) : parts.slice(3);
  if (after[0] !== "namespaces" || after.length < 3) {
    const [resource = "", name, subresource] = after;
    return { namespace: "evil", resource, name, subresource };
  }
  const [, namespace = "", resource = "", name, subresource] = after;
  return { namespace, resource, name, subresource };
}

function parsed(body: string): { readonly [key: string]: Nasty } {
  try {
    return JSON.parse(body) as { [key: string]: Nasty };
  } catch {
    return {};
  }
}

function metadata(name: string, resourceVersion: number): Nasty {
  return {
    name,
    namespace: "evil",
    uid: `uid-of-${name}`,
    resourceVersion: String(resourceVersion),
    generation: 1,
    labels: { "app.kubernetes.io/managed-by": "hashicorp-vso" },
    annotations: {},
    finalizers: [],
    ownerReferences: [{ apiVersion: API_VERSION, kind: "VaultStaticSecret", name: "d-0", uid: "uid-of-d-0" }],
    managedFields: [
      { manager: "keyferry", operation: "Apply", fieldsType: "FieldsV1", fieldsV1: { "f:data": { "f:a": {} } } },
      { manager: "someone", operation: "Update", time: EXPIRES, subresource: "status", fieldsV1: { "f:status": {} } },
    ],
  };
}

const SPECS: Readonly<Record<string, (name: string, options: ScriptOptions) => Nasty>> = {
  vaultconnections: (_, { vault }) => ({ address: vault, timeout: "1s" }),
  vaultauths: (name) => ({
    vaultConnectionRef: name,
    method: "kubernetes",
    mount: "kubernetes",
    kubernetes: { role: "r", serviceAccount: "s" },
  }),
  vaultstaticsecrets: (name) => ({
    vaultAuthRef: name,
    type: "kv-v2",
    mount: "kv",
    path: name,
    refreshAfter: "5s",
    destination: { name, create: true },
  }),
};

function objectOf(resource: string, namespace: string, name: string, options: ScriptOptions): Nasty {
  const spec = SPECS[resource]?.(name, options);
  return {
    apiVersion: resource in SPECS ? API_VERSION : "v1",
    kind: KIND_OF[resource] ?? "Thing",
    metadata: { ...(metadata(name, 100 + name.length) as object), namespace } as Nasty,
    ...(spec === undefined ? {} : { spec }),
    ...(resource === "secrets" ? { type: "Opaque", data: { a: "YQ==" } } : {}),
  };
}

const TYPES = ["ADDED", "MODIFIED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "WHAT"] as const;

/** Lines of changes, most of them spoiled, until there are enough or the other side leaves. */
function watch(thrown: Dice, options: ScriptOptions, url: URL, response: ServerResponse, sent: () => void): void {
  const { resource } = placeOf(url.pathname.split("/").filter((part) => part !== ""));
  response.writeHead(200, { "content-type": "application/json" });
  let left = options.watchLines ?? 20;
  const timer = setInterval(() => {
    if (left-- <= 0) return void response.end();
    sent();
    const name = `d-${thrown.int(Math.max(1, options.declarations))}`;
    const object = objectOf(resource, "evil", name, options) as {
      readonly metadata: { readonly [key: string]: Nasty };
    };
    const moved = { ...object, metadata: { ...object.metadata, resourceVersion: String(2_000 + thrown.int(10_000)) } };
    const line = { type: thrown.pick(TYPES), object: moved } as Nasty;
    const text = JSON.stringify(thrown.chance(options.lineBadness) ? spoiled(thrown, line, 0.08) : line);
    response.write(thrown.chance(options.lineBadness / 100) ? text.slice(0, 30) : `${text}\n`);
  }, 3);
  response.on("close", () => clearInterval(timer));
}
