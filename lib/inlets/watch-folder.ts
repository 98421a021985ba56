import { type FSWatcher, watch } from "node:fs";
import { basename, dirname, extname } from "node:path";

/** Calls back when the file or one of its rotated ones changes. Where the system can't watch, it never does. */
export function watchFolder(path: string, onChange: () => void): Disposable {
  const base = basename(path);
  const stem = base.slice(0, base.length - extname(base).length);
  let watcher: FSWatcher | undefined;
  const close = (): void => {
    watcher?.close();
    watcher = undefined;
  };
  try {
    watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
      if (name === null || name.startsWith(stem)) onChange();
    });
    watcher.on("error", close);
  } catch {
    // The follower polls as well.
  }
  return { [Symbol.dispose]: close };
}
