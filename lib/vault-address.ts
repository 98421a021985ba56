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

/** Normalises an address, so that one Vault has one circuit: no trailing slash, host in lower case. */
export const normalAddress = remembered(
  (address) => (URL.parse(address)?.href ?? address).replace(/\/+$/, ""),
  MOST_ADDRESSES,
);
