import { remembered } from "../util/remembered.ts";

/** Enough for all addresses that a fleet uses. */
const MOST_ADDRESSES = 256;

/** A request to Vault as all messages describe it. Never holds data. */
export interface Asked {
  /** Printable: has no user or password. */
  readonly address: string;
  /** The circuit that opens when this Vault is unreachable. */
  readonly circuit: string;
  readonly namespace: string | undefined;
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Without `/v1/`, as people write it. */
  readonly path: string;
  /** Whether it may be sent again after its answer was lost: not if it issues, ends or writes something. */
  readonly repeatable: boolean;
  readonly purpose:
    | "kv-v1"
    | "kv-v2"
    | "push"
    | "issue"
    | "lease"
    | "login"
    | "token"
    | "probe"
    | "seal-status"
    | "events";
}

/** `GET kv/data/app of https://vault:8200 (namespace team)`. */
export function describe(asked: Asked): string {
  const namespace = asked.namespace ? ` (namespace ${asked.namespace})` : "";
  return `${asked.method} ${asked.path} of ${asked.address}${namespace}`;
}

/** An address for messages, without any user and password in it. */
export const printableAddress = remembered((address) => {
  const url = URL.parse(address);
  return url === null ? "an invalid address" : `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
}, MOST_ADDRESSES);
