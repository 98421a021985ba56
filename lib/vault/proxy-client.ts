import { type buildConnector, Pool } from "undici";
import { codeOf } from "../util/error-code.ts";

/** TLS with an https:// proxy failed. TLS with Vault, in the proxy's tunnel, fails with the same codes. */
export class ProxyTlsError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`TLS with the proxy failed: ${code}`);
    this.code = code;
  }
}

interface ClientOptions {
  readonly connect: buildConnector.connector;
}

/** undici names this failure itself. */
const NAMED_BY_UNDICI = "ERR_TLS_CERT_ALTNAME_INVALID";

/** The connections to a proxy: failures of their TLS are told apart from those of its tunnels. */
export function proxyClient(origin: URL, options: object): Pool {
  const { connect, ...rest } = options as ClientOptions;
  const told: buildConnector.connector = (to, done) =>
    connect(to, (...[error, socket]) => {
      if (error === null) return done(null, socket);
      const code = codeOf(error);
      const isTls = to.protocol === "https:" && code !== undefined && code !== NAMED_BY_UNDICI && !isReach(code);
      return done(isTls ? new ProxyTlsError(code) : error, null);
    });
  return new Pool(origin, { ...rest, connect: told });
}

/** The connection below TLS failed. */
function isReach(code: string): boolean {
  return /^(E[A-Z]+$|EAI_|UND_ERR_)/.test(code) && code !== "EPROTO";
}
