/** Slack's Web API, under `/api/` or at the root: posting, updating, reading back. Errors are 200 with `ok: false`. */
import type { Json, JsonObject } from "../domain/json.ts";
import { isObject } from "../domain/json.ts";
import { asNumber, asObject, asText } from "./bodies.ts";
import type { Answer, Call, Route } from "./call.ts";
import { bearer } from "./call.ts";
import type { Effect, Stand, VendorOptions } from "./stand.ts";
import { openStand, saving } from "./stand.ts";
import { answered, press } from "./slack-presses.ts";
import type { PressAnswer, Pressing } from "./slack-presses.ts";
import type { Delivered } from "./senders.ts";
import { openStore } from "./store.ts";

interface Channel {
  id: string;
  name: string;
}

interface Message {
  channel: string;
  ts: string;
  text: string;
  blocks: Json;
  metadata: Json;
  threadTs: string | null;
  edited: string | null;
}

interface SlackState {
  nextId: number;
  channels: Channel[];
  users: { id: string; name: string; email: string }[];
  messages: Message[];
  /** What was answered to presses of buttons. */
  answers: PressAnswer[];
  effects: Effect[];
}

export interface SlackSandbox extends Stand {
  readonly state: SlackState;
  /** `#signalbox` is there from the start. */
  addChannel(name: string): Channel;
  addUser(user: { name: string; email: string }): { id: string };
  /** A person presses a button of a message; resolves to what the app's address answered. */
  press(pressing: Pressing): Promise<Delivered>;
  /** The next requests are answered 429; `retryAfter` in seconds. */
  limitRate(limit?: { times?: number; retryAfter?: number }): void;
}

const bot = { id: "U0SANDBOX", bot: "B0SANDBOX", team: "T0SANDBOX" };
const ok = (fields: object): Answer => ({ status: 200, json: { ok: true, ...fields } });
const refuse = (error: string): Answer => ({ status: 200, json: { ok: false, error } });

export async function startSlack(options: VendorOptions): Promise<SlackSandbox> {
  const { now } = options;
  const store = openStore<SlackState>(options.file ?? null, {
    nextId: 1,
    channels: [{ id: "C0000000001", name: "signalbox" }],
    users: [],
    messages: [],
    answers: [],
    effects: [],
  });
  const { state } = store;
  state.answers ??= [];
  let presses = 0;
  const id = (prefix: string) => `${prefix}${String(1_000 + state.nextId++).padStart(10, "0")}`;
  const stand = await openStand({
    now,
    routes: routesOf(state, now),
    // What is answered to a press is let in by its address.
    authorize: (call) =>
      call.path.startsWith("/response/") || (bearer(call) ?? asText(asObject(call.body)["token"]))
        ? null
        : refuse("not_authed"),
    failure: (status, message) => ({
      status,
      json: {
        ok: false,
        error: status === 429 ? "ratelimited" : status === 404 ? "unknown_method" : "internal_error",
        message,
      },
    }),
    save: store.save,
  });
  const seed = saving(store.save);
  return {
    ...stand,
    state,
    addChannel: seed((name) => {
      const channel = { id: id("C"), name };
      state.channels.push(channel);
      return channel;
    }),
    addUser: seed((user) => {
      const record = { id: id("U"), ...user };
      state.users.push(record);
      return record;
    }),
    async press(pressing) {
      const message = state.messages.at(pressing.message ?? -1);
      if (!message) throw new Error("there is no such message");
      presses += 1;
      return press(message, pressing, { standUrl: stand.url, now: now(), count: presses });
    },
    limitRate({ times = 1, retryAfter = 1 } = {}) {
      stand.faults.fail({ status: 429, body: { ok: false, error: "ratelimited" }, retryAfter, times });
    },
  };
}

function routesOf(state: SlackState, now: () => number): Route[] {
  const methods: readonly (readonly [verb: string, name: string, handle: (fields: JsonObject) => Answer])[] =
    [
      ["POST", "chat.postMessage", (fields) => post(state, now(), fields)],
      ["POST", "chat.update", (fields) => update(state, now(), fields)],
      ["GET", "conversations.history", (fields) => history(state, fields)],
      ["GET", "conversations.list", (fields) => channels(state, fields)],
      ["GET", "users.lookupByEmail", (fields) => lookup(state, fields)],
      ["GET", "auth.test", () => identity()],
      ["POST", "auth.test", () => identity()],
    ];
  const answers: Route = ["POST", "/response/:ts/:user", (call) => answered(call, state)];
  const apis = methods.flatMap(([verb, name, handle]): Route[] => {
    const route = (call: Call) => handle({ ...call.query, ...asObject(call.body) });
    return [
      [verb, `/api/${name}`, route],
      [verb, `/${name}`, route],
    ];
  });
  return [...apis, answers];
}

const identity = (): Answer =>
  ok({
    url: "https://sandbox.slack.com/",
    team: "Sandbox",
    user: "signalbox",
    team_id: bot.team,
    user_id: bot.id,
    bot_id: bot.bot,
    is_enterprise_install: false,
  });

/** Posting takes an id or a name; the other methods take ids only. */
const channelOf = (state: SlackState, value: Json | undefined): Channel | undefined =>
  state.channels.find((one) => one.id === value || `#${one.name}` === value || one.name === value);

/** In a form, `metadata` and `blocks` are JSON texts. */
function structured(value: Json | undefined): Json {
  if (typeof value !== "string") return value ?? null;
  try {
    return JSON.parse(value) as Json;
  } catch {
    return null;
  }
}

/** Time stamps are the ids of messages: each is later than the one before, even within a microsecond. */
function stamp(state: SlackState, now: number): string {
  const last = Math.max(0, ...state.messages.map((one) => Math.round(Number(one.ts) * 1_000_000)));
  return (Math.max(now * 1_000, last + 1) / 1_000_000).toFixed(6);
}

const view = (message: Message, withMetadata: boolean) => ({
  type: "message",
  subtype: "bot_message",
  text: message.text,
  ts: message.ts,
  user: bot.id,
  bot_id: bot.bot,
  team: bot.team,
  ...(Array.isArray(message.blocks) ? { blocks: message.blocks } : {}),
  ...(message.threadTs === null ? {} : { thread_ts: message.threadTs }),
  ...(withMetadata && message.metadata !== null ? { metadata: message.metadata } : {}),
});

function post(state: SlackState, now: number, fields: JsonObject): Answer {
  const channel = channelOf(state, fields["channel"]);
  if (!channel) return refuse("channel_not_found");
  const text = asText(fields["text"]) ?? "";
  const blocks = structured(fields["blocks"]);
  if (text === "" && !Array.isArray(blocks)) return refuse("no_text");
  if (text.length > 40_000) return refuse("msg_too_long");
  const metadata = structured(fields["metadata"]);
  if (
    isObject(metadata) &&
    (!asText(metadata["event_type"]) || !isObject(metadata["event_payload"] ?? null))
  ) {
    return refuse("invalid_metadata_format");
  }
  const ts = stamp(state, now);
  const message: Message = {
    channel: channel.id,
    ts,
    text,
    blocks,
    metadata,
    threadTs: asText(fields["thread_ts"]) ?? null,
    edited: null,
  };
  state.messages.push(message);
  const payload = asObject(asObject(metadata)["event_payload"]);
  const key = Object.values(payload).find((value) => typeof value === "string");
  state.effects.push({
    vendor: "slack",
    kind: "message",
    target: `#${channel.name}`,
    at: now,
    ...(typeof key === "string" ? { key } : {}),
  });
  return ok({ channel: channel.id, ts, message: view(message, true) });
}

function update(state: SlackState, now: number, fields: JsonObject): Answer {
  const channel = channelOf(state, fields["channel"]);
  if (!channel) return refuse("channel_not_found");
  const message = state.messages.find((one) => one.channel === channel.id && one.ts === fields["ts"]);
  if (!message) return refuse("message_not_found");
  message.text = asText(fields["text"]) ?? message.text;
  if (fields["blocks"] !== undefined) message.blocks = structured(fields["blocks"]);
  if (fields["metadata"] !== undefined) message.metadata = structured(fields["metadata"]);
  message.edited = (now / 1_000).toFixed(6);
  return ok({ channel: channel.id, ts: message.ts, text: message.text, message: view(message, true) });
}

/** Newest first. */
function history(state: SlackState, fields: JsonObject): Answer {
  const channel = state.channels.find((one) => one.id === fields["channel"]);
  if (!channel) return refuse("channel_not_found");
  const withMetadata = ["true", "1", true].includes(fields["include_all_metadata"] as string | boolean);
  const inclusive = ["true", "1", true].includes(fields["inclusive"] as string | boolean);
  const oldest = asNumber(fields["oldest"]) ?? 0;
  const latest = asNumber(fields["latest"]) ?? Number.POSITIVE_INFINITY;
  const met = state.messages
    .filter((one) => one.channel === channel.id && one.threadTs === null)
    .filter(({ ts }) =>
      inclusive ? Number(ts) >= oldest && Number(ts) <= latest : Number(ts) > oldest && Number(ts) < latest,
    )
    .toReversed();
  const limit = asNumber(fields["limit"]) ?? 100;
  const start = asNumber(fields["cursor"]) ?? 0;
  const end = start + limit;
  const more = end < met.length;
  return ok({
    messages: met.slice(start, end).map((one) => view(one, withMetadata)),
    has_more: more,
    pin_count: 0,
    channel_actions_ts: null,
    channel_actions_count: 0,
    ...(more ? { response_metadata: { next_cursor: String(end) } } : {}),
  });
}

function channels(state: SlackState, fields: JsonObject): Answer {
  const limit = asNumber(fields["limit"]) ?? 100;
  const start = asNumber(fields["cursor"]) ?? 0;
  const end = start + limit;
  const page = state.channels.slice(start, end).map((one) => channelView(one));
  return ok({
    channels: page,
    response_metadata: { next_cursor: end < state.channels.length ? String(end) : "" },
  });
}

const channelView = ({ id, name }: Channel) => ({
  id,
  name,
  name_normalized: name,
  is_channel: true,
  is_group: false,
  is_im: false,
  is_mpim: false,
  is_private: false,
  is_archived: false,
  is_general: false,
  is_member: true,
  is_shared: false,
  is_org_shared: false,
  is_ext_shared: false,
  created: 1_700_000_000,
  creator: bot.id,
  unlinked: 0,
  num_members: 2,
  topic: { value: "", creator: "", last_set: 0 },
  purpose: { value: "", creator: "", last_set: 0 },
  previous_names: [],
  pending_shared: [],
  pending_connected_team_ids: [],
  shared_team_ids: [bot.team],
});

function lookup(state: SlackState, fields: JsonObject): Answer {
  const email = asText(fields["email"])?.toLowerCase();
  const user = state.users.find((one) => one.email.toLowerCase() === email);
  return user
    ? ok({
        user: {
          id: user.id,
          team_id: bot.team,
          name: user.name,
          profile: { email: user.email, real_name: user.name },
        },
      })
    : refuse("users_not_found");
}
