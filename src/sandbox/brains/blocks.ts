/** The delimited parts of a prompt. Earlier turns hold examples in the same form, so the last block of a name counts. */
export function block(text: string, name: string): string {
  const start = text.lastIndexOf(`<${name}>`);
  if (start === -1) return "";
  const from = start + name.length + 2;
  const end = text.indexOf(`</${name}>`, from);
  return text.slice(from, end === -1 ? undefined : end).trim();
}

/** The lines of a block, without empty ones and the word for an empty block. */
export const entries = (text: string, name: string): string[] =>
  block(text, name)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && line !== "none");
