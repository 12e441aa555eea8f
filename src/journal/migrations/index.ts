import { initial } from "./0001-initial.ts";
import { counting } from "./0002-counting.ts";
import { due } from "./0003-due.ts";
import { scale } from "./0004-scale.ts";
import { evidence } from "./0005-evidence.ts";
import { operators } from "./0006-operators.ts";
import { history } from "./0007-history.ts";
import { signed } from "./0008-signed.ts";
import { cap } from "./0009-cap.ts";
import { probe } from "./0010-probe.ts";
import { notices } from "./0011-notices.ts";

/** Numbered and append-only: the position in the list is the version, and a released entry never changes. */
export const migrations: readonly string[] = [
  initial,
  counting,
  due,
  scale,
  evidence,
  operators,
  history,
  signed,
  cap,
  probe,
  notices,
];
