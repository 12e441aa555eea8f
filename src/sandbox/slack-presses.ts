/** A person in the stand-in for Slack: presses a button of a message, and sees what is answered. */
import type { Json, JsonObject } from "../domain/json.ts";
import { asObject, asText } from "./bodies.ts";
import type { Answer, Call } from "./call.ts";
import { deliver, signSlack } from "./senders.ts";
import type { Delivered } from "./senders.ts";

/** What came to the address of a press: seen by one person, or in place of the message. */
export interface PressAnswer {
  readonly ts: string;
  readonly user: string;
  readonly text: string;
  readonly ephemeral: boolean;
}

export interface Pressing {
  /** The place of the message among all that were posted; the last, where it is left out. */
  readonly message?: number;
  /** Which of its buttons, by its text: `Approve`, `Reject`. */
  readonly button: string;
  /** Of several with this text: which. */
  readonly nth?: number;
  /** The user id of whoever presses. */
  readonly user: string;
  /** Where Interactivity is pointed to, and the app's signing secret. */
  readonly url: string;
  readonly secret: string;
  /** Instead of the button's own. */
  readonly value?: string;
  /** Instead of Slack's own. */
  readonly responseUrl?: string;
}

export interface Pressable {
  readonly channel: string;
  readonly ts: string;
  readonly text: string;
  readonly blocks: Json;
}

/** The buttons of a message, in their order. */
const buttonsOf = ({ blocks }: Pick<Pressable, "blocks">): JsonObject[] =>
  (Array.isArray(blocks) ? blocks : [])
    .flatMap((block: Json) => {
      const { elements, block_id: blockId } = asObject(block);
      return (Array.isArray(elements) ? elements : []).map((element: Json) => ({
        ...asObject(element),
        block_id: blockId ?? "",
      }));
    })
    .filter((element) => (element as JsonObject)["type"] === "button");

/** Sends what Slack sends of a click, signed. Throws when the message has no such button. */
export async function press(
  message: Pressable,
  { button, nth = 0, user, url, secret, value, responseUrl }: Pressing,
  { standUrl, now, count }: { readonly standUrl: string; readonly now: number; readonly count: number },
): Promise<Delivered> {
  const found = buttonsOf(message).filter((one) => asObject(one["text"])["text"] === button)[nth];
  if (!found) throw new Error(`the message has no button "${button}": ${JSON.stringify(message.blocks)}`);
  const { style: _style, confirm: _confirm, ...clicked } = found;
  const payload = {
    type: "block_actions",
    user: { id: user, username: user.toLowerCase(), team_id: "T0SANDBOX" },
    api_app_id: "A0SANDBOX",
    container: { type: "message", message_ts: message.ts, channel_id: message.channel, is_ephemeral: false },
    trigger_id: `${now}.${count}`,
    team: { id: "T0SANDBOX", domain: "sandbox" },
    channel: { id: message.channel, name: "signalbox" },
    message: { type: "message", ts: message.ts, text: message.text, blocks: message.blocks },
    response_url: responseUrl ?? `${standUrl}/response/${message.ts}/${user}`,
    actions: [
      {
        ...clicked,
        value: value ?? clicked["value"] ?? "",
        action_ts: ((now * 1_000 + count) / 1_000_000).toFixed(6),
      },
    ],
  };
  const timestamp = Math.floor(now / 1_000);
  return deliver(url, signSlack({ secret, payload, timestamp, form: "interaction" }));
}

/** Takes an answer to a press, as the address that came with it does. */
export function answered(
  call: Call,
  state: { readonly messages: { ts: string; text: string; blocks: Json }[]; readonly answers: PressAnswer[] },
): Answer {
  const { ts = "", user = "" } = call.params;
  const body = asObject(call.body);
  const message = state.messages.find((one) => one.ts === ts);
  if (!message) return { status: 404, json: { ok: false, error: "expired_url" } };
  const text = asText(body["text"]) ?? "";
  const ephemeral = body["replace_original"] !== true;
  if (!ephemeral) {
    message.text = text;
    message.blocks = body["blocks"] ?? null;
  }
  state.answers.push({ ts, user, text, ephemeral });
  return { status: 200, text: "ok" };
}
