import { BlockList, isIP } from "node:net";

/** An address to listen on. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:9465`, `[::1]:9465`, `localhost:9465`. Undefined for anything else, and for port 0. */
export function hostPort(text: string): HostPort | undefined {
  const {
    host = "",
    v6 = "",
    port = "",
  } = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:[\]/\s]+)):(?<port>\d{1,5})$/.exec(text)?.groups ?? {};
  const number = Number(port);
  if (number < 1 || number > 65_535) return undefined;
  if (v6 !== "") return isIP(v6) === 6 ? { host: v6, port: number } : undefined;
  return /^[A-Za-z0-9.-]+$/.test(host) ? { host, port: number } : undefined;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** Whether only this machine reaches the host. A name other than localhost may resolve to anything. */
export function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  const family = isIP(host);
  return family !== 0 && LOOPBACK.check(host, family === 6 ? "ipv6" : "ipv4");
}

/** An address with its prefix length, such as `10.0.0.0/8` or `fd00::/8`. */
export interface Subnet {
  readonly address: string;
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
}

export function subnet(text: string): Subnet | undefined {
  const { address = "", prefix = "" } = /^(?<address>[^/]+)\/(?<prefix>\d{1,3})$/.exec(text)?.groups ?? {};
  const version = isIP(address);
  if (version === 0 || Number(prefix) > (version === 6 ? 128 : 32)) return undefined;
  return { address, prefix: Number(prefix), family: version === 6 ? "ipv6" : "ipv4" };
}
