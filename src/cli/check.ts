/** `signalbox check`: every fault of the configuration and the prompts. Starts nothing, makes no request. */
import { gapNotes } from "../config/gaps.ts";
import { renderFaults } from "../config/faults.ts";
import { loadSettings, unpricedNotes } from "../in-force.ts";
import type { Settings } from "../in-force.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./failure.ts";
import type { ExitCode } from "./failure.ts";
import { settingsOptions } from "./settings.ts";
import { counted } from "./tables.ts";
import { wrap } from "./terminal.ts";

export async function check(context: Context): Promise<ExitCode> {
  const { terminal } = context;
  const settings = await loadSettings(settingsOptions(context), systemClock.now());
  const faults = settings.ok ? [] : settings.faults;
  const warnings = settings.ok ? settings.loaded.warnings : [];
  const notes = settings.ok
    ? [
        ...gapNotes(settings.loaded.config, settings.loaded.idle.sources),
        ...unpricedNotes(settings, systemClock.now()),
      ]
    : [];
  if (terminal.json) terminal.printJson({ ok: settings.ok, faults, warnings, notes });
  else if (settings.ok) {
    if (warnings.length > 0) {
      // Without the lines of the file: a dozen of them says no more, and hides the one that is news.
      for (const { source: _, ...warning } of warnings)
        terminal.note(renderFaults([warning], { color: terminal.notePaint.isColorSupported }));
      terminal.note("");
    }
    for (const { message, fix } of notes)
      terminal.note(wrap(`note: ${message}. ${fix}`, terminal.width, "  "));
    terminal.print(wrap(summary(settings, terminal.paint.green("ok")), terminal.width));
  } else {
    terminal.print(renderFaults(faults, { color: terminal.paint.isColorSupported }));
    terminal.note(`\n${counted(faults.length, "fault")}; nothing was started or changed.`);
  }
  return settings.ok ? exitCodes.ok : exitCodes.configuration;
}

function summary({ loaded, prompts }: Settings, ok: string): string {
  const { config, warnings } = loaded;
  const parts = [
    counted(Object.keys(config.sources).length, "source"),
    counted(config.routes.length, "route"),
    counted(Object.keys(config.models).length, "model"),
    counted(Object.keys(config.destinations).length, "destination"),
    counted(prompts.size, "prompt"),
  ];
  const idle = warnings.length === 0 ? "" : `, ${counted(warnings.length, "warning")}`;
  return `${ok}: ${parts.join(", ")}${idle}`;
}
