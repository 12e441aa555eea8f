/**
 * Answers of models, kept in files and given again: an evaluation is then repeated without a key and without cost. A
 * record is found by the hash of the exact request, so that a changed prompt, case or schema never gets an old answer.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { hashJson } from "../domain/json.ts";
import type { Json } from "../domain/json.ts";
import type { Model, ModelAnswer, ModelRequest } from "../domain/ports.ts";
import { ServiceError } from "../domain/errors.ts";
import { redactText } from "../observability/redact.ts";

const Stored = z.object({
  text: z.string(),
  stop: z.enum(["end", "refusal", "truncated"]),
  usage: z.object({
    model: z.string(),
    inputTokens: z.number(),
    outputTokens: z.number(),
    costUsd: z.number().nullable(),
  }),
});

/** Of all that the model is sent: who is asked, the texts, the schema. The name under `models:` is no part of it. */
function keyOf(model: Pick<Model, "provider" | "model">, request: ModelRequest): string {
  const sent = { ...request, signal: null, schema: z.toJSONSchema(request.schema) };
  const asked = { provider: model.provider, model: model.model, ...sent };
  return hashJson(JSON.parse(JSON.stringify(asked)) as Json);
}

const fileOf = (folder: string, key: string): string => join(folder, `${key}.json`);

/** Asks, and keeps each answer in `folder`: the answer alone, free of credentials and addresses, nothing of the request. */
export const recording = (model: Model, folder: string): Model => ({
  ...model,
  async complete(request) {
    const answer = await model.complete(request);
    await mkdir(folder, { recursive: true });
    const { text, stop, usage } = answer;
    const stored = { text: redactText(text), stop, usage };
    await writeFile(fileOf(folder, keyOf(model, request)), `${JSON.stringify(stored, null, 2)}\n`);
    return answer;
  },
});

/**
 * Gives what was recorded, and asks nobody. `onMissing` is told the key of a request that was not recorded; that request
 * fails as one that the vendor refuses.
 */
export const replaying = (model: Model, folder: string, onMissing: (key: string) => void): Model => ({
  ...model,
  configured: true,
  async complete(request): Promise<ModelAnswer> {
    const key = keyOf(model, request);
    const stored = await read(fileOf(folder, key));
    if (stored === null) {
      onMissing(key);
      throw new ServiceError(
        `model:${model.provider}/${model.model}`,
        "invalid",
        "no answer to this request was recorded",
      );
    }
    return stored;
  },
});

async function read(file: string): Promise<ModelAnswer | null> {
  try {
    return Stored.parse(JSON.parse(await readFile(file, "utf8")));
  } catch {
    return null;
  }
}
