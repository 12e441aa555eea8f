import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/run-servers.ts"],
    pool: "threads",
    // Files share their worker's modules: an order of magnitude faster, and the reason that nothing may be mocked by module.
    isolate: false,
    // Most of the time of a story is spent waiting for the program: on two cores, two of them at a time.
    maxWorkers: "100%",
    // A limit is there to end what hangs. What is slow on a busy machine is not wrong.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    teardownTimeout: 10_000,
  },
});
