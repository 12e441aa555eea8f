/** A row of what was measured. */
export const row = (name: string, cells: readonly string[]): void =>
  console.log(`  ${name.padEnd(44)} ${cells.map((cell) => cell.padStart(14)).join(" ")}`);
