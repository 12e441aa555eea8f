/** The brains of the sandbox's models, by hand: one import and one entry per agent; the first that matches answers. */
import type { Brain } from "../brains.ts";

export const brains: readonly Brain[] = [];
