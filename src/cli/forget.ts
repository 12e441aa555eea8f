/** `signalbox forget`: what is stored about a person goes. */
import type { Context } from "./context.ts";
import { connect } from "./service.ts";
import { counted } from "./tables.ts";
import { wrap } from "./terminal.ts";

interface Answer {
  readonly dryRun: boolean;
  readonly erased: number;
  readonly open: readonly string[];
}

export async function forget(
  context: Context,
  email: string,
  { url, dryRun = false }: { readonly url?: string; readonly dryRun?: boolean },
): Promise<void> {
  const { terminal } = context;
  const answer = await connect(context, url).post<Answer>("/api/forget", { email, dryRun });
  if (terminal.json) {
    terminal.printJson(answer);
    return;
  }
  const events = counted(answer.erased, "event");
  if (answer.erased === 0) terminal.print(`Nothing that is at rest here names ${email}.`);
  else if (dryRun) terminal.print(`${events} would be erased.`);
  else terminal.print(`${events} erased: what they held of ${email} is gone.`);
  if (answer.open.length > 0)
    terminal.note(
      wrap(
        `Still being worked on, and kept: ${answer.open.join(", ")}. Ask again when their runs have ended, or cancel those.`,
        terminal.width,
      ),
    );
  if (!dryRun)
    terminal.note(
      wrap(
        "What was done in other systems is theirs to forget, and back-ups hold what they held.",
        terminal.width,
      ),
    );
}
