/** The State port in memory, with the same compare-and-set. */
import type { Json } from "../../src/domain/json.ts";
import type { State } from "../../src/domain/ports.ts";

export function memoryState(): State {
  const rows = new Map<string, { value: Json; version: number }>();
  return {
    get: async (scope, key) => rows.get(`${scope}/${key}`) ?? null,
    list: async (scope) =>
      [...rows]
        .filter(([id]) => id.startsWith(`${scope}/`))
        .map(([id, row]) => ({ key: id.slice(scope.length + 1), ...row })),
    put: async (scope, key, value, expected) => {
      const id = `${scope}/${key}`;
      if ((rows.get(id)?.version ?? 0) !== expected) return false;
      rows.set(id, { value, version: expected + 1 });
      return true;
    },
  };
}
