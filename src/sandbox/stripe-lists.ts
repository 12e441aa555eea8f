/** Stripe's reading side: cursor-paged lists and `expand`. */
import type { Json, JsonObject } from "../domain/json.ts";
import { isObject } from "../domain/json.ts";
import { asList, asNumber, asObject, asText, asWord } from "./bodies.ts";
import type { Answer, Call } from "./call.ts";
import { textOf } from "./call.ts";
import type { StripeObject } from "./stripe-shapes.ts";

const types: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "invalid_request_error",
  404: "invalid_request_error",
  429: "invalid_request_error",
};
const codes: Readonly<Record<number, string>> = { 404: "resource_missing", 429: "rate_limit" };

export function stripeFailure(
  status: number,
  message: string,
  details: { code?: string; param?: string; type?: string } = {},
): Answer {
  const code = details.code ?? codes[status];
  return {
    status,
    json: {
      error: {
        type: details.type ?? types[status] ?? "api_error",
        message,
        ...(code === undefined ? {} : { code }),
        ...(details.param === undefined ? {} : { param: details.param }),
      },
    },
  };
}

export const missing = (kind: string, id: string): Answer =>
  stripeFailure(404, `No such ${kind}: '${id}'`, { param: "id" });

/** Lists may be narrowed by these fields; each says where the value is. */
export type Filters = Readonly<Record<string, (object: StripeObject) => Json | undefined>>;

/** Newest first, `limit` (10, 100 at most), `starting_after`, `ending_before`, `created[gte|gt|lte|lt]`. */
export function list(
  call: Call,
  all: readonly StripeObject[],
  filters: Filters,
  find: (id: string) => Json,
): Answer {
  const limit = asNumber(call.query["limit"]) ?? 10;
  if (limit < 1 || limit > 100) {
    return stripeFailure(400, "This value must be greater than or equal to 1 and at most 100.", {
      param: "limit",
    });
  }
  const met = all
    .filter((object) =>
      Object.entries(filters).every(([name, read]) => {
        const wanted = textOf(call, name);
        return wanted === undefined || asWord(read(object)) === wanted;
      }),
    )
    .filter((object) => within(object.created, call.query["created"]))
    .toReversed();
  const after = textOf(call, "starting_after");
  const before = textOf(call, "ending_before");
  const cursor = after ?? before;
  const at = met.findIndex((object) => object.id === cursor);
  if (cursor !== undefined && at < 0)
    return stripeFailure(400, `No such object: '${cursor}'`, {
      code: "resource_missing",
      param: "starting_after",
    });
  const rest =
    after !== undefined
      ? met.slice(at + 1)
      : before !== undefined
        ? met.slice(Math.max(0, at - limit), at)
        : met;
  const data = rest.slice(0, limit).map((object) => expanded(object, expandsOf(call, "data."), find));
  return {
    status: 200,
    json: {
      object: "list",
      data,
      has_more: before === undefined ? rest.length > limit : at > limit,
      url: call.path,
    },
  };
}

function within(created: number, range: Json | undefined): boolean {
  if (range === undefined) return true;
  const exact = asNumber(range);
  if (exact !== undefined) return created === exact;
  const bound = (name: string) => asNumber(asObject(range)[name]);
  return (
    created >= (bound("gte") ?? Number.NEGATIVE_INFINITY) &&
    created > (bound("gt") ?? Number.NEGATIVE_INFINITY) &&
    created <= (bound("lte") ?? Number.POSITIVE_INFINITY) &&
    created < (bound("lt") ?? Number.POSITIVE_INFINITY)
  );
}

/** The paths to expand, from query or form; on lists they start with `data.`. */
export function expandsOf(call: Call, prefix = ""): string[] {
  const given = [...asList(call.query["expand"]), ...asList(asObject(call.body)["expand"])];
  return given.flatMap((path) => {
    const text = asText(path);
    return text?.startsWith(prefix) ? [text.slice(prefix.length)] : [];
  });
}

/** Puts objects where the paths hold their ids; an unknown id stays an id. */
export function expanded(object: StripeObject, paths: readonly string[], find: (id: string) => Json): Json {
  return paths.reduce<Json>((value, path) => expandPath(value, path.split("."), find), object);
}

function expandPath(value: Json, path: readonly string[], find: (id: string) => Json): Json {
  if (typeof value === "string") return expandPath(find(value), path, find);
  if (Array.isArray(value)) return value.map((item: Json) => expandPath(item, path, find));
  const [head, ...rest] = path;
  if (head === undefined || !isObject(value) || value[head] === undefined) return value;
  return { ...value, [head]: expandPath(value[head], rest, find) } as JsonObject;
}
