import type { TakenPost, TakenPosts } from "../../ports/taken-posts.ts";
import type { Connection } from "./connection.ts";

/** Signed POSTs that were taken, for the minutes in which they could be sent again. */
export function takenPosts(connection: Connection): TakenPosts {
  const all = connection.all<TakenPost>(
    "SELECT id, until_at AS until FROM taken_post WHERE vault = :vault AND until_at >= :now",
  );
  const put = connection.write(`
    INSERT INTO taken_post (vault, id, until_at) VALUES (:vault, :id, :until) ON CONFLICT DO NOTHING`);
  const forget = connection.part("DELETE FROM taken_post WHERE until_at < :now");
  return {
    takenPosts: (vault, now) => connection.read("takenPosts", () => all({ vault, now })),
    rememberPost: (vault, { id, until }, now) =>
      connection.change("rememberPost", () => {
        forget({ now });
        put({ vault, id, until });
      }),
  };
}
