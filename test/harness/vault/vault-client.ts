import { type HttpAnswer, type HttpOptions, httpClient } from "../http.ts";

export interface VaultRequestOptions extends HttpOptions {
  /** The root token when not given; `null` for none. */
  readonly token?: string | null;
  readonly namespace?: string;
}

/** Vault's usual answer. */
export interface VaultAnswer {
  readonly data: Readonly<Record<string, unknown>>;
  readonly auth?: {
    readonly client_token: string;
    readonly accessor: string;
    readonly lease_duration: number;
    readonly renewable: boolean;
  };
  readonly lease_id?: string;
  readonly lease_duration?: number;
  readonly renewable?: boolean;
  readonly errors?: readonly string[];
}

/** An admin's client: paths are without `v1/`. */
export interface VaultClient {
  /** Any request; an answer of any status is returned. */
  request<T = VaultAnswer>(
    method: string,
    path: string,
    body?: unknown,
    options?: VaultRequestOptions,
  ): Promise<HttpAnswer<T>>;
  /** Throws unless accepted; the answer's body, which is undefined for 204. */
  write<T = VaultAnswer>(path: string, body?: unknown, options?: VaultRequestOptions): Promise<T>;
  /** The answer's body, `undefined` when there is nothing at the path. */
  read<T = VaultAnswer>(path: string, options?: VaultRequestOptions): Promise<T | undefined>;
  remove(path: string, options?: VaultRequestOptions): Promise<void>;
}

export function vaultClient(
  origin: string,
  caPem: string | undefined,
  rootToken: () => string | undefined,
): VaultClient & { close(): Promise<void> } {
  const http = httpClient(origin, caPem === undefined ? {} : { caPem });
  const request = <T = VaultAnswer>(
    method: string,
    path: string,
    body?: unknown,
    options: VaultRequestOptions = {},
  ) => {
    const { token = rootToken(), namespace, headers, ...rest } = options;
    return http.send<T>(method, `/v1/${path}`, body, {
      ...rest,
      headers: {
        ...(token ? { "x-vault-token": token } : {}),
        ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }),
        ...headers,
      },
    });
  };
  return {
    request,
    async write<T>(path: string, body?: unknown, options?: VaultRequestOptions) {
      return accepted(await request<T>("POST", path, body ?? {}, options), `write ${path}`).body;
    },
    async read<T>(path: string, options?: VaultRequestOptions) {
      const answer = await request<T>("GET", path, undefined, options);
      return answer.status === 404 ? undefined : accepted(answer, `read ${path}`).body;
    },
    async remove(path, options) {
      accepted(await request("DELETE", path, undefined, options), `delete ${path}`);
    },
    close: () => http.close(),
  };
}

function accepted<T>(answer: HttpAnswer<T>, what: string): HttpAnswer<T> {
  if (answer.status < 300) return answer;
  throw new Error(`Vault refused to ${what}: ${answer.status} ${answer.text.slice(0, 500)}`);
}
