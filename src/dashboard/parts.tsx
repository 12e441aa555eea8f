/** What every page is made of. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Json } from "../domain/json.ts";
import type { Loaded } from "./load.ts";
import { relative, wordFor } from "./words.ts";

export function Status({ of }: { of: Parameters<typeof wordFor>[0] }) {
  const { text, mark, tone } = wordFor(of);
  return (
    <span class={`status ${tone}`}>
      <span class="mark" aria-hidden="true">
        {mark}
      </span>
      {text}
    </span>
  );
}

/** The time now, moving on every few seconds. */
function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 5_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function Ago({ at }: { at: string }) {
  // A row may be newer than the last tick of `useNow`.
  const now = Math.max(useNow(), Math.min(Date.now(), Date.parse(at)));
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {relative(at, now)}
    </time>
  );
}

export const Empty = ({ children }: { children: ComponentChildren }) => <div class="empty">{children}</div>;

export function Card({
  title,
  children,
  aside,
}: {
  title: string;
  children: ComponentChildren;
  aside?: ComponentChildren;
}) {
  return (
    <section class="card">
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** The data once it is there; before, that it is read; and why not, when it can't be. */
export function Shown<T>({ of, children }: { of: Loaded<T>; children: (data: T) => ComponentChildren }) {
  return (
    <>
      {of.fault !== null && (
        <p class="fault" role="alert">
          {of.fault}
        </p>
      )}
      {of.data === null ? of.fault === null && <p class="soft">Reading…</p> : children(of.data)}
    </>
  );
}

export function Facts({ of }: { of: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const label = (name: string) =>
  name
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .replaceAll("_", " ")
    .toLowerCase();

/** JSON for people: names and values, nested lists indented. */
export function Values({ of }: { of: Json }) {
  if (of === null || of === "") return <span class="soft">none</span>;
  if (typeof of === "boolean") return <span>{of ? "yes" : "no"}</span>;
  if (typeof of !== "object") return <span class="value">{String(of)}</span>;
  const entries = Object.entries(of as Readonly<Record<string, Json>>);
  if (entries.length === 0) return <span class="soft">none</span>;
  if (Array.isArray(of))
    return (
      <ul class="values">
        {entries.map(([index, item]) => (
          <li key={index}>
            <Values of={item} />
          </li>
        ))}
      </ul>
    );
  return (
    <Facts of={entries.map(([name, item]) => [label(name), <Values key={name} of={item} />] as const)} />
  );
}

export function Raw({ of, title }: { of: Json; title: string }) {
  return (
    <details class="raw">
      <summary>{title}</summary>
      <pre tabIndex={0}>{JSON.stringify(of, null, 2)}</pre>
    </details>
  );
}
