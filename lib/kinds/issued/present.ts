import type { EpochMs } from "../../clock.ts";
import { liveIssue } from "../../issues/issue-times.ts";
import { replacedIssue } from "../../issues/replaced.ts";
import { REFRESH_ANNOTATION } from "../../origins/refresh-annotation.ts";
import type { Issue } from "../../ports/issues.ts";
import type { Obtained, ObtainInput } from "../kind.ts";
import { type IssuedState, ownIssued } from "./issued-state.ts";
import type { IssuingKind, Made, ResolvedIssued } from "./issuing-kind.ts";
import { requestOf } from "./request-of.ts";
import { warningsOf } from "./warnings.ts";

/** What the row knows of the present data. */
export function presentState(
  { row, resolved }: ObtainInput<ResolvedIssued>,
  { asks, isDenied }: IssuedState,
  { data, made, missing }: Made,
  issuedAt: EpochMs,
): IssuedState {
  const refresh = row.declared.annotations[REFRESH_ANNOTATION];
  return {
    ...{ request: requestOf(resolved), keys: [...data.keys()], asks, issuedAt },
    ...(refresh === undefined ? {} : { refresh }),
    ...(isDenied ? { isDenied } : {}),
    ...(made === undefined ? {} : { made }),
    ...(missing.length === 0 ? {} : { missing }),
  };
}

/** The earliest of these times. */
export function replaceAt(...times: readonly (EpochMs | undefined)[]): Pick<IssuedState, "replaceAt"> {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? {} : { replaceAt: Math.min(...known) };
}

/** The new one is in use, and the former one is ended as its declaration says. */
export function succeeded(
  issues: readonly Issue[],
  live: Issue | undefined,
  annotations: Readonly<Record<string, string>>,
  { rolloutTargets: targets, revokesReplaced: revokes }: ResolvedIssued,
  now: EpochMs,
): readonly Issue[] {
  return issues.map((issue) => {
    if (issue.serial === live?.serial) return live;
    return issue.state === "live" ? replacedIssue(issue, { annotations, targets, revokes }, now) : issue;
  });
}

/** The run's result, with new data. */
export function fresh<R extends ResolvedIssued>(
  kind: IssuingKind<R>,
  run: ObtainInput<R>,
  own: IssuedState,
  made: Made,
  issues: readonly Issue[],
): Obtained {
  const live = liveIssue({ issues });
  const isHeld = made.isHeld === true;
  return {
    ...{ kind: "data", data: made.data, issues },
    next: own.replaceAt === undefined ? "event" : { at: own.replaceAt },
    own: ownIssued(own),
    status: kind.status(own, live),
    isRotation: run.row.state.digest !== undefined && !isHeld,
    isIssued: !isHeld && kind.isReadEachTime?.(run, own) !== true,
    warnings: [...warningsOf(live, own), ...(made.warnings ?? [])],
  };
}
