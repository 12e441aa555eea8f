/** `signalbox completion SHELL`: a script made from the tree of commands, so that it never knows less than `--help`. */
import type { Command } from "commander";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

interface Node {
  /** `events list`; empty for the program. */
  readonly path: string;
  readonly words: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly { readonly name: string; readonly description: string }[];
}

function nodesOf(command: Command, path: string, inherited: Node["options"]): Node[] {
  const own = command.options
    .filter((option) => !option.hidden)
    .map((option) => ({ name: option.long ?? option.short ?? "", description: option.description }));
  const children = command.commands.filter((child) => child.name() !== "help");
  const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  const options = [...own, ...inherited];
  return [
    {
      path,
      words: [
        ...children.map((child) => ({
          name: child.name(),
          description: child.summary() || child.description(),
        })),
        ...choices.map((name) => ({ name, description: "" })),
      ],
      options: [...options, { name: "--help", description: "display help for command" }],
    },
    ...children.flatMap((child) =>
      nodesOf(child, path === "" ? child.name() : `${path} ${child.name()}`, path === "" ? own : inherited),
    ),
  ];
}

export function completionScript(program: Command, shell: Shell): string {
  const nodes = nodesOf(program, "", []);
  switch (shell) {
    case "bash":
      return bash(nodes);
    case "zsh":
      return zsh(nodes);
    case "fish":
      return fish(nodes);
  }
}

/** The words before the cursor that are no options, as far as they name a command. */
const pathLoop = (words: string, paths: readonly string[]): string => `  local at="" word
  for word in ${words}; do
    case "$word" in -*) continue ;; esac
    case "\${at:+$at }$word" in
      ${paths.map((path) => `"${path}"`).join("|")}) at="\${at:+$at }$word" ;;
    esac
  done`;

function bash(nodes: readonly Node[]): string {
  const cases = nodes.map(
    ({ path, words, options }) =>
      `    "${path}") words="${words.map(({ name }) => name).join(" ")}"; options="${options.map(({ name }) => name).join(" ")}" ;;`,
  );
  return `# signalbox completion bash > /etc/bash_completion.d/signalbox   or:  source <(signalbox completion bash)
_signalbox() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words="" options=""
${pathLoop('"${COMP_WORDS[@]:1:COMP_CWORD-1}"', pathsOf(nodes))}
  case "$at" in
${cases.join("\n")}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
}
complete -o default -F _signalbox signalbox
`;
}

function zsh(nodes: readonly Node[]): string {
  const quoted = ({ name, description }: Node["words"][number]) =>
    `'${name}:${description.replaceAll("'", "'\\''").replaceAll(":", "\\:")}'`;
  const cases = nodes.map(
    ({ path, words, options }) =>
      `    "${path}") words_=(${words.map(quoted).join(" ")}); options=(${options.map(quoted).join(" ")}) ;;`,
  );
  return `#compdef signalbox
# signalbox completion zsh > "\${fpath[1]}/_signalbox"
_signalbox() {
  local -a words_ options
${pathLoop('"${(@)words[2,CURRENT-1]}"', pathsOf(nodes))}
  case "$at" in
${cases.join("\n")}
  esac
  if [[ "$words[CURRENT]" == -* ]]; then
    _describe 'option' options
  elif (( $#words_ )); then
    _describe 'command' words_
  else
    _files
  fi
}
# As a file of fpath this is the body of the function; sourced, it has to be announced.
if [ "\${funcstack[1]}" = "_signalbox" ]; then
  _signalbox "$@"
else
  compdef _signalbox signalbox
fi
`;
}

function fish(nodes: readonly Node[]): string {
  const text = (description: string) => `'${description.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = nodes.flatMap(({ path, words, options }) => {
    const when = `-n '__signalbox_at "${path}"'`;
    return [
      ...words.map(
        ({ name, description }) => `complete -c signalbox ${when} -f -a ${name} -d ${text(description)}`,
      ),
      ...options.map(
        ({ name, description }) =>
          `complete -c signalbox ${when} -l ${name.replace(/^--/, "")} -d ${text(description)}`,
      ),
    ];
  });
  return `# signalbox completion fish > ~/.config/fish/completions/signalbox.fish
function __signalbox_at
  set -l path ""
  for word in (commandline -opc)[2..-1]
    string match -q -- '-*' $word; and continue
    set -l longer (string trim "$path $word")
    contains -- $longer ${pathsOf(nodes)
      .map((path) => `'${path}'`)
      .join(" ")}; and set path $longer
  end
  test "$path" = "$argv[1]"
end
${lines.join("\n")}
`;
}

const pathsOf = (nodes: readonly Node[]): readonly string[] =>
  nodes.map(({ path }) => path).filter((path) => path !== "");
