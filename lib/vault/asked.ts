import { remembered } from "../util/remembered.ts";

/** As many addresses as a fleet has in use at one time. */
const MOST_ADDRESSES = 256;

/** What was asked of which Vault: the words of every message about it. Never holds data. */
export interface Asked {
  /** Printable: without a user or password. */
  readonly address: string;
  /** What opens when this Vault is out of reach. */
  readonly circuit: string;
  readonly namespace: string | undefined;
  readonly method: "GET" | "POST";
  /** Behind `/v1/`, as people write it. */
  readonly path: string;
  /** It may be sent again when its answer was lost. One that issues, ends or writes something may not. */
  readonly repeatable: boolean;
  readonly purpose: "kv-v1" | "kv-v2" | "login" | "token" | "probe" | "seal-status";
}

/** `GET kv/data/app of https://vault:8200 (namespace team)`. */
export function describe(asked: Asked): string {
  const namespace = asked.namespace ? ` (namespace ${asked.namespace})` : "";
  return `${asked.method} ${asked.path} of ${asked.address}${namespace}`;
}

/** An address as messages show it: without the user and password that somebody may have put there. */
export const printableAddress = remembered((address) => {
  const url = URL.parse(address);
  return url === null ? "an address that is no URL" : `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
}, MOST_ADDRESSES);
