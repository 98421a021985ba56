import { remembered } from "./util/remembered.ts";

/** Each refresh normalises its Vault's address several times, and URLs are slow to parse. */
const MOST_ADDRESSES = 256;

/** What is wrong with a Vault address; undefined when it is a base URL. */
export function addressProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    return "must be a URL that begins with http:// or https://";
  }
  if (url.username !== "" || url.password !== "") return "must not hold a user name or password";
  if (/[?#]/.test(text)) return "must not have a query or a fragment";
  if (/[\p{Cc}\s]/u.test(text)) return "must not contain spaces or control characters";
  return undefined;
}

/** The longest address of a Vault, in characters of its URL: the circuit of its Vault is a key in the table. */
const MAX_ADDRESS = 512;

/** The same for an address that someone declares. One that was stored before is used whatever its length. */
export function declaredAddressProblem(text: string): string | undefined {
  const isTooLong = text.length > MAX_ADDRESS || normalAddress(text).length > MAX_ADDRESS;
  return addressProblem(text) ?? (isTooLong ? `must have at most ${MAX_ADDRESS} characters` : undefined);
}

/** Normalises an address, so that one Vault has one circuit: no trailing slash, host in lower case. */
export const normalAddress = remembered(
  (address) => (URL.parse(address)?.href ?? address).replace(/\/+$/, ""),
  MOST_ADDRESSES,
);
