import type { Json } from "../../src/domain/json.ts";
import type { State } from "../../src/domain/ports.ts";

/** State in memory; `puts` counts its writes that took effect. */
export function memoryState(): State & { readonly puts: () => number } {
  const rows = new Map<string, { value: Json; version: number }>();
  let puts = 0;
  return {
    get: async (scope, key) => rows.get(`${scope}/${key}`) ?? null,
    list: async (scope) =>
      [...rows]
        .filter(([id]) => id.startsWith(`${scope}/`))
        .map(([id, row]) => ({ key: id.slice(scope.length + 1), ...row })),
    put: async (scope, key, value, expected) => {
      const id = `${scope}/${key}`;
      if ((rows.get(id)?.version ?? 0) !== expected) return false;
      // As the journal does it, so that nothing gets through that JSON can't hold.
      rows.set(id, { value: JSON.parse(JSON.stringify(value)) as Json, version: expected + 1 });
      puts += 1;
      return true;
    },
    puts: () => puts,
  };
}
