/** What holds for every agent, whatever it does: `agentContract(definition)` in its own test file. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { isActionKind } from "../../src/domain/action-kinds.ts";
import type { AgentDefinition, AgentKit } from "../../src/domain/agent.ts";
import { EventFault } from "../../src/domain/errors.ts";
import type { Json } from "../../src/domain/json.ts";

type Schema = z.core.JSONSchema.JSONSchema;

const isSchema = (value: unknown): value is Schema => typeof value === "object" && value !== null;

/** Every schema inside a schema, itself included, with its place. */
function* parts(schema: Schema, place = "decision"): Generator<{ schema: Schema; place: string }> {
  yield { schema, place };
  for (const [name, part] of Object.entries(schema.properties ?? {})) {
    if (isSchema(part)) yield* parts(part, `${place}.${name}`);
  }
  for (const [name, part] of Object.entries(schema.$defs ?? {})) yield* parts(part, `${place}#${name}`);
  if (isSchema(schema.items) && !Array.isArray(schema.items)) yield* parts(schema.items, `${place}[]`);
  for (const part of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) {
    if (isSchema(part)) yield* parts(part, place);
  }
}

/** A kit without a model and without any destination that could be read. */
const bareKit = <P>(policy: P, type: string, payload: unknown): AgentKit<P> => ({
  event: { id: "evt_1", source: "source", type, receivedAt: 1_700_000_000_000, payload },
  policy,
  now: 1_700_000_000_000,
  read: { github: null, linear: null, stripe: null, zendesk: null, hubspot: null },
  step: <T extends Json>(_name: string, _version: number, fn: () => Promise<T>) => fn(),
  decide: (request) =>
    Promise.resolve({
      decision: request.rules(),
      decidedBy: "rules" as const,
      why: "no model is configured",
    }),
});

export function agentContract<P>(agent: AgentDefinition<P>): void {
  describe(`the agent ${agent.name}`, () => {
    it("has a name that can be written in a route and in a file name", () => {
      expect(agent.name).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
    });

    it("says which events it accepts", () => {
      expect(agent.accepts).not.toEqual([]);
      expect(agent.accepts).not.toContain("*");
    });

    it("has a limit by default wherever its policy has one", () => {
      expect(agent.policy.safeParse({})).toMatchObject({ success: true });
    });

    it("allows kinds of action that exist, each named once", () => {
      expect(agent.allows).not.toEqual([]);
      expect(agent.allows.filter((kind) => !isActionKind(kind))).toEqual([]);
      expect(new Set(agent.allows).size).toBe(agent.allows.length);
    });

    it("can only be answered in closed objects whose fields are all required", () => {
      const schema = z.toJSONSchema(agent.decision, { io: "input" });
      expect(schema.type).toBe("object");
      for (const { schema: part, place } of parts(schema)) {
        expect(part, `${place} says what it may be`).not.toEqual({});
        expect(part.prefixItems, `${place} is no tuple`).toBeUndefined();
        if (part.type !== "object") continue;
        expect(part.additionalProperties, `${place} is closed`).toBe(false);
        expect([...(part.required ?? [])].sort(), `${place} requires every field`).toEqual(
          Object.keys(part.properties ?? {}).sort(),
        );
      }
    });

    it("ends with a plan inside its allowance or blames the event, whatever the payload", async () => {
      const policy = agent.policy.parse({});
      const types = fc.constantFrom(...agent.accepts);
      await fc.assert(
        fc.asyncProperty(types, fc.jsonValue(), async (type, payload) => {
          const outcome = await agent.flow(bareKit(policy, type, payload)).catch((error: unknown) => {
            if (error instanceof EventFault) return null;
            throw error;
          });
          if (outcome === null) return;
          expect(outcome.summary).not.toBe("");
          const outside = outcome.actions.filter((action) => !agent.allows.includes(action.kind));
          expect(outside).toEqual([]);
          const names = outcome.actions.map((action) => action.name);
          expect(new Set(names).size).toBe(names.length);
        }),
        { numRuns: 200 },
      );
    });
  });
}
