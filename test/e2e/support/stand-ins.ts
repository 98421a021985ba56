import { type ReservedPort, reservePorts } from "../../harness/process/ports.ts";

/** Nobody answers there. */
export const NOBODY = "http://127.0.0.1:1";
const COUNT = 40;

let reserved: Promise<readonly ReservedPort[]> | undefined;
let taken = 0;

function ports(): Promise<readonly ReservedPort[]> {
  reserved ??= reservePorts(COUNT);
  return reserved;
}

/** Addresses of servers that stand in for a Vault, as fleets name them: they lie on loopback, where no tenant's may. */
export async function standIns(): Promise<readonly string[]> {
  return [NOBODY, ...(await ports()).map(({ port }) => `http://127.0.0.1:${port}`)];
}

/** A port of 127.0.0.1 that the fleets of this process name already, for one server. */
export async function standInPort(): Promise<number> {
  const next = (await ports())[taken++];
  if (next === undefined)
    throw new Error(`more than ${COUNT} servers stand in for a Vault in one process: raise COUNT`);
  return next.port;
}
