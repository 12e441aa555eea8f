import { Client } from "@hubspot/api-client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HubspotSandbox } from "../../src/sandbox/hubspot.ts";
import { startHubspot } from "../../src/sandbox/hubspot.ts";

let now: number;
let sandbox: HubspotSandbox;
let crm: Client["crm"];
beforeEach(async () => {
  now = 1_800_000_000_000;
  sandbox = await startHubspot({ now: () => now });
  crm = new Client({ accessToken: "pat-secret", basePath: sandbox.url, numberOfApiCallRetries: 0 }).crm;
});
afterEach(() => sandbox.close());

const ada = { email: "ada@example.com", firstname: "Ada" };
const note = { hs_note_body: "Called. [signalbox:k1]", hs_timestamp: "2026-01-01T00:00:00Z" };
const toContact = (id: string) => ({
  to: { id },
  types: [{ associationCategory: "HUBSPOT_DEFINED" as never, associationTypeId: 202 }],
});
const byEmail = (value: string) => ({
  filterGroups: [{ filters: [{ propertyName: "email", operator: "EQ" as never, value }] }],
  properties: ["email"],
  limit: 10,
  after: "0",
  sorts: [],
});
const kinds = () => sandbox.state.effects.map(({ kind, key }) => [kind, key]);

describe("HubSpot's stand-in", () => {
  it("creates a contact once, and names the one that exists", async () => {
    const { id } = await crm.contacts.basicApi.create({ properties: ada });
    const again = crm.contacts.basicApi.create({ properties: { email: "ADA@example.com" } });
    await expect(again).rejects.toMatchObject({
      code: 409,
      body: { message: `Contact already exists. Existing ID: ${id}`, category: "CONFLICT" },
    });
    expect(kinds()).toEqual([["contact", undefined]]);
  });

  it("upserts by e-mail: the first time is new, the second is not", async () => {
    const input = {
      inputs: [{ id: "ada@example.com", idProperty: "email", properties: { firstname: "Ada" } }],
    };
    const first = await crm.contacts.batchApi.upsert(input);
    const second = await crm.contacts.batchApi.upsert(input);
    expect([first.results[0]?._new, second.results[0]?._new]).toEqual([true, false]);
    expect(second.results[0]?.id).toBe(first.results[0]?.id);
    expect(kinds()).toHaveLength(1);
  });

  it("reads and changes a contact by e-mail", async () => {
    await crm.contacts.basicApi.create({ properties: ada });
    await crm.contacts.basicApi.update("ada@example.com", { properties: { phone: "1" } }, "email");
    const found = await crm.contacts.basicApi.getById(
      "ada@example.com",
      ["phone", "city"],
      undefined,
      undefined,
      false,
      "email",
    );
    expect(found.properties).toMatchObject({ phone: "1", city: null });
    await expect(
      crm.contacts.basicApi.getById("none@example.com", [], [], [], false, "email"),
    ).rejects.toMatchObject({ code: 404 });
  });

  it.each([
    ["a number for a property", "contacts", { email: "a@example.com", age: 3 }],
    ["no address", "contacts", { email: "nobody" }],
    ["a note without its time", "notes", { hs_note_body: "Hello" }],
  ])("refuses %s", async (_, type, properties) => {
    const response = await fetch(`${sandbox.url}/crm/v3/objects/${type}`, {
      method: "POST",
      headers: { authorization: "Bearer pat", "content-type": "application/json" },
      body: JSON.stringify({ properties }),
    });
    expect([response.status, await response.json()]).toMatchObject([400, { category: "VALIDATION_ERROR" }]);
    expect(sandbox.state.objects).toEqual([]);
  });

  it("shows a note from both ends of its association", async () => {
    const contact = await crm.contacts.basicApi.create({ properties: ada });
    const made = await crm.objects.notes.basicApi.create({
      properties: note,
      associations: [toContact(contact.id)],
    });
    const page = await crm.associations.v4.basicApi.getPage("contacts", contact.id, "notes", undefined, 500);
    expect(page.results).toMatchObject([{ toObjectId: made.id, associationTypes: [{ typeId: 201 }] }]);
    await crm.associations.v4.basicApi.createDefault("notes", made.id, "contacts", contact.id);
    expect(sandbox.state.associations).toHaveLength(2);
    expect(kinds()).toEqual([
      ["contact", undefined],
      ["note", "k1"],
    ]);
  });

  it("makes no object when its association is impossible", async () => {
    const made = crm.objects.notes.basicApi.create({ properties: note, associations: [toContact("9")] });
    await expect(made).rejects.toMatchObject({ code: 400 });
    expect([sandbox.state.objects, kinds()]).toEqual([[], []]);
  });

  it("finds a contact by search only when the index has caught up; reading sees it at once", async () => {
    sandbox.setSearchLag(5_000);
    const { id } = await crm.contacts.basicApi.create({ properties: ada });
    expect((await crm.contacts.searchApi.doSearch(byEmail("ada@example.com"))).total).toBe(0);
    expect((await crm.contacts.basicApi.getById(id)).id).toBe(id);
    now += 5_000;
    expect((await crm.contacts.searchApi.doSearch(byEmail("ada@example.com"))).results).toMatchObject([
      { id },
    ]);
  });

  it.each([
    ["CONTAINS_TOKEN", "*@example.com", ["ada", "eve"]],
    ["NEQ", "ada@example.com", ["eve"]],
  ])("searches with %s", async (operator, value, found) => {
    sandbox.addObject("contacts", { email: "ada@example.com", firstname: "ada" });
    sandbox.addObject("contacts", { email: "eve@example.com", firstname: "eve" });
    const filters = [{ propertyName: "email", operator: operator as never, value }];
    const query = {
      ...byEmail(""),
      filterGroups: [{ filters }],
      properties: ["firstname"],
      sorts: ["firstname"],
    };
    const { results } = await crm.contacts.searchApi.doSearch(query);
    expect(results.map(({ properties }) => properties["firstname"])).toEqual(found);
  });

  it("reads several at once, and says which are missing", async () => {
    const { id } = await crm.contacts.basicApi.create({ properties: ada });
    const query = { inputs: [{ id }, { id: "9" }], properties: ["email"], propertiesWithHistory: [] };
    const answer = await crm.contacts.batchApi.read(query);
    expect(answer.results.map((one) => one.id)).toEqual([id]);
    expect(answer).toMatchObject({ errors: [{ context: { ids: ["9"] } }] });
  });

  it("names the limit that was met, and lets nobody in without a token", async () => {
    sandbox.limitRate("TEN_SECONDLY_ROLLING");
    await expect(crm.contacts.basicApi.getById("1")).rejects.toMatchObject({
      code: 429,
      body: { policyName: "TEN_SECONDLY_ROLLING", category: "RATE_LIMITS" },
    });
    expect((await fetch(`${sandbox.url}/crm/v3/objects/contacts/1`)).status).toBe(401);
    expect(JSON.stringify(sandbox.requests)).not.toContain("pat-secret");
  });
});
