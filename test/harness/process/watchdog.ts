import { type ChildProcess, spawn } from "node:child_process";
import type { Writable } from "node:stream";

/**
 * Reads what we started from a pipe that only we hold. The pipe closes when we end, however we end (even by kill -9):
 * then every process group on the list is ended and every folder on it removed. It is a shell and not Node because one
 * runs beside each test file.
 */
const SCRIPT = `
trap '' INT TERM HUP
groups=" "
list=""
while read -r op what; do
  case "$op" in
    +) groups="$groups$what " ;;
    -) groups=$(printf '%s' "$groups" | sed "s/ $what / /") ;;
    d) case "$what" in *keyferry-*) list="$list$what
" ;; esac ;;
  esac
done
alive() { for g in $groups; do kill -0 "-$g" 2>/dev/null && return 0; done; return 1; }
for g in $groups; do kill -CONT "-$g"; kill -TERM "-$g"; done 2>/dev/null
n=0
while alive && [ $n -lt 5 ]; do
  sleep 0.1; n=$((n+1))
  # PostgreSQL waits for its clients after a TERM, not after an INT.
  [ $n -eq 2 ] && for g in $groups; do kill -INT "-$g"; done 2>/dev/null
done
for g in $groups; do kill -KILL "-$g"; done 2>/dev/null
printf '%s' "$list" | while read -r dir; do rm -rf -- "$dir"; done
`;

let pipe: Writable | undefined;

/** The one watchdog of this process, started with the first thing that it has to watch. */
function watchdog(): Writable {
  if (pipe !== undefined) return pipe;
  // Detached, so that the terminal's Ctrl-C does not reach it: it has to outlive us by a moment.
  const child: ChildProcess = spawn("/bin/sh", ["-c", SCRIPT], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  if (child.stdin === null) throw new Error("the watchdog has no pipe");
  child.unref();
  child.stdin.on("error", () => undefined);
  if ("unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
  pipe = child.stdin;
  return pipe;
}

/** Ends this process group if we end without having done so. */
export const watchGroup = (pid: number): void => void watchdog().write(`+ ${pid}\n`);

/** The group has ended: its number may now be another's. */
export const forgetGroup = (pid: number): void => void watchdog().write(`- ${pid}\n`);

/** Removes this folder (its name has to contain `keyferry-`) if we end without having done so. */
export const watchFolder = (path: string): void => void watchdog().write(`d ${path}\n`);
