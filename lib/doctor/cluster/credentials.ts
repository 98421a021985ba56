import { X509Certificate } from "node:crypto";
import type { KubeConfig, User } from "@kubernetes/client-node";
import { type EpochMs, HOUR_MS } from "../../clock.ts";
import { boundedFile } from "../../util/bounded-file.ts";
import { kubectl, shellWord } from "../../util/shell.ts";
import type { Examined } from "../context.ts";
import { type Finding, finding, type Remedy } from "../finding.ts";
import { advice, commands } from "../remedies.ts";
import { timeLeft } from "../server-ends.ts";

/** A credential of a kubeconfig: nothing but when it ends. */
interface Credential {
  readonly what: "token" | "client certificate";
  readonly endsAt: EpochMs;
  /** The service account of a token, as `namespace/name`. */
  readonly account?: string;
}

const SOON_MS = 7 * 24 * HOUR_MS;

/** Ends of the credentials in a kubeconfig. Tokens that a plugin or fleet.yaml's way makes anew are not in it. */
export async function credentialEnds(examined: Examined, config: KubeConfig): Promise<readonly Finding[]> {
  const { settings, deps } = examined;
  const user = config.getCurrentUser();
  if (!user) return [];
  const now = deps.clock();
  const found = await credentialsOf(user);
  return found.flatMap((credential) => {
    const left = credential.endsAt - now;
    if (left >= SOON_MS) return [];
    const when = new Date(credential.endsAt).toISOString();
    return finding(left <= 0 ? "CREDENTIAL_ENDED" : "CREDENTIAL_ENDS_SOON", {
      cluster: settings.name,
      where: `connect of cluster ${settings.name} in fleet.yaml`,
      what: `its ${credential.what}${credential.account ? ` (ServiceAccount ${credential.account})` : ""} ${left <= 0 ? `ended at ${when}` : `ends at ${when}, in ${timeLeft(left)}`}`,
      remedy: loginRemedy(examined, config, credential.account),
    });
  });
}

async function credentialsOf(user: User): Promise<readonly Credential[]> {
  const found: Credential[] = [];
  const token = user.token ?? (await tokenFileOf(user));
  const read = token === undefined ? undefined : tokenEnd(token);
  if (read !== undefined) found.push(read);
  const pem = user.certData
    ? Buffer.from(user.certData, "base64").toString("utf8")
    : user.certFile && (await boundedFile(user.certFile).catch(() => undefined));
  const endsAt = pem ? certificateEnd(pem) : undefined;
  if (endsAt !== undefined) found.push({ what: "client certificate", endsAt });
  return found;
}

async function tokenFileOf(user: User): Promise<string | undefined> {
  const path: unknown = user.authProvider?.config?.tokenFile;
  if (typeof path !== "string") return undefined;
  return (await boundedFile(path).catch(() => undefined))?.trim();
}

function certificateEnd(pem: string): EpochMs | undefined {
  try {
    return Date.parse(new X509Certificate(pem).validTo);
  } catch {
    return undefined;
  }
}

/** Reads `exp` and `sub` of a JWT, unverified. Undefined for a token without an end, or of another form. */
export function tokenEnd(token: string): Credential | undefined {
  try {
    const [, payload = ""] = token.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as Record<string, unknown>;
    if (typeof claims.exp !== "number") return undefined;
    const account = /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/.exec(String(claims.sub ?? ""));
    return { what: "token", endsAt: claims.exp * 1_000, ...(account && { account: `${account[1]}/${account[2]}` }) };
  } catch {
    return undefined;
  }
}

/** A year: a token that is replaced by hand. */
const LONG = "8760h";

/** A new token for the same account, in the same place; the file's other users are not touched. */
export function loginRemedy({ settings, deps }: Examined, config: KubeConfig, account?: string): Remedy {
  const { connect, name } = settings;
  const local = (path: string): string => deps.files.local(path) ?? path;
  const user = config.getCurrentUser();
  const [namespace = "", serviceAccount = ""] = (account ?? accountOf(user) ?? "").split("/");
  const order = kubectl(deps.context, `create token ${serviceAccount} -n ${namespace} --duration=${LONG}`);
  const tokenFile = connect.server?.tokenFile;
  const why = `Gives keyferry another token of ServiceAccount ${namespace}/${serviceAccount}. The API server may shorten it.`;
  if (serviceAccount === "") {
    return advice(`Renew the credentials in the kubeconfig of cluster ${name}, or of connect in fleet.yaml.`);
  }
  if (tokenFile !== undefined) return commands([replaceFile(local(tokenFile), order)], [why]);
  if (connect.kubeconfig === undefined || user?.token === undefined) {
    return advice(`Replace the token of cluster ${name} by the output of: ${order}`);
  }
  const place = `--kubeconfig=${shellWord(local(connect.kubeconfig.path))}`;
  const set = `kubectl config set-credentials ${shellWord(user.name)} ${place} --token="$t"`;
  return commands([`t="$(${order})" && [ -n "$t" ] && ${set}`], [why]);
}

/** A command that fails, or prints nothing, leaves the file as it is. The new one has its mode and, for root, owner. */
function replaceFile(path: string, command: string): string {
  const [file, fresh] = [shellWord(path), shellWord(`${path}.new`)];
  return `cp -p ${file} ${fresh} && ${command} > ${fresh} && [ -s ${fresh} ] && mv ${fresh} ${file}`;
}

function accountOf(user: User | null): string | undefined {
  return user?.token === undefined ? undefined : tokenEnd(user.token)?.account;
}
