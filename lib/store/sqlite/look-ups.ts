import type { KeptLookUp, KeptLookUps, LookUpMessage } from "../../ports/queue.ts";
import { isShape, isTime, parsed } from "../stored.ts";
import type { Connection } from "./connection.ts";

interface LookUpRecord {
  readonly id: number;
  readonly message: string;
}

/** Look-ups that wait for their time. */
export function keptLookUps(connection: Connection): KeptLookUps {
  const all = connection.all<LookUpRecord>("SELECT id, message FROM look_up ORDER BY id LIMIT :limit");
  const put = connection.writeOne<Pick<LookUpRecord, "id">>(
    "INSERT INTO look_up (message) VALUES (:message) RETURNING id",
  );
  const remove = connection.write("DELETE FROM look_up WHERE id = :id");
  return {
    keepLookUps: (messages) =>
      connection.change("keepLookUps", () =>
        messages.map((message) => put({ message: JSON.stringify(message) })?.id ?? 0),
      ),
    lookUps: (limit) =>
      connection.read("lookUps", () =>
        all({ limit }).map(({ id, message }): KeptLookUp => {
          const found = parsed(message);
          const isSound = isLookUp(found);
          if (!isSound) connection.damaged(`look-up ${id}`);
          return { id, ...(isSound && { message: found }) };
        }),
      ),
    forgetLookUps: (ids) => connection.change("forgetLookUps", () => void ids.map((id) => remove({ id }))),
  };
}

/** What an inlet writes: the file is ours, and may be damaged. */
function isLookUp(value: unknown): value is LookUpMessage {
  if (!isShape(value) || value.kind !== "look-up" || typeof value.vault !== "string" || !isTime(value.at)) return false;
  const { look } = value;
  if (!isShape(look)) return false;
  return look.kind === "denied" || (look.kind === "places" && isTime(look.since) && arePlaces(look.places));
}

function arePlaces(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (place) =>
        isShape(place) &&
        (place.where === "path" || place.where === "prefix") &&
        typeof place.path === "string" &&
        isTime(place.at) &&
        (place.found === "many" || Array.isArray(place.found)),
    )
  );
}
