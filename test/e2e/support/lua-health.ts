import { createRequire } from "node:module";
import type { KubeObject } from "../../harness/index.ts";

/** The part of fengari, a Lua machine in JavaScript, that is used here. It has no types of its own. */
interface Fengari {
  readonly lua: {
    readonly LUA_OK: number;
    lua_newtable(machine: object): void;
    lua_pushstring(machine: object, text: Uint8Array): void;
    lua_pushnumber(machine: object, value: number): void;
    lua_pushboolean(machine: object, value: boolean): void;
    lua_rawset(machine: object, index: number): void;
    lua_setglobal(machine: object, name: Uint8Array): void;
    lua_getfield(machine: object, index: number, name: Uint8Array): void;
    lua_pcall(machine: object, args: number, results: number, handler: number): number;
    lua_tojsstring(machine: object, index: number): string;
  };
  readonly lauxlib: { luaL_newstate(): object; luaL_loadstring(machine: object, text: Uint8Array): number };
  readonly lualib: { luaL_openlibs(machine: object): void };
  to_luastring(text: string): Uint8Array;
}

const { lua, lauxlib, lualib, to_luastring: bytes } = createRequire(import.meta.url)("fengari") as Fengari;

/**
 * How a delivery tool judges a VaultStaticSecret: by its MAC first, then by its conditions. Written here from what such tools
 * are described to do.
 */
const SCRIPT = `
local function verdict(status, message) return { status = status, message = message } end
local status = obj.status
if status == nil then return verdict("Progressing", "no status yet") end
if (status.secretMAC or "") == "" then return verdict("Degraded", "the secret was never synced: no MAC") end
for _, condition in ipairs(status.conditions or {}) do
  if condition.status == "False" then return verdict("Degraded", condition.message) end
end
return verdict("Healthy", "synced")
`;

export interface Health {
  readonly status: string;
  readonly message: string;
}

/** Runs the script on an object as an API server shows it. */
export function healthByLua(obj: KubeObject): Health {
  const machine = lauxlib.luaL_newstate();
  lualib.luaL_openlibs(machine);
  push(machine, obj);
  lua.lua_setglobal(machine, bytes("obj"));
  const isRun =
    lauxlib.luaL_loadstring(machine, bytes(SCRIPT)) === lua.LUA_OK && lua.lua_pcall(machine, 0, 1, 0) === lua.LUA_OK;
  if (!isRun) throw new Error(lua.lua_tojsstring(machine, -1));
  const text = (name: string): string => {
    lua.lua_getfield(machine, 1, bytes(name));
    return lua.lua_tojsstring(machine, -1);
  };
  return { status: text("status"), message: text("message") };
}

function push(machine: object, value: unknown): void {
  if (typeof value === "string") lua.lua_pushstring(machine, bytes(value));
  else if (typeof value === "number") lua.lua_pushnumber(machine, value);
  else if (typeof value === "boolean") lua.lua_pushboolean(machine, value);
  else pushTable(machine, value);
}

function pushTable(machine: object, value: unknown): void {
  lua.lua_newtable(machine);
  const isList = Array.isArray(value);
  for (const [name, item] of Object.entries(value ?? {})) {
    if (item === null || item === undefined) continue;
    push(machine, isList ? Number(name) + 1 : name);
    push(machine, item);
    lua.lua_rawset(machine, -3);
  }
}
