import { fingerprint } from "../../digest.ts";
import { asObject } from "../../util/canonical.ts";
import type { IssuedState } from "../issued/issued-state.ts";
import type { ResolvedPkiSecret } from "./resolve.ts";

/** What the row knows of its certificate. */
export interface KnownCertificate {
  readonly serial: string;
  readonly expiration: number;
  /** The mount that issued it, in its Vault. */
  readonly mount?: string;
  /** The declared names. */
  readonly names?: string;
  /** The declared names that the role left out. */
  readonly leftOut?: string;
  /** Of its issuer. */
  readonly chain?: string;
  /** Of the issuer that would sign the next one, when Vault was last asked. */
  readonly nextChain?: string;
  /** Why Vault's last answer makes another one necessary. */
  readonly over?: string;
}

/** Undefined: the row does not know it, or not in this form. */
export function known({ made }: Pick<IssuedState, "made">): KnownCertificate | undefined {
  const { serial, expiration, mount, names, leftOut, chain, nextChain, over } = asObject(made) ?? {};
  if (typeof serial !== "string" || typeof expiration !== "number") return undefined;
  return {
    ...{ serial, expiration },
    ...(typeof mount === "string" ? { mount } : {}),
    ...(typeof names === "string" ? { names } : {}),
    ...(typeof leftOut === "string" ? { leftOut } : {}),
    ...(typeof chain === "string" ? { chain } : {}),
    ...(typeof nextChain === "string" ? { nextChain } : {}),
    ...(typeof over === "string" ? { over } : {}),
  };
}

/** The mount that the declaration asks, in its Vault. */
export function mountOf({ asks, request }: Pick<ResolvedPkiSecret, "asks" | "request">): string {
  const { target, namespace: login = "" } = asks.identity;
  return fingerprint(target.address, request.namespace ?? login, request.mount);
}
