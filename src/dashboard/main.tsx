/** The page: header, the live sign, and the part that the address names (`#/runs/…`). */
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { EventPage } from "./event.tsx";
import { connect, useLiveState } from "./live.ts";
import { Overview } from "./overview.tsx";
import { Empty } from "./parts.tsx";
import { Processes } from "./processes.tsx";
import { RunPage } from "./run.tsx";
import { Deeds } from "./deeds.tsx";
import { Breakers, Sources } from "./services.tsx";

const links = [
  ["", "Overview"],
  ["breakers", "Breakers"],
  ["sources", "Sources"],
  ["processes", "Processes"],
  ["audit", "Audit"],
] as const;

function useRoute(): readonly string[] {
  const read = () => location.hash.replace(/^#\/?/, "").split("/");
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const changed = () => setRoute(read());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

function Part({ route: [name = "", id = ""] }: { route: readonly string[] }) {
  if (name === "") return <Overview />;
  if (name === "events" && id !== "") return <EventPage id={id} />;
  if (name === "runs" && id !== "") return <RunPage id={id} />;
  if (name === "breakers") return <Breakers />;
  if (name === "sources") return <Sources />;
  if (name === "processes") return <Processes />;
  if (name === "audit") return <Deeds />;
  return (
    <Empty>
      <p>
        There is nothing here. <a href="#/">To the overview</a>
      </p>
    </Empty>
  );
}

function LiveSign() {
  const state = useLiveState();
  const mark = state === "live" ? "●" : "○";
  return (
    <p class={`sign ${state}`} role="status">
      <span aria-hidden="true">{mark}</span> {state === "live" ? "live" : `${state}…`}
    </p>
  );
}

function App() {
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  const address = route.join("/");
  const shown = useRef(address);
  useEffect(() => {
    // Keyboards and screen readers go on where the new part begins; on the first sight, the browser decides.
    if (shown.current === address) return;
    shown.current = address;
    main.current?.focus();
    scrollTo(0, 0);
  }, [address]);
  return (
    <>
      <a class="skip" href="#main" onClick={(click) => (click.preventDefault(), main.current?.focus())}>
        To the content
      </a>
      <header class="top">
        <a class="brand" href="#/">
          <img src="/icon.svg" alt="" width="22" height="22" /> Signalbox
        </a>
        <nav aria-label="Pages">
          {links.map(([path, text]) => (
            <a
              key={path}
              href={`#/${path}`}
              {...(route[0] === path ? { "aria-current": "page" as const } : {})}
            >
              {text}
            </a>
          ))}
        </nav>
        <LiveSign />
        <form method="post" action="/logout">
          <button class="quiet">Log out</button>
        </form>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <Part key={address} route={route} />
      </main>
    </>
  );
}

const page = document.getElementById("page");
if (page) {
  connect();
  render(<App />, page);
}
