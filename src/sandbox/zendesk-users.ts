/** Zendesk's users, and how its lists are paged. */
import { asNumber, asObject, asText } from "./bodies.ts";
import type { Answer, Call, Route } from "./call.ts";
import { textOf } from "./call.ts";
import type { UserRecord, ZendeskState } from "./zendesk-records.ts";
import { failure, recordInvalid, userView } from "./zendesk-records.ts";

/** Id of the user whose token the clients hold. */
export const agent = 1;

export interface Context {
  readonly state: ZendeskState;
  readonly now: () => number;
  base(): string;
}

export function addUser(
  state: ZendeskState,
  at: number,
  user: { email: string; name: string; role?: string },
): UserRecord {
  const record = { id: state.nextId++, role: "end-user", ...user, createdAt: at };
  state.users.push(record);
  return record;
}

/** By cursor with `page[size]`, else the whole list with the words of the older paging. */
export function paged(call: Call, name: string, items: readonly unknown[]): Answer {
  const page = asObject(call.query["page"]);
  const size = asNumber(page["size"]);
  if (size === undefined) {
    return {
      status: 200,
      json: { [name]: items, count: items.length, next_page: null, previous_page: null },
    };
  }
  const start = asNumber(page["after"]) ?? 0;
  const end = start + Math.min(100, size);
  const more = end < items.length;
  return {
    status: 200,
    json: {
      [name]: items.slice(start, end),
      meta: {
        has_more: more,
        after_cursor: more ? String(end) : null,
        before_cursor: start > 0 ? String(start) : null,
      },
      links: { next: null, prev: null },
    },
  };
}

export function userRoutes(context: Context): Route[] {
  return [
    ["GET", "/api/v2/users/search", (call) => searchUsers(context, call)],
    ["POST", "/api/v2/users/create_or_update", (call) => createOrUpdateUser(context, call)],
    ["GET", "/api/v2/users/me", () => me(context)],
  ];
}

function searchUsers({ state, base }: Context, call: Call): Answer {
  const query = (textOf(call, "query") ?? "")
    .replace(/^email:/, "")
    .replaceAll('"', "")
    .toLowerCase();
  const wanted = textOf(call, "external_id");
  const users =
    wanted === undefined
      ? state.users.filter((one) => `${one.email} ${one.name}`.toLowerCase().includes(query))
      : [];
  return paged(
    call,
    "users",
    users.map((one) => userView(base(), one)),
  );
}

function createOrUpdateUser({ state, now, base }: Context, call: Call): Answer {
  const user = asObject(asObject(call.body)["user"]);
  const email = asText(user["email"])?.toLowerCase();
  const name = asText(user["name"]);
  if (!name) return recordInvalid("name", "Name: is too short (minimum one character)", "ValueTooShort");
  const known = state.users.find((one) => one.email === email);
  if (known) known.name = name;
  const record = known ?? addUser(state, now(), { email: email ?? "", name });
  return { status: known ? 200 : 201, json: { user: userView(base(), record) } };
}

function me({ state, base }: Context): Answer {
  const own = state.users.find((one) => one.id === agent);
  return own
    ? { status: 200, json: { user: { ...userView(base(), own), authenticity_token: "sandbox" } } }
    : failure(404, "Not found");
}
